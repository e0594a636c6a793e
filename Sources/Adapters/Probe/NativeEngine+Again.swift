internal import CWire
package import Vocabulary
package import Wire

extension NativeEngine {
    /// Judges a record again under this engine's policy, as the limiter would. What the hello's way told stays as it was recorded.
    ///
    /// - Parameters:
    ///   - hello: a handshake message of the record's stack, or nothing.
    ///   - isOwn: it has the record's name and protocols, too.
    ///   - wasObserving: no limiter looked at the record.
    package mutating func again(_ record: Handshake, hello: RawSpan, isOwn: Bool, wasObserving: Bool) -> Handshake {
        var record = record
        unsafe withUnsafeMutableBytes(of: &record) { record in
            unsafe hello.withUnsafeBytes { hello in
                // A Handshake is the C struct and nothing else (Wire); an empty hello has no bytes that anybody would read.
                unsafe weir_engine_again(
                    engine, record.baseAddress!.assumingMemoryBound(to: weir_handshake.self),
                    hello.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(clamping: hello.count), isOwn ? 1 : 0,
                    wasObserving ? 1 : 0)
            }
        }
        return record
    }

    /// What is wrong with a whole hello by itself.
    package mutating func glance(_ hello: RawSpan) -> AnomalySet {
        guard hello.byteCount >= 4 else { return AnomalySet(.malformedHello) }
        return unsafe hello.withUnsafeBytes { hello in
            // Four bytes at least, so it begins somewhere.
            AnomalySet(
                rawValue: unsafe weir_engine_glance(
                    engine, hello.baseAddress!.assumingMemoryBound(to: UInt8.self), UInt32(clamping: hello.count)))
        }
    }
}

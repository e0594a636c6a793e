package import Detection
internal import Glibc
package import Vocabulary

/// Names and fingerprints of many hellos, without an allocation for those that are plain. Clients are many, their TLS stacks fewer: what
/// depends on the stack alone is worked out and remembered by the very words that it depends on, which hold no GREASE.
package struct HelloReader {
    package struct Reading {
        /// `nil` when the hello's bytes do not all lie here.
        package let stack: Stack?
        /// Where its parts lie; says nothing where `whole` is there.
        package let places: HelloPlaces
        /// The long way's words, for a hello that is not plain.
        package let whole: Whole?

        /// Parts of the hello `message`, which this is of.
        package func serverName(in message: RawSpan) -> String? {
            if let whole { return whole.hello.serverName }
            return places.name.map { String(decoding: Span<UInt8>(_bytes: message).bytes($0), as: UTF8.self) }
        }

        package func protocols(in message: RawSpan) -> [String] {
            if let whole { return whole.hello.alpnNames }
            var names: [String] = []
            places.eachProtocol(in: Span<UInt8>(_bytes: message)) {
                names.append(String(decoding: Span<UInt8>(_bytes: message).bytes($0), as: UTF8.self))
            }
            return names
        }

        /// Groups that it offers, GREASE aside.
        package func eachGroup(in message: RawSpan, _ body: (NamedGroup) -> Void) {
            func tell(_ group: NamedGroup) { if !group.isGREASE { body(group) } }
            guard let whole else { return places.eachGroup(in: Span<UInt8>(_bytes: message), tell) }
            for number in whole.hello.groups { tell(NamedGroup(number)) }
        }

        /// Groups that it sends a share of, GREASE aside.
        package func eachKeyShare(in message: RawSpan, _ body: (NamedGroup) -> Void) {
            func tell(_ group: NamedGroup) { if !group.isGREASE { body(group) } }
            guard let whole else { return places.eachKeyShare(in: Span<UInt8>(_bytes: message), tell) }
            for number in whole.hello.keyShares { tell(NamedGroup(number)) }
        }

        /// `nil` without the extension.
        package func encryptedHello(in message: RawSpan) -> EncryptedHello? {
            if let whole { return whole.hello.encryptedHello.map { EncryptedHello($0.span) } }
            return places.encryptedHello.map { EncryptedHello(Span<UInt8>(_bytes: message).extracting($0)) }
        }
    }

    package final class Whole: Sendable {
        package let hello: ClientHello
        init(_ hello: ClientHello) { self.hello = hello }
    }

    private let cache: StackCache
    private let walk = HelloWalk()
    private let writer = StackWriter()

    /// - Parameter capacity: stacks remembered, a power of two; a newer one takes the place of an older one, since a client that makes up
    ///   one after the other must not fill memory.
    package init(capacity: Int = 8192) { cache = StackCache(capacity) }

    /// Stacks that are remembered.
    package var count: Int { cache.count }

    /// `nil` when the bytes start no ClientHello.
    /// - Parameter transport: what it came over, for JA4 says so.
    package mutating func read(_ message: RawSpan, over transport: Transport) -> Reading? {
        // The bytes are read while the span lives.
        guard let places = unsafe message.withUnsafeBytes({ unsafe walk.read($0, over: transport) }) else {
            return readSlowly(message, transport)
        }
        return Reading(stack: cache.stack(of: walk) { writer.stack(of: walk) }, places: places, whole: nil)
    }

    private func readSlowly(_ message: RawSpan, _ transport: Transport) -> Reading? {
        guard var hello = ClientHello(message) else { return nil }
        hello.transport = transport
        return Reading(stack: Fingerprint(hello).map { Stack($0) }, places: HelloPlaces(), whole: Whole(hello))
    }
}

/// Stacks by the words that they follow from: each has one place, by a hash.
@safe private final class StackCache {
    private let words: UnsafeMutablePointer<UInt16>
    private let sizes: UnsafeMutablePointer<UInt16>
    private let stacks: UnsafeMutablePointer<HelloReader.Stack>
    private let mask: Int
    private(set) var count = 0
    /// Words of one; a stack that has more is worked out each time.
    private static let most = 160

    init(_ capacity: Int) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0, "a cache's capacity is a power of two")
        mask = capacity - 1
        // Untouched memory costs nothing.
        unsafe words = calloc(capacity * Self.most, 2)!.bindMemory(to: UInt16.self, capacity: capacity * Self.most)
        unsafe sizes = calloc(capacity, 2)!.bindMemory(to: UInt16.self, capacity: capacity)
        unsafe stacks = calloc(capacity, MemoryLayout<HelloReader.Stack>.stride)!.bindMemory(to: HelloReader.Stack.self, capacity: capacity)
    }

    deinit {
        unsafe free(words)
        unsafe free(sizes)
        unsafe free(stacks)
    }

    func stack(of walk: HelloWalk, orElse make: () -> HelloReader.Stack) -> HelloReader.Stack {
        guard walk.count <= Self.most else { return make() }
        let place = Int(truncatingIfNeeded: walk.hash >> 20) & mask, own = unsafe words + place * Self.most
        if unsafe Int(sizes[place]) == walk.count && memcmp(own, walk.words, walk.count * 2) == 0 { return unsafe stacks[place] }
        let stack = make()
        if unsafe sizes[place] == 0 { count += 1 }
        unsafe sizes[place] = UInt16(walk.count)
        unsafe own.update(from: walk.words, count: walk.count)
        unsafe stacks[place] = stack
        return stack
    }
}

internal import Glibc
internal import JSON
package import Linux
package import Messages
internal import Units

/// An event and the hello that it is about.
package struct Evidence: Sendable {
    package let event: ThrottleEvent
    /// The handshake message, from its type on.
    package let hello: [UInt8]
}

package enum EvidenceReader {
    /// What lies in an agent's state directory, the oldest first; an agent may write there meanwhile.
    /// - Returns: what could be read, and how many lines could not.
    package static func read(directory: String) throws(Errno) -> (evidence: [Evidence], unreadable: Int) {
        var all: [Evidence] = [], unreadable = 0, found = 0
        var reader = MessageReader(), parser = JSONParser()
        for name in EvidenceWriter.names {
            let bytes: [UInt8]
            do throws(Errno) { bytes = try File.contents("\(directory)/\(name)", limit: most) } catch {
                if error == .noEntry { continue }
                throw error
            }
            found += 1
            for line in bytes.split(separator: 10) {
                do throws(JSONError) {
                    let text = Array(line)
                    let event = unsafe try reader.throttleEvent(text.span.bytes)
                    let hello = unsafe try parser.object(text.span.bytes) { object throws(JSONError) in try object.string("hello") }
                    guard let hello = Base64.bytes(hello), !hello.isEmpty else { throw JSONError("hello", .wrongValue(wanted: "base64")) }
                    all.append(Evidence(event: event, hello: hello))
                } catch { unreadable += 1 }
            }
        }
        guard found > 0 else { throw .noEntry }
        // The order of the two files is that of their first lines.
        return (all.sorted { $0.event.time < $1.event.time }, unreadable)
    }

    private static let most = 1 << 30
}

internal import Glibc
internal import JSON
package import Linux
internal import Messages

/// What of bundles outlives a run: how far each key has counted, which keys have followed which, and the last good bundles whole. One
/// file, replaced whole, so that a kill at any moment leaves the old one or the new one.
package struct BundleState: Sendable, Equatable {
    /// Beside the spool. The second is what is being written.
    package static let files = ["bundles.json", "bundles.json.new"]
    private static let schema = "weir.dev/bundle-state/v1"
    /// Four bundles and the changes of keys, and what their quotation marks cost in a string.
    private static let sizeLimit = 8 << 20

    /// Envelopes of the changes of keys that were followed, in their order.
    package var changes: [[UInt8]] = []
    package var sequences: [String: Int] = [:]
    /// Envelopes, the one that runs at the end.
    package var kept: [[UInt8]] = []

    package init() {}

    init(changes: [[UInt8]], sequences: [String: Int], kept: [[UInt8]]) {
        (self.changes, self.sequences, self.kept) = (changes, sequences, kept)
    }

    package struct Damaged: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// - Returns: `nil` where no earlier run has left anything.
    package static func load(from directory: String) throws(Damaged) -> BundleState? {
        let path = "\(directory)/\(files[0])"
        let bytes: [UInt8]
        do throws(Errno) { bytes = try readFile(path, limit: sizeLimit) } catch {
            if error == .noEntry { return nil }
            throw Damaged(description: "\(files[0]): cannot be read: \(error)")
        }
        var parser = JSONParser(maximumSize: sizeLimit, maximumItems: 512)
        do throws(JSONError) { return try unsafe parser.object(bytes.span.bytes, read) } catch {
            throw Damaged(description: "\(files[0]): \(error)")
        }
    }

    private static func read(_ object: borrowing JSONObject) throws(JSONError) -> BundleState {
        guard try object.string("schema") == schema else { throw JSONError("schema", .wrongValue(wanted: schema)) }
        var state = BundleState()
        state.changes = try object.strings("changes").map { Array($0.utf8) }
        try object.objects("sequences") { one throws(JSONError) in state.sequences[try one.string("key")] = try one.integer("sequence") }
        state.kept = try object.strings("kept").map { Array($0.utf8) }
        return state
    }

    func encoded() -> [UInt8] {
        var json = JSONWriter(capacity: 4096)
        json.object { json in
            json.member("schema", Self.schema)
            json.member("changes", changes.map { String(decoding: $0, as: UTF8.self) })
            json.array("sequences") { json in
                for (key, sequence) in sequences.sorted(by: { $0.key < $1.key }) {
                    json.object { json in
                        json.member("key", key)
                        json.member("sequence", sequence)
                    }
                }
            }
            json.member("kept", kept.map { String(decoding: $0, as: UTF8.self) })
        }
        return json.bytes
    }

    /// Another file under another name first, then renamed over (rename(2) is atomic), each step on the disk before the next.
    package func save(to directory: String) throws(Errno) {
        let path = "\(directory)/\(Self.files[0])", new = "\(directory)/\(Self.files[1])", bytes = encoded()
        do {
            let file = try FileDescriptor(owning: unsafe open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600))
            var done = 0
            while done < bytes.count {
                let count = unsafe bytes.withUnsafeBytes { unsafe write(file.rawValue, $0.baseAddress! + done, bytes.count - done) }
                if count < 0, Errno.current == .interrupted { continue }
                guard count > 0 else { throw Errno.current }
                done += count
            }
            guard fsync(file.rawValue) == 0 else { throw Errno.current }
        } catch let error as Errno { throw error } catch { throw Errno.current }
        guard unsafe rename(new, path) == 0 else { throw .current }
        let folder = try FileDescriptor(owning: unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC))
        guard fsync(folder.rawValue) == 0 else { throw .current }
    }
}

/// A regular file's bytes, at most one more than `limit`. It waits for no writer of a pipe.
func readFile(_ path: String, limit: Int) throws(Errno) -> [UInt8] {
    let file = try FileDescriptor(owning: unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY))
    var status = stat()
    guard unsafe fstat(file.rawValue, &status) == 0 else { throw .current }
    guard status.st_mode & S_IFMT == S_IFREG else { throw Errno(rawValue: EINVAL) }
    var bytes: [UInt8] = []
    while bytes.count <= limit {
        var failure: Errno?
        // The closure reports how much of the buffer the kernel filled.
        let chunk = unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, filled in
            let count = unsafe read(file.rawValue, buffer.baseAddress, min(buffer.count, limit + 1 - bytes.count))
            if count < 0 { failure = .current }
            filled = max(count, 0)
        }
        if let failure {
            if failure == .interrupted { continue }
            throw failure
        }
        if chunk.isEmpty { break }
        bytes += chunk
    }
    return bytes
}

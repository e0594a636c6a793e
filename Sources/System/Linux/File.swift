internal import CLinux
internal import Glibc

package enum File {
    /// A file's text, up to `limit` bytes; `nil` when it cannot be read.
    package static func read(_ path: String, limit: Int) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        unsafe withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 8) { buffer in
            while bytes.count < limit {
                let count = unsafe Glibc.read(descriptor, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                unsafe bytes.append(contentsOf: buffer.prefix(count))
            }
        }
        return String(decoding: bytes.prefix(limit), as: UTF8.self)
    }

    /// The bytes of a regular file, `limit` of them at most. A symbolic link is none (ELOOP), nor is anything else (EINVAL).
    package static func contents(_ path: String, limit: Int) throws(Errno) -> [UInt8] {
        let file = try FileDescriptor(owning: unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK))
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else { throw .current }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Errno(rawValue: EINVAL) }
        let room = min(max(0, Int(status.st_size)), limit)
        var failure: Errno?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            while count < room {
                let read = unsafe Glibc.read(file.rawValue, buffer.baseAddress! + count, room - count)
                if read < 0 { failure = .current }
                guard read > 0 else { return }
                count += read
            }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Gives a file another name that nobody has; says why not, `.exists` where somebody has it.
    package static func renameAsNew(_ from: String, to: String) throws(Errno) {
        let error = unsafe weir_rename_new(from, to)
        guard error == 0 else { throw Errno(rawValue: error) }
    }

    package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

    /// Writes a file whole, or anew; false when it cannot be. Others than its owner and group cannot read it.
    package static func write(_ path: String, _ bytes: [UInt8]) -> Bool {
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return unsafe Glibc.write(descriptor, bytes, bytes.count) == bytes.count
    }
}

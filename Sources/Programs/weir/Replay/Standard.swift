internal import Front
internal import Glibc
internal import Linux

/// Standard output and error, by whole buffers.
enum Standard: CInt {
    case output = 1, error = 2

    /// False when nobody reads any more (`| head`). Throws when it cannot be written at all, as on a full disk.
    func write(_ bytes: [UInt8]) throws -> Bool { unsafe try bytes.withUnsafeBytes { unsafe try write($0) } }

    func write(_ bytes: UnsafeRawBufferPointer) throws -> Bool {
        var done = 0
        while done < bytes.count {
            let count = unsafe Glibc.write(rawValue, bytes.baseAddress! + done, bytes.count - done)
            if count >= 0 {
                done += count
                continue
            }
            let error = Errno.current
            switch error.rawValue {
            case EINTR: continue
            case EPIPE: return false
            default: throw Refusal.cannot("standard output: \(error)")
            }
        }
        return true
    }

    /// What may be lost when nobody reads it.
    @discardableResult
    func show(_ text: String) -> Bool { (try? write(Array(text.utf8))) ?? false }
}

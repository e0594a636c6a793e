internal import Glibc

/// Standard output and error by whole buffers.
enum Standard: CInt {
    case output = 1, error = 2

    /// False when nobody reads any more (`| head`).
    @discardableResult
    func write(_ text: String) -> Bool { write(Array(text.utf8)) }

    @discardableResult
    func write(_ bytes: [UInt8]) -> Bool {
        var done = 0
        return unsafe bytes.withUnsafeBytes { buffer in
            while done < buffer.count {
                let count = unsafe Glibc.write(rawValue, buffer.baseAddress! + done, buffer.count - done)
                guard count > 0 else { return false }
                done += count
            }
            return true
        }
    }
}

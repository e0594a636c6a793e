internal import Glibc

/// Tells one state of a file from another, however it came about: written in place, renamed over, or by a symbolic link that was swapped.
package struct FileStamp: Equatable, Sendable {
    private let device, inode: UInt64
    private let size: Int
    private let seconds, nanoseconds: Int

    /// `nil` when there is no such file.
    package init?(_ path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    /// Of a file that is open.
    package init?(_ file: borrowing FileDescriptor) {
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        (device, inode, size) = (UInt64(status.st_dev), UInt64(status.st_ino), Int(status.st_size))
        (seconds, nanoseconds) = (status.st_mtim.tv_sec, status.st_mtim.tv_nsec)
    }
}

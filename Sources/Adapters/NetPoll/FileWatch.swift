internal import CLinux
internal import Glibc
package import Linux

/// Notices that a file was written or replaced, also by renaming over it or by the symbolic link that Kubernetes swaps:
/// the directory is watched, because the file itself may be another one next time.
package struct FileWatch: ~Copyable {
    private let descriptor: FileDescriptor

    package init(path: String) throws(Errno) {
        let descriptor = try FileDescriptor(owning: inotify_init1(CInt(IN_NONBLOCK | IN_CLOEXEC)))
        let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        guard unsafe inotify_add_watch(descriptor.rawValue, directory, UInt32(IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE)) >= 0
        else { throw .current }
        self.descriptor = descriptor
    }

    /// For the caller's epoll; it stays ours.
    package var eventDescriptor: CInt { descriptor.rawValue }

    /// Takes what has happened. Whether the file itself changed, its contents tell.
    package func take() {
        unsafe withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
            while unsafe read(descriptor.rawValue, buffer.baseAddress, buffer.count) > 0 {}
        }
    }
}

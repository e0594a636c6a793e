internal import Glibc

/// A file that holds some of the disk for the worst case: on a full disk even removing takes room, for SQLite's log. It is given up
/// then, and taken again when all could be written.
struct Reserve {
    static let file = "spool.reserve"
    /// More than the log holds: the 1,000 pages of SQLite's `wal_autocheckpoint`, and one transaction.
    private static let size: off_t = 5 << 20

    private let path: String
    private(set) var isThere = false

    init(_ directory: String) {
        path = "\(directory)/\(Self.file)"
        // Of one that was killed.
        isThere = unsafe access(path, F_OK) == 0
    }

    /// Where the disk has no room for it there is none.
    mutating func take() {
        guard !isThere else { return }
        let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        isThere = posix_fallocate(descriptor, 0, Self.size) == 0
        if !isThere { unsafe unlink(path) }
    }

    /// False when there was none.
    mutating func giveUp() -> Bool {
        guard isThere else { return false }
        unsafe unlink(path)
        isThere = false
        return true
    }
}

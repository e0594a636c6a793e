internal import CSQLite
internal import Glibc
internal import Linux

/// Where SQLite finds the spool's file.
enum Place {
    /// SQLite's own way to the file system, less one thing: names stay as they are. It would follow a name such as
    /// `/proc/self/fd/7/spool.sqlite3` to where it leads, and this process may not be able to go there by name.
    static let system: String? = {
        guard let own = unsafe sqlite3_vfs_find(nil) else { return nil }
        // SQLite keeps it for as long as the process lives.
        let ours = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        unsafe ours.initialize(to: own.pointee)
        unsafe ours.pointee.zName = UnsafePointer(strdup("weir"))
        unsafe ours.pointee.pNext = nil
        unsafe ours.pointee.xFullPathname = { _, name, size, out in
            guard let name = unsafe name, let out = unsafe out, unsafe strlen(name) < Int(size) else { return SQLITE_CANTOPEN }
            unsafe strcpy(out, name)
            return SQLITE_OK
        }
        return unsafe sqlite3_vfs_register(ours, 0) == SQLITE_OK ? "weir" : nil
    }()

    /// Makes the file if there is none, and keeps others from reading it: SQLite's other files get the same mode. False when it cannot
    /// be made.
    static func prepare(_ path: String) -> Bool {
        // Nothing else has the file open here: closing this descriptor would let go of its locks.
        let flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW
        guard let file = unsafe try? FileDescriptor(owning: open(path, flags, 0o600)) else { return false }
        var status = stat()
        // One of an earlier version's.
        if unsafe fstat(file.rawValue, &status) == 0, status.st_mode & 0o177 != 0 { fchmod(file.rawValue, 0o600) }
        return true
    }
}

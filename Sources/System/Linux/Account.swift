internal import CLinux
internal import Glibc

/// A user whose rights this process can take on, and who has few.
package struct Account: Sendable, Equatable {
    package let name: String
    package let user, group: UInt32

    /// As Linux has it where nobody has said otherwise (fs.overflowuid). Not looked up: a small image has no list of users.
    package static let nobody = Account(name: "nobody", user: 65_534, group: 65_534)

    private init(name: String, user: UInt32, group: UInt32) {
        self.name = name
        self.user = user
        self.group = group
    }

    /// - Parameter text: a name of the system's list of users, or a number. A number that is not in the list has a group of the same
    ///   number.
    package init?(_ text: String) {
        guard let number = UInt32(text) else {
            guard let entry = unsafe getpwnam(text) else { return nil }
            self.init(name: text, user: unsafe entry.pointee.pw_uid, group: unsafe entry.pointee.pw_gid)
            return
        }
        // What setresuid(2) takes for "as it is".
        guard number != .max else { return nil }
        let entry = unsafe getpwuid(number)
        self.init(name: text, user: number, group: unsafe entry?.pointee.pw_gid ?? number)
    }

    package static var current: UInt32 { geteuid() }

    /// The whole process becomes this user, for good.
    /// - Parameter keep: capabilities that this thread keeps, by number. Other threads keep none.
    package func become(keeping keep: [Int] = []) throws(Errno) {
        let result = weir_become(user, group, Capabilities.set(of: keep))
        guard result == 0 else { throw Errno(rawValue: -result) }
    }

    /// This thread opens and makes files as this user meanwhile. Needs CAP_SETUID and CAP_SETGID; `nil`, and `body` is not called, where it
    /// cannot be done.
    package func handlingFiles<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result? {
        var user: UInt32 = 0, group: UInt32 = 0
        guard unsafe weir_files_as(self.user, self.group, &user, &group) == 0 else { return nil }
        defer {
            var was: UInt32 = 0, of: UInt32 = 0
            _ = unsafe weir_files_as(user, group, &was, &of)
        }
        return try body()
    }

    /// Whether this user can be taken on here: not without the capabilities, nor where a user namespace does not know it.
    package var isPossible: Bool {
        Capabilities.has(Capabilities.setUser) && Capabilities.has(Capabilities.setGroup) && handlingFiles { true } == true
    }

    package func canRead(_ path: String) -> Bool {
        handlingFiles {
            let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
            if descriptor >= 0 { close(descriptor) }
            return descriptor >= 0
        } ?? false
    }
}

/// System calls that this process may still make.
package enum SystemCalls {
    package enum List { case agent, controller }

    /// For every thread, and for good. What is not in the list fails with EPERM, and the kernel's audit log names it.
    package static func keep(_ list: List) throws(Errno) {
        let result = weir_filter_calls(list == .agent ? WEIR_CALLS_OF_AGENT : WEIR_CALLS_OF_CONTROLLER)
        guard result == 0 else { throw Errno(rawValue: -result) }
    }

    /// Whether this kernel can refuse any.
    package static var canBeRefused: Bool { File.read("/proc/sys/kernel/seccomp/actions_avail", limit: 256)?.contains("errno") ?? false }
}

/// What files that this process makes are at most: 0640.
package func keepFilesPrivate() { _ = umask(0o027) }

/// One file that a child of ours opens for us when we may not any more. The child keeps our user, no capability, and no system call but
/// those that this takes; it ends with us.
package struct Opener: ~Copyable {
    private let socket: CInt
    private let child: CInt

    package init(_ path: String) throws(Errno) {
        var child: CInt = 0
        let result = unsafe weir_start_opener(path, &child)
        guard result >= 0 else { throw Errno(rawValue: -result) }
        (socket, self.child) = (result, child)
    }

    // Waited for, or it would stay as a zombie for as long as we live.
    deinit { weir_end_opener(socket, child) }

    /// The file as it is now, to be read. Waits for two seconds at most.
    package borrowing func open() throws(Errno) -> FileDescriptor {
        let result = weir_open_by(socket)
        guard result >= 0 else { throw Errno(rawValue: -result) }
        return try FileDescriptor(owning: result)
    }
}

/// A directory that is found by a descriptor, so that only its own rights count, and none of those on the way to it.
package struct HeldDirectory: ~Copyable {
    private let descriptor: FileDescriptor

    /// Makes it if its parent is there.
    package init(making path: String) throws(Errno) {
        if unsafe mkdir(path, 0o700) != 0 {
            let error = Errno.current
            guard error.rawValue == EEXIST else { throw error }
        }
        descriptor = try FileDescriptor(owning: unsafe open(path, WEIR_PATH | O_DIRECTORY | O_CLOEXEC))
    }

    /// For this process alone.
    package var path: String { "/proc/self/fd/\(descriptor.rawValue)" }

    /// Makes it that user's, with these files in it, if it is root's. Needs CAP_CHOWN then.
    ///
    /// What is not a file of root's with a single name is left as it is: in a directory of another's it may have been put there to get it.
    package borrowing func give(_ files: [String], to account: Account) throws(Errno) {
        for name in files {
            let file = unsafe openat(descriptor.rawValue, name, WEIR_PATH | O_NOFOLLOW | O_CLOEXEC)
            guard file >= 0 else { continue }
            defer { close(file) }
            var status = stat()
            guard unsafe fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1, status.st_uid == 0 else {
                continue
            }
            try Self.give(file, account)
        }
        var status = stat()
        // Last, so that nobody else can change what is in it before.
        if unsafe fstat(descriptor.rawValue, &status) == 0, status.st_uid == 0 { try Self.give(descriptor.rawValue, account) }
    }

    private static func give(_ descriptor: CInt, _ account: Account) throws(Errno) {
        guard unsafe fchownat(descriptor, "", account.user, account.group, CInt(WEIR_EMPTY_PATH)) == 0 else { throw .current }
    }
}

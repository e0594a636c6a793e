internal import Detection
internal import Linux
internal import PolicyFile

/// The policy in force, and the file that it came from, looked at again when it changes.
struct PolicySource {
    private let path: String?
    private let mode: Policy.Mode?
    private var seen: FileStamp?
    private(set) var current: Policy

    /// Without a file the built-in policy, which observes.
    /// - Parameter mode: `nil` leaves it to the file.
    init(path: String?, mode: Policy.Mode? = nil) throws(PolicyError) {
        self.path = path
        self.mode = mode
        seen = path.flatMap { FileStamp($0) }
        current = try path.map { path throws(PolicyError) in try PolicyFile.load(path: path) } ?? Policy()
        if let mode { current.mode = mode }
    }

    /// Whether the file is another one than last time. A ConfigMap changes by a symbolic link, which `stat` follows, so looking once a
    /// second sees every kind of change that inotify sees and those that it does not.
    mutating func hasChanged() -> Bool {
        guard let path, let stamp = FileStamp(path), stamp != seen else { return false }
        seen = stamp
        return true
    }

    /// Reads the file again; on an error what was in force stays.
    mutating func reload() throws(PolicyError) {
        guard let path else { return }
        var next = try PolicyFile.load(path: path)
        if let mode { next.mode = mode }
        current = next
    }
}

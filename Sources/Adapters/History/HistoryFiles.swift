internal import Glibc
package import Linux

/// The segments in a directory.
package enum HistoryFiles {
    struct File {
        let number: Int
        let name: String
        let size: Int
        /// Wall clock, seconds.
        let modified: Int
    }

    static let prefix = "history.", suffix = ".seg"
    /// A segment is never larger, so that a reader has one in memory.
    static let mostSegment = 16 << 20

    static func name(_ number: Int) -> String {
        let digits = String(number)
        return prefix + String(repeating: "0", count: max(0, 10 - digits.utf8.count)) + digits + suffix
    }

    private static func number(of name: String) -> Int? {
        guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
        let digits = name.dropFirst(prefix.utf8.count).dropLast(suffix.utf8.count)
        guard (10...18).contains(digits.utf8.count), digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return Int(digits)
    }

    /// Names alone, the oldest first.
    package static func names(in directory: String) throws(Errno) -> [String] { try list(directory).map(\.name) }

    /// The oldest first. What is no file of that name is nobody's here.
    static func list(_ directory: String) throws(Errno) -> [File] {
        guard let folder = unsafe opendir(directory) else { throw .current }
        defer { unsafe closedir(folder) }
        var found: [File] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let number = number(of: name) else { continue }
            var status = stat()
            guard unsafe fstatat(dirfd(folder), name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFREG else {
                continue
            }
            found.append(File(number: number, name: name, size: Int(status.st_size), modified: status.st_mtim.tv_sec))
        }
        return found.sorted { $0.number < $1.number }
    }
}

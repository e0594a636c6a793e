internal import Glibc
internal import Linux

/// Makes a commit's file: whole, and only where none is, whoever else tries at the same moment. On that rests that no two writers commit
/// the same version (Delta's protocol, "Commit files").
///
/// `O_EXCL` alone would not do: a writer killed in the middle leaves half a commit under the final name. So the file is written under
/// another name, and gets its own by link(2), or by a rename that replaces nothing where the file system has no links.
package struct Publisher: Sendable {
    /// Gives the file `from` the name `to` as well, or instead. 0, or the error's number.
    package typealias Way = @Sendable (_ from: String, _ to: String) -> CInt

    package static let link: Way = { from, to in unsafe Glibc.link(from, to) == 0 ? 0 : errno }
    package static let rename: Way = { from, to in
        do throws(Errno) {
            try File.renameAsNew(from, to: to)
            return 0
        } catch { return error.rawValue }
    }

    private let way: Way

    /// Tries the ways on files of its own, and takes the first that proves exclusive.
    /// - Throws: where none does.
    package init(_ folder: TableFolder, ways: [Way] = [Self.link, Self.rename]) throws(TableError) {
        for way in ways where try Self.isExclusive(way, folder) {
            self.way = way
            return
        }
        throw TableError(
            "\(folder.root): this file system makes no file only where none is (tried link and renameat2), so two writers could commit the "
                + "same version; use a local disk, NFS 4, CephFS or a block device")
    }

    /// The first try has to succeed and leave the first one's bytes; the second has to fail with EEXIST and change nothing.
    private static func isExclusive(_ way: Way, _ folder: TableFolder) throws(TableError) -> Bool {
        let token = String(UInt64.random(in: 0 ... .max), radix: 16)
        let (one, other, to) = ("_delta_log/.probe-\(token)-1", "_delta_log/.probe-\(token)-2", "_delta_log/.probe-\(token)")
        defer { for name in [one, other, to] { folder.remove(name) } }
        try folder.write(one, [1])
        try folder.write(other, [2])
        guard way(folder.path(one), folder.path(to)) == 0, try folder.read(to) == [1] else { return false }
        guard way(folder.path(other), folder.path(to)) == EEXIST else { return false }
        return try folder.read(to) == [1]
    }

    /// - Returns: false when somebody else's is there.
    func publish(_ name: String, _ bytes: [UInt8], in folder: TableFolder) throws(TableError) -> Bool {
        let draft = "_delta_log/.draft-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
        defer { folder.remove(draft) }
        try folder.write(draft, bytes)
        let error = way(folder.path(draft), folder.path(name))
        if error == EEXIST { return false }
        guard error == 0 else { throw TableError("\(folder.path(name)): cannot be made: \(Errno(rawValue: error))") }
        try folder.synchronise(folder: "_delta_log")
        return true
    }
}

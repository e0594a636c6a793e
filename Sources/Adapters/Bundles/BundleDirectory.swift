internal import Glibc
package import Linux
internal import Rollout

/// A directory that somebody fills with bundles, such as a ConfigMap or a git checkout: its files that end in `.json`. It is asked again
/// by its name each time, because both of these replace it by swapping a symbolic link.
package struct BundleDirectory: Sendable {
    package static let mostFiles = 64

    package let path: String
    private var seen: [String: FileStamp] = [:]
    /// Files beyond the most that are read.
    package private(set) var passedOver = 0

    package init(_ path: String) { self.path = path }

    /// All documents there, if there is news among them; nothing else.
    package mutating func news() throws(Errno) -> [BundleDesk.Offer] {
        let names = try names()
        var stamps: [String: FileStamp] = [:]
        for name in names { stamps[name] = FileStamp("\(path)/\(name)") }
        guard stamps != seen else { return [] }
        var offers: [BundleDesk.Offer] = []
        for name in names {
            // What goes between the list and here comes again as another stamp, or not at all.
            guard let stamp = stamps[name], let bytes = try? readFile("\(path)/\(name)", limit: PolicyBundle.sizeLimit) else { continue }
            offers.append(BundleDesk.Offer(origin: name, document: bytes, isKnown: seen[name] == stamp))
        }
        seen = stamps
        return offers
    }

    /// One document, wherever it lies.
    package static func read(_ path: String) throws(Errno) -> [UInt8] { try readFile(path, limit: PolicyBundle.sizeLimit) }

    private mutating func names() throws(Errno) -> [String] {
        guard let folder = unsafe opendir(path) else { throw .current }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            if name.hasSuffix(".json"), !name.hasPrefix(".") { names.append(name) }
        }
        names.sort()
        passedOver = max(0, names.count - Self.mostFiles)
        return Array(names.prefix(Self.mostFiles))
    }
}

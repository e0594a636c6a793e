internal import Glibc
package import Linux

/// The histories of nodes, as files and directories hold them.
package struct NodeHistory: Sendable {
    package let node: String
    /// The oldest first.
    package var paths: [String]
    package var bytes: Int
}

package enum HistoryPlaces {
    /// A directory, or a file that is none that exists, is not there.
    package enum Problem: Error, CustomStringConvertible {
        case unreadable(String, Errno)
        case nothing(String)

        package var description: String {
            switch self {
            case .unreadable(let path, let error): "\(path): \(error)"
            case .nothing(let path): "\(path): no agent has kept a history there (--history-size)"
            }
        }
    }

    /// - Parameter places: state directories and single segments.
    package static func find(_ places: [String]) throws(Problem) -> [NodeHistory] {
        var found: [String: [(made: Int64, path: String, size: Int)]] = [:]
        for place in places {
            var paths = [place]
            if isDirectory(place) {
                do throws(Errno) { paths = try HistoryFiles.names(in: place).map { "\(place)/\($0)" } } catch {
                    throw .unreadable(place, error)
                }
                if paths.isEmpty { throw .nothing(place) }
            }
            for path in paths {
                do throws(Errno) {
                    guard let head = try head(path) else { continue }
                    found[head.node, default: []].append((head.made, path, head.size))
                } catch { if error != .noEntry || paths.count == 1 { throw .unreadable(path, error) } }
            }
        }
        return found.sorted { $0.key < $1.key }.map { node, files in
            let files = files.sorted { ($0.made, $0.path) < ($1.made, $1.path) }
            return NodeHistory(node: node, paths: files.map(\.path), bytes: files.reduce(0) { $0 + $1.size })
        }
    }

    private static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// Whose segment it is. One that says nothing yet is nobody's; one that is none stays, so that its reader counts it.
    private static func head(_ path: String) throws(Errno) -> (node: String, made: Int64, size: Int)? {
        let file = try FileDescriptor(owning: unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK))
        var status = stat()
        guard unsafe fstat(file.rawValue, &status) == 0 else { throw .current }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Errno(rawValue: EINVAL) }
        let first = unsafe [UInt8](unsafeUninitializedCapacity: 512) { buffer, count in
            count = unsafe max(0, read(file.rawValue, buffer.baseAddress!, 512))
        }
        guard first.count > SegmentFormat.headSize, first.starts(with: SegmentFormat.mark) else {
            return first.count == SegmentFormat.headSize ? nil : ("", 0, Int(status.st_size))
        }
        let made = (0..<8).reduce(UInt64(0)) { $0 | UInt64(first[16 + $1]) << UInt64($1 * 8) }
        // The first entry of its first block, whose policy may be longer than what was read here.
        let start = SegmentFormat.headSize + SegmentFormat.blockHead
        var block = BlockDecoder(first, min(start, first.count)..<first.count), node = ""
        if case .item(.begin(let begin)) = block.next() { node = begin.node }
        return (node, Int64(bitPattern: made), Int(status.st_size))
    }
}

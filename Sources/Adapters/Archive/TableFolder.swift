internal import Glibc
internal import Linux
package import Parquet

/// The directory of a table: whole files are written, read in parts, and removed. Paths are relative to it.
package struct TableFolder: Sendable {
    package let root: String
    /// What the log's own files take at most: a commit of thousands of files has a megabyte.
    static let mostBytes = 1 << 30

    package init(_ root: String) { self.root = root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root }

    func path(_ name: String) -> String { "\(root)/\(name)" }

    private func failure(_ name: String, _ what: String) -> TableError { TableError("\(path(name)): \(what): \(Errno.current)") }

    /// Makes the folder of `name` and those above it, as far as they are below the table's. Their entries are on the disk afterwards.
    func prepareFolder(of name: String) throws(TableError) {
        var made = ""
        for part in name.split(separator: "/").dropLast() {
            let above = made
            made += made.isEmpty ? String(part) : "/\(part)"
            if unsafe mkdir(path(made), 0o750) == 0 {
                try synchronise(folder: above)
            } else if errno != EEXIST {
                throw failure(made, "the folder cannot be made")
            }
        }
    }

    /// Writes a file that is not there yet; it is on the disk when this returns.
    func write(_ name: String, _ bytes: [UInt8]) throws(TableError) {
        let descriptor = unsafe open(path(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw failure(name, "cannot be made") }
        defer { close(descriptor) }
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress! + done, $0.count - done) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let error = failure(name, "cannot be written")
                remove(name)
                throw error
            }
            done += count
        }
        guard fsync(descriptor) == 0 else {
            let error = failure(name, "cannot be written")
            remove(name)
            throw error
        }
    }

    /// What was made or removed in a folder is on the disk when this returns.
    func synchronise(folder: String) throws(TableError) {
        let descriptor = unsafe open(folder.isEmpty ? root : path(folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(folder, "cannot be opened") }
        defer { close(descriptor) }
        // Some file systems have no such thing for folders, and say so.
        guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else { throw failure(folder, "cannot be written") }
    }

    func remove(_ name: String) { unsafe _ = unlink(path(name)) }

    /// In the place of what has that name.
    func rename(_ from: String, to name: String) throws(TableError) {
        guard unsafe Glibc.rename(path(from), path(name)) == 0 else { throw failure(name, "cannot be made") }
    }

    func exists(_ name: String) -> Bool { File.exists(path(name)) }

    /// `nil` when there is no such file.
    func read(_ name: String) throws(TableError) -> [UInt8]? {
        guard let file = try ReadableFile(self, name) else { return nil }
        guard file.size <= Self.mostBytes else { throw TableError("\(path(name)): has \(file.size) bytes, which no log of a table has") }
        return try file.read(0..<file.size)
    }

    /// Names in a folder, without those above it; none when there is no such folder.
    package func names(in folder: String) throws(TableError) -> [String] {
        guard let stream = unsafe opendir(folder.isEmpty ? root : path(folder)) else {
            if errno == ENOENT { return [] }
            throw failure(folder, "cannot be read")
        }
        defer { unsafe closedir(stream) }
        var names: [String] = []
        while let entry = unsafe readdir(stream) {
            // The kernel ends the name with a zero.
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                unsafe tuple.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Seconds since the Unix epoch; `nil` when there is no such file.
    func modified(_ name: String) -> Int64? {
        var status = stat()
        return unsafe lstat(path(name), &status) == 0 ? Int64(status.st_mtim.tv_sec) : nil
    }

    /// A folder goes only when nothing is in it.
    func remove(folder: String) { unsafe _ = rmdir(path(folder)) }
}

/// A file open for reading, wherever its name leads meanwhile. Counts what is read of it.
package final class ReadableFile {
    package let size: Int
    package private(set) var bytesRead = 0
    private let descriptor: CInt
    private let name: String

    /// `nil` when there is no such file.
    package init?(_ folder: TableFolder, _ name: String) throws(TableError) {
        self.name = folder.path(name)
        descriptor = unsafe open(self.name, O_RDONLY | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw TableError("\(self.name): cannot be read: \(Errno.current)")
        }
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw TableError("\(self.name): is no file")
        }
        size = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// As a Parquet reader wants it.
    package func source(_ range: Range<Int>) throws(ParquetError) -> [UInt8] {
        do { return try read(range) } catch { throw ParquetError(error.reason) }
    }

    package func read(_ range: Range<Int>) throws(TableError) -> [UInt8] {
        guard range.lowerBound >= 0, range.upperBound <= size else { throw TableError("\(name): is cut short") }
        bytesRead += range.count
        var failure: TableError?
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            while count < range.count {
                let got = unsafe pread(descriptor, buffer.baseAddress! + count, range.count - count, off_t(range.lowerBound + count))
                if got < 0, errno == EINTR { continue }
                guard got > 0 else {
                    failure = TableError("\(name): cannot be read: \(got == 0 ? "it is cut short" : "\(Errno.current)")")
                    return
                }
                count += got
            }
        }
        if let failure { throw failure }
        return bytes
    }
}

internal import Glibc
internal import Linux

/// Files in memory, as long as anybody holds this.
package final class HeldFiles: Sendable, Equatable {
    private let files: [File]

    private final class File: Sendable {
        let file: ScratchFile
        init(_ file: consuming ScratchFile) { self.file = file }
    }

    init(_ contents: [(name: String, bytes: [UInt8])]) throws(Errno) {
        var files: [File] = []
        for (name, bytes) in contents { files.append(File(try ScratchFile(name, bytes))) }
        self.files = files
    }

    func path(_ index: Int) -> String { files[index].file.path }

    package static func == (left: HeldFiles, right: HeldFiles) -> Bool { left === right }
}

extension KafkaConfiguration {
    /// Properties that librdkafka takes in place only, and that a file may hold instead: `sasl.password.file=/etc/weir/kafka-tls/password`.
    private static let secrets = ["sasl.password", "ssl.key.password", "ssl.keystore.password", "sasl.oauthbearer.client.secret"]

    /// The secret that a property such as `sasl.password.file` is about; `nil` when it is none of these.
    static func secret(of property: String) -> String? { secrets.first { property == "\($0).file" } }

    /// What stands in a secret's file, without the line's end that an editor has put behind it.
    static func secret(at path: String) throws(Problem) -> String {
        guard let bytes = read(path) else { throw Problem(description: "\(path): \(Errno.current)") }
        var text = String(decoding: bytes, as: UTF8.self)
        while let last = text.last, last.isNewline { text.removeLast() }
        guard !text.isEmpty, !text.utf8.contains(0) else {
            throw Problem(description: "\(path): holds no secret: one line of text is wanted")
        }
        return text
    }

    /// Files that librdkafka reads whenever a client is made.
    private static let locations = [
        "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.keystore.location", "ssl.crl.location"
    ]

    /// The same with its files in memory, for a process that makes clients when it may not read the files any more. A directory of
    /// authorities stays where it is.
    package func inMemory() throws(Problem) -> KafkaConfiguration {
        var contents: [(name: String, bytes: [UInt8])] = [], names: [String] = []
        for name in Self.locations {
            guard let path = value(of: name), Self.isFile(path) else { continue }
            guard let bytes = Self.read(path) else { throw Problem(description: "\(name): \(path): \(Errno.current)") }
            contents.append((name, bytes))
            names.append(name)
        }
        guard !contents.isEmpty else { return self }
        let held: HeldFiles
        do throws(Errno) { held = try HeldFiles(contents) } catch {
            throw Problem(description: "TLS files cannot be held in memory: \(error)")
        }
        var copy = self
        for (index, name) in names.enumerated() { copy = copy.with(name, held.path(index)) }
        copy.held = held
        return copy
    }

    private static func isFile(_ path: String) -> Bool {
        var status = stat()
        return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
}

internal import Crypto
internal import Glibc
internal import Linux
package import Rollout
internal import Units

/// A key that signs bundles.
package struct PrivateKey: Sendable {
    private let bytes: [UInt8]
    package let `public`: BundleKey

    /// A new one.
    package init?(name: String) {
        guard let bytes = Ed25519.newPrivateKey() else { return nil }
        self.init(name: name, bytes: bytes)
    }

    init?(name: String, bytes: [UInt8]) {
        guard let own = Ed25519.publicKey(of: bytes), let key = BundleKey(name: name, bytes: own) else { return nil }
        self.bytes = bytes
        `public` = key
    }

    func signature(of message: [UInt8]) -> [UInt8] {
        guard let signature = Ed25519.signature(of: message, by: bytes) else { preconditionFailure("libcrypto refuses to sign") }
        return signature
    }

    /// PKCS#8 in PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` writes it.
    package var pem: String { KeyFile.pem("PRIVATE KEY", KeyFile.privatePrefix + bytes) }
}

/// Files of keys: PEM with the one form that RFC 8410 gives Ed25519 keys, so OpenSSL reads ours and we read OpenSSL's. Everything else is
/// refused by its bytes, without an ASN.1 parser.
package enum KeyFile {
    package struct Problem: Error, Sendable, CustomStringConvertible {
        package let description: String
    }

    static let privatePrefix: [UInt8] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]
    static let publicPrefix: [UInt8] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0]
    private static let sizeLimit = 4096

    /// Its name is the file's, without its folder and its ending.
    package static func readPublic(_ path: String) throws(Problem) -> BundleKey {
        let text = try contents(of: path)
        if text.contains("PRIVATE KEY") { throw Problem(description: "\(path): a private key; nodes and readers need the public one") }
        guard let bytes = key(in: text, "PUBLIC KEY", publicPrefix), let found = BundleKey(name: name(of: path), bytes: bytes) else {
            throw Problem(description: "\(path): no public Ed25519 key in PEM; weir policy keygen makes one")
        }
        return found
    }

    package static func readPrivate(_ path: String) throws(Problem) -> PrivateKey {
        guard let bytes = key(in: try contents(of: path), "PRIVATE KEY", privatePrefix),
            let found = PrivateKey(name: name(of: path), bytes: bytes)
        else { throw Problem(description: "\(path): no private Ed25519 key in PEM; weir policy keygen makes one") }
        return found
    }

    /// Writes a file that is not there yet.
    /// - Parameter mode: 0o600 for what nobody else may read.
    package static func write(_ text: String, to path: String, mode: UInt32) throws(Problem) {
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW
        do throws(Errno) {
            let file = try FileDescriptor(owning: unsafe open(path, flags, mode)), bytes = Array(text.utf8)
            guard unsafe Glibc.write(file.rawValue, bytes, bytes.count) == bytes.count else { throw .current }
            // Whatever the umask says.
            guard fchmod(file.rawValue, mode) == 0, fsync(file.rawValue) == 0 else { throw .current }
        } catch { throw Problem(description: "\(path): cannot be written: \(error)") }
    }

    static func pem(_ kind: String, _ bytes: [UInt8]) -> String {
        "-----BEGIN \(kind)-----\n\(Base64.text(bytes))\n-----END \(kind)-----\n"
    }

    private static func name(of path: String) -> String {
        let file = path.split(separator: "/").last ?? "key"
        let name = file.split(separator: ".", omittingEmptySubsequences: false).first.map { String($0) } ?? ""
        return Envelope.isName(name) ? name : "key"
    }

    private static func contents(of path: String) throws(Problem) -> String {
        guard let text = File.read(path, limit: sizeLimit) else {
            throw Problem(description: "\(path): cannot be read: \(Errno.current)")
        }
        return text
    }

    private static func key(in text: String, _ kind: String, _ prefix: [UInt8]) -> [UInt8]? {
        let lines = text.split(whereSeparator: \.isNewline).map { $0.filter { $0 != " " } }
        let begin = "-----BEGIN\(kind)-----".filter { $0 != " " }, end = "-----END\(kind)-----".filter { $0 != " " }
        guard let first = lines.firstIndex(of: begin), let last = lines.firstIndex(of: end), first < last,
            let bytes = Base64.bytes(lines[(first + 1)..<last].joined()), bytes.starts(with: prefix)
        else { return nil }
        let key = Array(bytes.dropFirst(prefix.count))
        return key.count == Ed25519.keySize ? key : nil
    }
}

extension BundleKey {
    /// SubjectPublicKeyInfo in PEM (RFC 8410).
    package var pem: String { KeyFile.pem("PUBLIC KEY", KeyFile.publicPrefix + bytes) }
}

package import Detection
internal import Crypto
internal import Glibc
package import Linux
internal import Spelling

/// Reads the policy file (docs: manifests/policy.yaml) into the value that is in force. What is left out keeps its default.
package enum PolicyFile {
    package static let sizeLimit = 1 << 20

    package static func load(path: String) throws(PolicyError) -> Policy {
        try parse(bytes: try contents(of: path), name: path)
    }

    /// A file that somebody has opened.
    /// - Parameter name: what errors call it.
    package static func load(_ file: borrowing FileDescriptor, name: String) throws(PolicyError) -> Policy {
        try parse(bytes: try contents(of: file, name), name: name)
    }

    /// `name` is what errors call the file.
    package static func parse(bytes: [UInt8], name: String) throws(PolicyError) -> Policy {
        guard bytes.count <= sizeLimit else { throw tooLarge(name) }
        let root = Field(file: name, path: "", node: try Document.read(bytes, file: name))
        var policy = try Policy(root)
        policy.version = "sha256:" + Digest.sha256.hex(of: bytes.span)
        return policy
    }

    /// A file's bytes, if this policy was read from them.
    package static func text(of policy: Policy, _ file: borrowing FileDescriptor) -> [UInt8]? {
        guard let bytes = try? contents(of: file, ""), policy.version == "sha256:" + Digest.sha256.hex(of: bytes.span) else { return nil }
        return bytes
    }

    package static func unreadable(_ path: String, _ error: Errno) -> PolicyError {
        PolicyError(file: path, mark: nil, path: "", message: "cannot be read: \(error)")
    }

    private static func contents(of path: String) throws(PolicyError) -> [UInt8] {
        let file: FileDescriptor
        do throws(Errno) { file = try FileDescriptor(owning: unsafe open(path, O_RDONLY | O_CLOEXEC)) } catch {
            throw unreadable(path, error)
        }
        return try contents(of: file, path)
    }

    private static func contents(of file: borrowing FileDescriptor, _ path: String) throws(PolicyError) -> [UInt8] {
        do throws(Errno) {
            var bytes: [UInt8] = []
            while bytes.count <= sizeLimit {
                var failure: Errno?
                // The closure reports how much of the buffer the kernel filled.
                let chunk = unsafe [UInt8](unsafeUninitializedCapacity: 16_384) { buffer, filled in
                    let count = unsafe read(file.rawValue, buffer.baseAddress, buffer.count)
                    if count < 0 { failure = .current }
                    filled = max(count, 0)
                }
                if let failure {
                    if failure == .interrupted { continue }
                    throw failure
                }
                if chunk.isEmpty { return bytes }
                bytes += chunk
            }
        } catch {
            throw unreadable(path, error)
        }
        throw tooLarge(path)
    }

    private static func tooLarge(_ name: String) -> PolicyError {
        PolicyError(file: name, mark: nil, path: "", message: "larger than 1 MiB; a policy is a few kilobytes")
    }
}

import Bundles
import Glibc
import Messages
import Rollout
import Units

/// A day that all tests share.
let today = Instant(rfc3339: "2026-12-01T00:00:00Z")!
let tomorrow = today + .seconds(86_400)

func policy(_ name: String = "shop", _ spec: String = "{mode: observe}") -> String {
    "apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: \(name)}\nspec: \(spec)\n"
}

extension PrivateKey {
    /// A signed policy.
    func bundle(
        _ sequence: Int, canary: Int = 100, expires: Instant = tomorrow, text: String = policy()
    ) -> [UInt8] {
        Envelope.seal(
            PolicyBundle(
                name: "shop", sequence: sequence, signed: today, expires: expires, content: .policy(text: text, canary: canary)), by: self)
    }

    /// A change of keys.
    func bundle(_ sequence: Int, next: BundleKey) -> [UInt8] {
        Envelope.seal(PolicyBundle(name: "keys", sequence: sequence, signed: today, expires: tomorrow, content: .key(next)), by: self)
    }
}

extension BundleDesk {
    init(_ keys: PrivateKey..., node: String = "node-a", floor: Int = 0) { self.init(node: node, keys: keys.map(\.public), floor: floor) }

    mutating func offer(_ documents: [UInt8]..., at now: Instant = today) -> [BundleBook.Verdict] {
        consider(documents.enumerated().map { Offer(origin: "\($0.offset).json", document: $0.element) }, at: now).map(\.verdict)
    }

    /// Why the only one is refused; `nil` where it is not.
    mutating func refusal(of document: [UInt8], at now: Instant = today) -> BundleRefusal.Reason? {
        guard case .refused(let refusal)? = offer(document, at: now).first else { return nil }
        return refusal.reason
    }

    var running: Int? { book.running?.bundle.sequence }
}

/// The document with another member's text.
func changed(_ document: [UInt8], _ from: String, _ to: String) -> [UInt8] {
    Array(String(decoding: document, as: UTF8.self).replacing(from, with: to).utf8)
}

/// A directory of its own, gone with the value.
final class Folder {
    let path: String

    init() {
        var template = Array("/tmp/weir-bundles-XXXXXX".utf8CString)
        path = String(cString: mkdtemp(&template))
    }

    deinit {
        guard let folder = opendir(path) else { return }
        defer {
            closedir(folder)
            rmdir(path)
        }
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            unlink("\(path)/\(name)")
        }
    }
}

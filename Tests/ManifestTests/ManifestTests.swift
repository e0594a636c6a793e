import Glibc
import Linux
import Testing

let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
private let python = getenv("WEIR_PYTHON").map { String(cString: $0) } ?? "\(root)/.deps/venv/bin/python3"

@Suite struct ManifestTests {
    private func run(_ words: [String]) throws -> (code: Int, text: String) {
        var child = try Child(words[0], words, output: true, errorsToo: true), bytes: [UInt8] = []
        while let more = child.take() {
            bytes += more
            if more.isEmpty {
                var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
                poll(&target, 1, 1000)
            }
        }
        var code: Int?
        while code == nil { code = child.poll() }
        return (code!, String(decoding: bytes, as: UTF8.self))
    }

    @Test("Every manifest is what a cluster takes, and what it passes to Weir exists")
    func manifests() throws {
        let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
        let candidates: [String] = [products, "\(root)/.build/debug", "\(root)/.build/release"]
        let folder = candidates.first { path in access("\(path)/weir-controller", X_OK) == 0 } ?? products
        let (code, text) = try run([python, "\(root)/Tests/ManifestTests/check.py", folder])
        #expect(code == 0, "\(text)")
    }

    @Test(
        "Envoy takes the bootstrap as it is",
        .enabled(
            if: access("\(python.split(separator: "/").dropLast().map { "/" + $0 }.joined())/envoy", X_OK) == 0,
            "Envoy is not installed: make deps"))
    func bootstrap() throws {
        let envoy = python.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/envoy"
        let (code, text) = try run([envoy, "--mode", "validate", "-c", "\(root)/manifests/envoy/bootstrap.yaml"])
        #expect(code == 0, "\(text.suffix(500))")
    }
}

import Glibc
import Linux
import Testing

/// docs/metrics.md is what the programs say of themselves (metrics.py).
@Suite(.enabled(if: geteuid() == 0, "the agent and a network namespace need root")) struct MetricsPageTests {
    @Test("docs/metrics.md names every metric of agent, controller and archive, with its words and labels")
    func page() throws {
        let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
        let programs = access("\(products)/weir-agent", X_OK) == 0 ? products : "\(root)/.build/debug"
        let script = "\(root)/Tests/ManifestTests/metrics.py"
        var child = try Child("python3", ["unshare", "-n", "python3", "-B", script, programs, root], output: true, errorsToo: true)
        var bytes: [UInt8] = []
        while let more = child.take() {
            bytes += more
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            if more.isEmpty { poll(&target, 1, 1000) }
        }
        var code: Int?
        while code == nil { code = child.poll() }
        let made = String(decoding: bytes, as: UTF8.self)
        #expect(code == 0, "\(made)")
        let page = try #require(File.read("\(root)/docs/metrics.md", limit: 1 << 20))
        let lacking = Set(made.split(separator: "\n")).symmetricDifference(page.split(separator: "\n"))
        #expect(lacking.isEmpty, "make metrics-page: \(lacking.sorted())")
    }
}

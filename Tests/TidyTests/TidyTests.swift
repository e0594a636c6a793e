import Glibc
import Linux
import Testing

private let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()

/// The tree holds itself to what style and pages ask of it (tidy.py has each rule).
@Suite struct TidyTests {
    @Test(
        "The tree is as it says",
        arguments: [
            "provisions", "floors", "dependencies", "importers", "exceptions", "formatted", "links", "files", "make", "macros", "options",
            "metrics", "figures"
        ])
    func check(_ name: String) throws {
        let found = try run(name)
        #expect(found == "", "\(name):\n\(found)")
    }

    private func run(_ name: String) throws -> String {
        var child = try Child("python3", ["python3", "-B", "\(root)/Tests/TidyTests/tidy.py", name, root], output: true, errorsToo: true)
        var bytes: [UInt8] = []
        while let more = child.take() {
            bytes += more
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            if more.isEmpty { poll(&target, 1, 1000) }
        }
        var code: Int?
        while code == nil { code = child.poll() }
        return String(decoding: bytes, as: UTF8.self) + (code == 0 ? "" : "exit code \(code ?? -1)")
    }
}

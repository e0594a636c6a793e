import Glibc
import Linux
import Testing

/// `make sbom` and `make licenses`, by readers that are not ours and with a licence of each refused kind planted (licences.py).
@Suite struct LicenceTests {
    @Test(
        "Each component stands in both documents, and each kind of licence that we cannot keep is refused with its chain"
    )
    func licences() throws {
        let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
        let programs = access("\(products)/weir-agent", X_OK) == 0 ? products : "\(root)/.build/debug"
        let python = unsafe getenv("WEIR_PYTHON").map { unsafe String(cString: $0) } ?? "\(root)/.deps/venv/bin/python3"
        var child = try Child(
            "python3", [python, "-B", "\(root)/Tests/ManifestTests/licences.py", programs, root], output: true, errorsToo: true)
        var bytes: [UInt8] = []
        while let more = child.take() {
            bytes += more
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            if more.isEmpty { poll(&target, 1, 1000) }
        }
        var code: Int?
        while code == nil { code = child.poll() }
        #expect(code == 0, "\(String(decoding: bytes, as: UTF8.self))")
    }
}

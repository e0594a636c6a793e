import Glibc
import JSON
import Linux
import Testing

/// Captures of real QUIC stacks (aioquic), as Tests/oracles/quic.py makes them: its words for each kind say what is in it.
@Suite struct QUICTests {
    private static let python = getenv("WEIR_PYTHON").map { String(cString: $0) } ?? "\(root)/.deps/venv/bin/python3"

    private struct Said: Equatable { var source = "", name: String?, proof = "", ja4 = "", anomalies: [String] = [] }

    private func said(of kind: String, engine: String) throws -> (hellos: [Said], events: Int) {
        let file = try TemporaryFile([])
        let made = try output(of: [Self.python, "\(root)/Tests/oracles/quic.py", kind, file.path])
        #expect(made.code == 0, "\(made.text.suffix(400))")
        let lines = try replay("--format", "json", "--engine", engine, file.path).lines
        var parser = JSONParser(), hellos: [Said] = []
        for line in lines where line.hasPrefix("{\"type\":\"handshake\"") {
            let bytes = Array(line.utf8)
            try parser.object(bytes.span.bytes) { object throws(JSONError) in
                var one = Said()
                one.source = try object.string("source.address")
                one.name = try? object.string("tls.client.server_name")
                one.proof = try object.string("proof")
                one.ja4 = try object.string("tls.client.ja4")
                one.anomalies = try object.strings("anomalies")
                #expect((try? object.string("network.transport")) == "udp")
                hellos.append(one)
            }
        }
        return (hellos.sorted { $0.source < $1.source }, lines.count { $0.hasPrefix("{\"type\":\"event\"") })
    }

    private var engines: [String] { geteuid() == 0 ? ["native", "kernel"] : ["native"] }

    @Test("Versions 1 and 2, both families, with a name and without: each hello is told once, proven, with a JA4 that begins with q")
    func versions() throws {
        for engine in engines {
            let (hellos, events) = try said(of: "plain", engine: engine)
            #expect(hellos.count == 8 && events == 4, "\(engine)")
            for hello in hellos {
                let isNamed = hello.source.hasSuffix("1") || hello.source.hasSuffix("2")
                #expect(hello.name == (isNamed ? "shop.example" : nil) && hello.anomalies == (isNamed ? [] : ["missing_sni"]))
                #expect(hello.proof == "tracked" && hello.ja4.hasPrefix(isNamed ? "q13d" : "q13i"), "\(engine): \(hello)")
            }
        }
    }

    @Test("Whom nobody has answered is not proven, and makes no event")
    func unanswered() throws {
        for engine in engines {
            let (hellos, events) = try said(of: "unanswered", engine: engine)
            #expect(hellos.count == 4 && events == 0 && hellos.allSatisfy { $0.proof == "unproven" }, "\(engine): \(hellos)")
        }
    }

    @Test("A Retry makes one connection of two Initials under different keys, and proves it")
    func retry() throws {
        for engine in engines {
            let (hellos, events) = try said(of: "retry", engine: engine)
            #expect(hellos.count == 1 && events == 1 && hellos.first?.proof == "tracked", "\(engine): \(hellos)")
        }
    }
}

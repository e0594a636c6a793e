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

    // MARK: What is odd besides the hello

    /// Lines of a kind's capture, without the summary.
    private func lines(of kind: String, engine: String, _ options: String...) throws -> [String] {
        let file = try TemporaryFile([])
        let made = try output(of: [Self.python, "\(root)/Tests/oracles/quic.py", kind, file.path])
        #expect(made.code == 0, "\(made.text.suffix(400))")
        let lines = try run([program, "replay", "--format", "json", "--engine", engine] + options + [file.path]).lines
        #expect(lines.last?.hasPrefix("{\"type\":\"summary\"") == true)
        return lines.dropLast()
    }

    private func isEvent(_ line: String) -> Bool { line.hasPrefix("{\"type\":\"event\"") }

    @Test("An id of fewer than eight bytes is told, and counts against whoever was proven alone")
    func shortID() throws {
        for engine in engines {
            let lines = try lines(of: "short_id", engine: engine),
                bad = lines.filter { $0.contains("\"anomalies\":[\"quic_bad_initial\"]") }
            #expect(bad.count == 3 && lines.count == 3, "\(engine): \(lines)")
            #expect(bad.filter(isEvent).allSatisfy { $0.contains("198.51.100.20/32") && $0.contains("\"limit\":null") })
            #expect(bad.filter(isEvent).count == 1)
        }
    }

    @Test("One id of several proven connections is told of all but the first, whoever they are")
    func repeatedID() throws {
        for engine in engines {
            let lines = try lines(of: "repeated_id", engine: engine)
            let bad = lines.filter { !isEvent($0) && $0.contains("\"anomalies\":[\"quic_bad_initial\"]") }
            #expect(bad.count == 2 && bad.allSatisfy { !$0.contains("\"source.port\":45000") }, "\(engine): \(lines)")
        }
    }

    @Test(
        "Honest: Initials sent again, from elsewhere too, another version on the same path, Retry, early data, both versions",
        arguments: ["again", "retry", "retry_short", "resumed", "plain"])
    func honest(kind: String) throws {
        for engine in engines {
            let lines = try lines(of: kind, engine: engine)
            #expect(!lines.isEmpty && lines.allSatisfy { !$0.contains("quic_") }, "\(engine): \(lines.filter { $0.contains("quic_") })")
        }
    }

    @Test("A version that no one speaks is told once of its path, without proof; a bait, others' versions, 0 and what may be RTP are not")
    func unknownVersions() throws {
        for engine in engines {
            let lines = try lines(of: "versions", engine: engine)
            #expect(lines.count == 1, "\(engine): \(lines)")
            #expect(lines.first?.hasPrefix("{\"type\":\"flow\"") == true && lines.first?.contains("\"proof\":\"unproven\"") == true)
            #expect(lines.first?.contains("\"source.port\":47001") == true && lines.first?.contains("[\"quic_version_unknown\"]") == true)
        }
    }

    @Test("A flood that nothing validates is told of its destination: no source, no limit, no decision")
    func flood() throws {
        for engine in engines {
            let lines = try lines(of: "flood", engine: engine), told = lines.filter { $0.contains("quic_unvalidated_flood") }
            #expect(told.count == 2 && lines.filter(isEvent).count == 1, "\(engine): \(told)")
            let event = try #require(told.first(where: isEvent))
            for part in [
                "\"source.prefix\":\"::/0\"", "\"destination.address\":\"192.0.2.1\"", "\"proof\":\"unproven\"",
                "\"reach\":\"destination\"",
                "\"limit\":null", "\"action\":\"none\"", "\"seen\":1100,"
            ] { #expect(event.contains(part), "\(part) in \(event)") }
            #expect(!event.contains("community_id"))
        }
    }

    @Test(
        "No flood is what nobody answers, whom everybody answers, and a server without ids of its own that is heard",
        arguments: ["outage", "popular", "no_ids"])
    func crowd(kind: String) throws {
        for engine in engines {
            let lines = try lines(of: kind, engine: engine)
            #expect(lines.count > 900 && lines.allSatisfy { !$0.contains("quic_") }, "\(engine): \(lines.filter { $0.contains("quic_") })")
        }
    }
}

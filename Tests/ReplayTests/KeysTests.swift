import Detection
import Glibc
import JSON
import Linux
import Support
import Testing
import Units
import Wire

/// Groups, key shares, Community ID and encrypted hellos: what replay says of them, beside tshark, and the report over all.
@Suite struct KeysTests {
    private struct Said: Hashable, Comparable, CustomStringConvertible {
        let port: Int, id: String, groups: [String], shares: [String]
        var description: String { "\(port) \(id) \(groups) \(shares)" }
        static func < (left: Said, right: Said) -> Bool { left.description < right.description }
    }

    private static let captures: [String] = {
        guard let directory = opendir("\(root)/Tests/Fixtures") else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            // Cut by whoever recorded them, or with shares whose lengths disagree, of which tshark shows what it can.
            if name.contains(".pcap"), !["cut-frames.pcap", "truncated.pcap", "lone-hello.pcap"].contains(name) { names.append(name) }
        }
        return names.sorted()
    }()

    private func ours(_ path: String) throws -> [Said] {
        var said: [Said] = [], parser = JSONParser()
        for line in try replay("--format", "json", path).lines
        where line.hasPrefix("{\"type\":\"handshake\"") && line.contains("\"tls.client.ja3\":\"") {
            let bytes = Array(line.utf8)
            try parser.object(bytes.span.bytes) { object throws(JSONError) in
                said.append(
                    Said(
                        port: try object.integer("source.port"), id: try object.string("network.community_id"),
                        groups: try object.optionalStrings("tls.client.supported_groups"),
                        shares: try object.optionalStrings("tls.client.key_shares")))
            }
        }
        return said
    }

    private func theirs(_ path: String) throws -> [Said] {
        let (code, text) = try output(of: [
            "tshark", "-r", path, "-o", "tcp.desegment_tcp_streams:TRUE", "-d", "tcp.port==8443,tls", "--enable-protocol", "communityid",
            "-Y", "tls.handshake.type==1", "-T", "fields", "-E", "separator=|", "-e", "tcp.srcport", "-e", "communityid", "-e",
            "tls.handshake.extensions_supported_group", "-e", "tls.handshake.extensions_key_share_group"
        ])
        #expect(code == 0, "\(text.suffix(300))")
        func names(_ list: String) -> [String] {
            list.split(separator: ",").compactMap { word in
                word.hasPrefix("0x") ? UInt16(word.dropFirst(2), radix: 16) : UInt16(word)
            }.filter { !ClientHello.isGREASE($0) }.prefix(NamedGroup.mostTold).map { NamedGroup($0).text }
        }
        return text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            guard words.count == 4, let port = Int(words[0]) else { return nil }
            return Said(port: port, id: words[1], groups: names(words[2]), shares: names(words[3]))
        }
    }

    @Test("tshark says the same groups, key shares and Community IDs of every recording")
    func tshark() throws {
        var count = 0
        for name in Self.captures {
            let found = try ours("\(root)/Tests/Fixtures/\(name)").sorted(),
                expected = try theirs("\(root)/Tests/Fixtures/\(name)").sorted()
            #expect(found == expected, "\(name)")
            count += found.filter { !$0.groups.isEmpty && !$0.shares.isEmpty }.count
        }
        #expect(count > 30)
    }

    // MARK: The report

    private static let x25519: [UInt8] = [0, 29], hybrid: [UInt8] = [0x11, 0xec], kyber: [UInt8] = [0x63, 0x99]

    private static func hello(_ number: Int, groups: [[UInt8]], shares: [[UInt8]], versions: [UInt16] = [0x0304, 0x0303]) -> Hello {
        var hello = Hello(versions: versions, number: number)
        hello.extensions!.removeAll { $0.type == 10 }
        hello.extensions!.append((10, Hello.vector16(groups.flatMap { $0 })))
        hello.extensions!.append((51, Hello.vector16(shares.flatMap { $0 + Hello.vector16([1, 2, 3, UInt8(number & 255)]) })))
        return hello
    }

    private func file(_ hellos: [Hello], _ more: (Conversation, Int) -> [[UInt8]] = { _, _ in [] }) throws -> TemporaryFile {
        var frames: [(time: UInt64, bytes: [UInt8])] = []
        for (number, hello) in hellos.enumerated() {
            let c = Conversation(clientPort: UInt16(3000 + number))
            for frame in c.handshake + c.segments(of: hello.stream(), size: 1400) + more(c, number) {
                frames.append((1_700_000_000_000_000_000 + UInt64(frames.count) * 1_000_000, frame))
            }
        }
        return try TemporaryFile(capture(frames))
    }

    private func report(_ file: TemporaryFile) throws -> String {
        let (code, lines) = try replay("--report", "pqc", "--format", "json", file.path)
        #expect(code == 0 && lines.count == 1)
        return lines.first ?? ""
    }

    @Test("Each way of a hello is counted once, whatever GREASE and repetition there is in it")
    func readiness() throws {
        let grease: [UInt8] = [0x3a, 0x3a]
        var number = 0
        func many(_ count: Int, _ groups: [[UInt8]], _ shares: [[UInt8]], _ versions: [UInt16] = [0x0304]) -> [Hello] {
            (0..<count).map { _ in
                number += 1
                return Self.hello(number, groups: groups, shares: shares, versions: versions)
            }
        }
        let hellos =
            many(5, [grease, Self.hybrid, Self.x25519], [grease, Self.hybrid, Self.x25519])
            + many(4, [Self.hybrid, Self.x25519, Self.hybrid], [Self.x25519])
            + many(3, [Self.kyber, Self.x25519], [Self.kyber]) + many(2, [Self.x25519], [Self.x25519])
            // Post-quantum groups without TLS 1.3 are of no use.
            + many(1, [Self.hybrid], [Self.hybrid], [0x0303])
        let file = try file(hellos), said = try report(file)
        #expect(
            said.contains("\"hellos\":15,\"unread\":0,\"readiness\":{\"share\":5,\"offered\":4,\"draft\":3,\"classical\":2,\"older\":1}"))
        #expect(said.contains("{\"group\":\"X25519MLKEM768\",\"post_quantum\":true,\"key_shares\":6,\"offers\":10}"))
        #expect(said.contains("{\"group\":\"x25519\",\"post_quantum\":false,\"key_shares\":11,\"offers\":14}"))
        #expect(said.contains("{\"group\":\"X25519Kyber768Draft00\",\"post_quantum\":false,\"key_shares\":3,\"offers\":3}"))
        #expect(!said.contains("0x3a3a"))
        let table = try replay("--report", "pqc", file.path).lines
        #expect(table.contains { $0.contains("33.3 %") && $0.hasSuffix("send a post-quantum key share") })
        #expect(try replay("--report", "pqc", "--all", file.path).code == 2)
    }

    // MARK: Encrypted hellos

    private static func outer(id: UInt8, key: Int = 32, payload: Int = 64) -> [UInt8] {
        [0, 0, 1, 0, 1, id] + Hello.vector16([UInt8](repeating: 7, count: key)) + Hello.vector16([UInt8](repeating: 9, count: payload))
    }

    @Test("One config id of many hellos is a key's, ids drawn anew are GREASE, and few hellos say neither")
    func outerNames() throws {
        var random = SplitMix64(7), hellos: [Hello] = []
        for number in 0..<48 {
            let name = ["real.example", "grease.example", "few.example"][number % 3]
            if number % 3 == 2, number > 15 { continue }
            var hello = Hello(serverName: name, number: number)
            hello.extensions!.append((0xfe0d, Self.outer(id: number % 3 == 0 ? 42 : UInt8(truncatingIfNeeded: random.next()))))
            hellos.append(hello)
        }
        let said = try report(try file(hellos))
        #expect(said.contains("{\"tls.client.server_name\":\"real.example\",\"hellos\":16,\"config_ids\":1,\"finding\":\"used\"}"))
        #expect(said.contains("\"tls.client.server_name\":\"grease.example\",\"hellos\":16") && said.contains("\"finding\":\"grease\""))
        #expect(said.contains("\"tls.client.server_name\":\"few.example\",\"hellos\":5") && said.contains("\"finding\":\"unknown\""))
        #expect(said.contains("\"ech\":{\"offered\":\(hellos.count),\"used\":0,\"grease\":0,"))
    }

    @Test(
        "Of a lone hello nothing more is known than that it has one, or that what it has is none",
        arguments: [
            (outer(id: 1), "\"offered\""), ([1], "\"inner\""), ([], "\"malformed\""), ([0], "\"malformed\""), ([2, 0, 1], "\"malformed\""),
            (outer(id: 1, key: 0), "\"malformed\""), (outer(id: 1, payload: 0), "\"malformed\""), (outer(id: 1) + [0], "\"malformed\""),
            (Array(outer(id: 1).dropLast()), "\"malformed\"")
        ] as [([UInt8], String)])
    func lone(body: [UInt8], expected: String) throws {
        var hello = Hello()
        hello.extensions!.append((0xfe0d, body))
        let file = try file([hello]), lines = try replay("--format", "json", file.path).lines
        #expect(lines.first?.contains("\"tls.client.ech\":\(expected)") == true, "\(lines)")
    }

    @Test("An extension that is cut is malformed, and a second hello tells what the first one was")
    func cut() {
        let body = Self.outer(id: 5)
        for size in 0..<body.count { #expect(EncryptedHello(Array(body[..<size]).span).form == .malformed) }
        #expect(EncryptedHello(body.span).form == .outer(configID: 5, hasKey: true))
        #expect(EncryptedHello(body.span).use(isRetry: true) == .grease)
        #expect(EncryptedHello(Self.outer(id: 5, key: 0).span).use(isRetry: true) == .used)
    }
}

import Glibc
import JSON
import Linux
import Support
import Testing

/// Opinions that owe our code nothing: JA3 and JA4 by a Python reading of their descriptions, names and JA3 by tshark.
@Suite struct OracleTests {
    private static let python = getenv("WEIR_PYTHON").map { String(cString: $0) } ?? "\(root)/.deps/venv/bin/python3"
    private static let fixtures: [String] = {
        guard let directory = opendir("\(root)/Tests/Fixtures") else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            // Those two are cut by whoever recorded them.
            if name.contains(".pcap"), !["cut-frames.pcap", "truncated.pcap"].contains(name) { names.append(name) }
        }
        return names.sorted()
    }()

    private struct Said: Hashable, CustomStringConvertible {
        var port: Int, ja3: String, ja4 = "", ja4Raw = ""
        var description: String { "\(port) \(ja3) \(ja4) \(ja4Raw)" }
    }

    /// What `weir replay` says of the hellos in these captures.
    private func ours(_ paths: [String]) throws -> (said: [Said], names: [Int: String?]) {
        var said: [Said] = [], names: [Int: String?] = [:]
        for path in paths {
            var parser = JSONParser()
            for line in try replay("--format", "json", "--ja4-raw", path).lines
            where line.hasPrefix("{\"type\":\"handshake\"") && line.contains("\"tls.client.ja3\":\"") {
                let bytes = Array(line.utf8)
                try parser.object(bytes.span.bytes) { object throws(JSONError) in
                    let port = try object.integer("source.port")
                    said.append(
                        Said(
                            port: port, ja3: try object.string("tls.client.ja3"), ja4: try object.string("tls.client.ja4"),
                            ja4Raw: try object.string("tls.client.ja4_r")))
                    names[port] = try object.optionalString("tls.client.server_name")
                }
            }
        }
        return (said, names)
    }

    private func reference(_ paths: [String]) throws -> [Said] {
        let (code, text) = try output(of: [Self.python, "\(root)/Tests/oracles/ja4.py"] + paths)
        #expect(code == 0, "\(text.suffix(400))")
        return text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false).map(String.init)
            return words.count == 5 ? Int(words[1]).map { Said(port: $0, ja3: words[2], ja4: words[3], ja4Raw: words[4]) } : nil
        }
    }

    @Test("Every recorded hello has the reference's JA3, JA4 and JA4_r")
    func recorded() throws {
        let paths = Self.fixtures.map { "\(root)/Tests/Fixtures/\($0)" }, expected = try reference(paths), found = try ours(paths).said
        #expect(expected.count > 40)
        #expect(Set(found) == Set(expected), "\(Set(found).symmetricDifference(expected))")
    }

    @Test(
        "So have hellos that nobody sends: GREASE everywhere, protocols that are no text, more than 99 of everything",
        arguments: [1, 2, 3] as [UInt64])
    func made(seed: UInt64) throws {
        var state = seed &* 0x9e37_79b9_7f4a_7c15
        func draw(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(truncatingIfNeeded: state >> 33) % below
        }
        func grease() -> UInt16 { UInt16(draw(16)) * 0x1010 + 0x0a0a }
        func words(_ list: [UInt16]) -> [UInt8] { list.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] } }
        var frames: [(time: UInt64, bytes: [UInt8])] = []
        for number in 0..<150 {
            var hello = Hello(serverName: draw(3) == 0 ? nil : "host\(number).example", versions: [], alpn: [], number: number)
            hello.legacyVersion = [0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x0303][draw(6)]
            hello.ciphers = (0..<[1, 5, 30, 120][draw(4)]).map { _ in draw(5) == 0 ? grease() : UInt16(draw(65_536)) }
            var types = Set<UInt16>()
            var list = hello.extensions!.filter { $0.type == 0 }
            for _ in 0..<[0, 3, 12, 130][draw(4)] {
                let type = draw(6) == 0 ? grease() : UInt16(64 + draw(60_000))
                if types.insert(type).inserted { list.append((type, [UInt8](repeating: 1, count: draw(4)))) }
            }
            if draw(2) == 0 {
                list.append((13, Hello.vector16(words((0..<(1 + draw(9))).map { _ in draw(4) == 0 ? grease() : UInt16(draw(0x900)) }))))
            }
            if draw(2) == 0 {
                list.append((10, Hello.vector16(words((0..<(1 + draw(5))).map { _ in draw(3) == 0 ? grease() : UInt16(draw(64)) }))))
            }
            if draw(3) == 0 { list.append((11, Hello.vector8([0, 1, 2].prefix(1 + draw(3)).map { $0 }))) }
            if draw(2) == 0 {
                list.append(
                    (
                        43,
                        Hello.vector8(
                            words((0..<(1 + draw(4))).map { _ in draw(3) == 0 ? grease() : [0x0301, 0x0302, 0x0303, 0x0304][draw(4)] }))
                    ))
            }
            if draw(2) == 0 {
                let value: [UInt8] = [
                    [104, 50], Array("http/1.1".utf8), [0xff], [0xab, 0x01], [97], [0x20, 97], [97, 0xc3], Array("Zz9".utf8)
                ][draw(8)]
                list.append((16, Hello.vector16(Hello.vector8(value) + Hello.vector8([104, 50]))))
            }
            hello.extensions = list.isEmpty && draw(2) == 0 ? nil : list
            let c = Conversation(clientPort: UInt16(2000 + number))
            for frame in c.handshake + c.segments(of: hello.stream(), size: 1400) {
                frames.append((1_700_000_000_000_000_000 + UInt64(frames.count) * 1_000_000, frame))
            }
        }
        let file = try TemporaryFile(capture(frames)), expected = try reference([file.path]), found = try ours([file.path]).said
        #expect(expected.count == 150)
        for (ours, theirs) in zip(found.sorted { $0.port < $1.port }, expected.sorted { $0.port < $1.port }) { #expect(ours == theirs) }
        #expect(found.count == expected.count)
    }

    @Test("tshark reads the same names and the same JA3 from every recording")
    func tshark() throws {
        for name in Self.fixtures {
            let path = "\(root)/Tests/Fixtures/\(name)"
            let (code, text) = try output(of: [
                "tshark", "-r", path, "-o", "tcp.desegment_tcp_streams:TRUE", "-d", "tcp.port==8443,tls", "-Y", "tls.handshake.type==1",
                "-T", "fields", "-E", "separator=|",
                "-e", "tcp.srcport", "-e", "tls.handshake.extensions_server_name", "-e", "tls.handshake.ja3"
            ])
            #expect(code == 0)
            let (said, names) = try ours([path])
            let theirs = text.split(separator: "\n").compactMap { line -> (port: Int, name: String, ja3: String)? in
                let words = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
                return words.count == 3 ? Int(words[0]).map { ($0, words[1], words[2]) } : nil
            }
            for their in theirs {
                let our = try #require(said.first { $0.port == their.port }, "\(name) has a hello from port \(their.port)")
                #expect(our.ja3 == their.ja3, "\(name)")
                #expect((names[their.port] ?? nil) ?? "" == their.name, "\(name)")
            }
            #expect(theirs.count == said.count, "\(name)")
        }
    }
}

import Detection
import Fingerprints
import Glibc
import Testing

private let folder = #filePath.split(separator: "/").dropLast(2).map { "/" + $0 }.joined() + "/Fixtures/"

/// A line of expected.tsv: what tshark says of one hello.
struct Expected: Sendable, CustomTestStringConvertible {
    let file: String
    let frame: Int
    let name: String
    let ja3Text: String
    let ja3: String
    var testDescription: String { "\(file) frame \(frame)" }

    static let all: [Expected] = {
        guard let stream = fopen(folder + "expected.tsv", "r") else { return [] }
        defer { fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let text = String(decoding: bytes[..<fread(&bytes, 1, bytes.count, stream)], as: UTF8.self)
        return text.split(separator: "\n").map { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            return Expected(file: fields[0], frame: Int(fields[1])!, name: fields[4], ja3Text: fields[5], ja3: fields[6])
        }
    }()
}

@Suite struct FixtureTests {
    @Test("The recordings are all there")
    func present() {
        #expect(Expected.all.count == 42 && Set(Expected.all.map(\.file)).count == 25)
    }

    @Test("An independent dissector sees the same hello in the same frame", arguments: Expected.all)
    func tshark(expected: Expected) throws {
        let hello = try #require(Hellos(folder + expected.file).found.first { $0.frame == expected.frame }).hello
        #expect(hello.serverName ?? "" == expected.name && !hello.isMalformed)
        #expect(hello.ja3Text == expected.ja3Text)
        #expect(try #require(Fingerprint(hello)).ja3 == expected.ja3)
    }

    @Test("It sees no others", arguments: Set(Expected.all.map(\.file)).sorted())
    func none(file: String) throws {
        #expect(try Hellos(folder + file).found.map(\.frame) == Expected.all.filter { $0.file == file }.map(\.frame))
    }

    @Test("Where there is no whole hello, none is found", arguments: ["ssh.pcap", "http.pcap", "garbage.pcap", "truncated.pcap", "cut-frames.pcap"])
    func nothing(file: String) throws {
        #expect(try Hellos(folder + file).found.isEmpty)
    }

    @Test("A browser that shuffles its extensions keeps its JA4")
    func browser() throws {
        let hellos = try ["browser.pcap", "browser-offloads.pcap"].map { try #require(Hellos(folder + $0).found.first).hello }
        #expect(hellos[0].extensions != hellos[1].extensions && hellos[0].groups.contains(0x11ec))
        #expect(hellos[0].cipherSuites.contains(where: ClientHello.isGREASE))
        #expect(try #require(Fingerprint(hellos[0])).ja4 == Fingerprint(hellos[1])?.ja4)
    }
}

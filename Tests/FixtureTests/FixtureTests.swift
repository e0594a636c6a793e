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
    /// The highest of supported_versions, or the hello's own.
    let version: UInt16
    /// Of which client; files are named after it.
    var stack: String { String(file.prefix { $0 != "-" && $0 != "." }) }
    var testDescription: String { "\(file) frame \(frame)" }

    static let all: [Expected] = {
        guard let stream = fopen(folder + "expected.tsv", "r") else { return [] }
        defer { fclose(stream) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let text = String(decoding: bytes[..<fread(&bytes, 1, bytes.count, stream)], as: UTF8.self)
        return text.split(separator: "\n").map { line in
            let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
            return Expected(
                file: fields[0], frame: Int(fields[1])!, name: fields[4], ja3Text: fields[5], ja3: fields[6], version: version(fields))
        }
    }()

    private static func version(_ fields: [String]) -> UInt16 {
        let offered = fields[7].split(separator: ",").compactMap { UInt16($0.dropFirst(2), radix: 16) }.filter { $0 >> 8 == 3 }
        return offered.max() ?? UInt16(fields[5].prefix { $0 != "," })!
    }
}

@Suite struct FixtureTests {
    @Test("The recordings are all there")
    func present() {
        #expect(Expected.all.count == 72 && Set(Expected.all.map(\.file)).count == 51)
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

    @Test(
        "Where there is no whole hello, none is found",
        arguments: ["ssh.pcap", "http.pcap", "garbage.pcap", "truncated.pcap", "cut-frames.pcap"])
    func nothing(file: String) throws {
        #expect(try Hellos(folder + file).found.isEmpty)
    }

    @Test("Each of these stacks is there, with a name and without one, and each version of TLS is somebody's highest")
    func stacks() throws {
        let named = Set(Expected.all.filter { !$0.name.isEmpty }.map(\.stack)),
            nameless = Set(Expected.all.filter { $0.name.isEmpty }.map(\.stack))
        #expect(named.isSuperset(of: ["openssl", "gnutls", "curl", "python", "java", "node", "go", "envoy", "chromium", "firefox", "wget"]))
        #expect(nameless.isSuperset(of: ["openssl", "gnutls", "curl", "python", "java", "node", "go", "envoy", "chromium"]))
        // GREASE of a dissector is its own affair; what is no TLS version is none of these.
        #expect(Set(Expected.all.map(\.version)).isSuperset(of: [0x0301, 0x0302, 0x0303, 0x0304]))
        #expect(Set(Expected.all.map(\.ja3)).count > 30)
    }

    @Test("The highest version offered is what the dissector lists", arguments: Expected.all)
    func version(expected: Expected) throws {
        let hello = try #require(Hellos(folder + expected.file).found.first { $0.frame == expected.frame }).hello
        #expect(hello.highestVersion == expected.version)
    }

    @Test("A browser that shuffles its extensions keeps its JA4")
    func browser() throws {
        let hellos = try ["browser.pcap", "browser-offloads.pcap"].map { try #require(Hellos(folder + $0).found.first).hello }
        #expect(hellos[0].extensions != hellos[1].extensions && hellos[0].groups.contains(0x11ec))
        #expect(hellos[0].cipherSuites.contains(where: ClientHello.isGREASE))
        #expect(try #require(Fingerprint(hellos[0])).ja4 == Fingerprint(hellos[1])?.ja4)
    }
}

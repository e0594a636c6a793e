import Testing

@Suite struct RehearsalTests {
    static func policy(_ detections: String) -> [UInt8] {
        Array(
            "apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: rehearsed}\nspec: {detections: {\(detections)}}\n".utf8)
    }

    @Test("A milder policy refuses less, source by source, and says so with exit code 1")
    func milder() throws {
        let policy = try TemporaryFile(Self.policy("missing_sni: {severity: high, limit: {perSecond: 5}}"))
        let (code, lines) = try weir("policy", "rehearse", policy.path, fixture("flood.pcap"), fixture("curl.pcap"))
        #expect(code == 1)
        #expect(
            lines[0].hasSuffix("2 sources, 1 with another outcome")
                && lines.contains { $0.hasPrefix("203.0.113.66") && $0.contains("13 → 11") && $0.hasSuffix("milder") })
        #expect(lines.contains { $0.hasPrefix("refused    13 → 11") })
    }

    @Test("The same policy is the same, with exit code 0")
    func same() throws {
        let policy = try TemporaryFile(Self.policy("not_tls: {severity: med}"))
        let (code, lines) = try weir("policy", "rehearse", policy.path, "--against", policy.path, fixture("flood.pcap"))
        #expect(code == 0 && lines[0].hasSuffix("2 sources, 0 with another outcome") && lines.contains { $0 == "refused    13" })
    }

    @Test("What cannot be read is told, with exit code 2")
    func wrong() throws {
        let policy = try TemporaryFile(Self.policy("misssing_sni: {severity: med}"))
        let (code, lines) = try weir("policy", "rehearse", policy.path, fixture("flood.pcap"))
        #expect(code == 2 && lines.count == 1 && lines[0].contains("did you mean missing_sni?"))
        let fine = try TemporaryFile(Self.policy(""))
        #expect(try weir("policy", "rehearse", fine.path, "/nowhere.pcap").code == 2)
    }
}

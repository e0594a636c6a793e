import Spelling
import Testing

@Suite struct SpellingTests {
    static let detections = ["missing_sni", "empty_sni", "ip_literal_sni", "obsolete_version", "not_tls", "malformed_hello"]

    @Test(
        "A slip of the fingers finds the word that was meant",
        arguments: [
            ("misssing_sni", "missing_sni"), ("missing-sni", "missing_sni"), ("MISSING_SNI", "missing_sni"), ("emtpy_sni", "empty_sni"),
            ("nottls", "not_tls"), ("obsolete_versions", "obsolete_version")
        ])
    func near(typed: String, meant: String) {
        #expect(Spelling.nearest(to: typed, among: Self.detections) == meant)
    }

    @Test("A word that is like none of them gets the whole list", arguments: ["fingerprint_denied", "", "x", "client_hello_flood"])
    func far(typed: String) {
        #expect(Spelling.nearest(to: typed, among: Self.detections) == nil)
        #expect(Spelling.hint(for: typed, among: ["a_b_c_d", "efgh"]) == "; there are a_b_c_d and efgh")
    }

    @Test("A short word is not taken for another short word")
    func short() {
        #expect(Spelling.nearest(to: "ls", among: ["rm", "run"]) == nil)
        #expect(Spelling.nearest(to: "rnu", among: ["rm", "run"]) == "run")
    }

    @Test("The nearest of several wins")
    func nearest() {
        #expect(Spelling.nearest(to: "format", among: ["from", "form", "formats", "former"]) == "formats")
    }

    @Test("Foreign text stays in its line, whatever is in it")
    func quoted() {
        #expect(Spelling.quoted("a\nb\u{1b}[31m\u{202e}c") == #"`a\u{a}b\u{1b}[31m\u{202e}c`"#)
        #expect(Spelling.quoted(String(repeating: "x", count: 49)) == "`" + String(repeating: "x", count: 48) + "…`")
    }
}

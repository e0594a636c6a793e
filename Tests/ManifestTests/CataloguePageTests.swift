import Linux
import Testing
import Vocabulary

/// The catalogue stands in code once (`Anomaly`); the pages for people say the same.
@Suite struct CataloguePageTests {
    private func contents(of path: String) throws -> String { try #require(File.read("\(root)/\(path)", limit: 1 << 20)) }

    @Test("Every anomaly has its row in docs/detections.md, with its severity")
    func page() throws {
        let rows = try contents(of: "docs/detections.md").matches(of: /\n\| `([a-z0-9_]+)` \| (info|low|med|high|critical) \|/)
        let found = Dictionary(rows.map { (String($0.1), String($0.2)) }) { first, _ in first }
        for anomaly in Anomaly.allCases { #expect(found[anomaly.id] == anomaly.severity.id, "docs/detections.md: \(anomaly.id)") }
        #expect(Set(found.keys) == Set(Anomaly.allCases.map(\.id)))
    }

    @Test("Every anomaly has its line in manifests/policy.yaml, with its severity")
    func example() throws {
        let text = try contents(of: "manifests/policy.yaml")
        let block = try #require(text.split(separator: "\n  detections:\n").last?.split(separator: "\n  prefixes:").first)
        let lines = block.matches(of: /(?m)^    ([a-z0-9_]+):(?: \{|[^\n]*\n +)severity: (info|low|med|high|critical)/)
        let found = Dictionary(lines.map { (String($0.1), String($0.2)) }) { first, _ in first }
        for anomaly in Anomaly.allCases { #expect(found[anomaly.id] == anomaly.severity.id, "manifests/policy.yaml: \(anomaly.id)") }
        #expect(Set(found.keys) == Set(Anomaly.allCases.map(\.id)))
    }
}

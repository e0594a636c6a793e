import Linux
import Testing

@Suite struct OperationsPageTests {
    private let root = String(#filePath.dropLast("Tests/ManifestTests/OperationsPageTests.swift".utf8.count))
    private func lines(_ path: String) throws -> [Substring] { try #require(File.read(root + path, limit: 1 << 20)).split(separator: "\n") }

    @Test("Every alert has a section that says what to do, and there is none for an alert that is gone")
    func alerts() throws {
        let alerts = try lines("manifests/monitoring/prometheusrule.yaml").compactMap {
            $0.split(separator: "- alert: ").count == 2 ? String($0.split(separator: "- alert: ")[1]) : nil
        }
        let sections = try lines("docs/operations.md").filter { $0.hasPrefix("## ") }.map { String($0.dropFirst(3)) }
        #expect(alerts == sections && alerts.count > 10)
    }

    @Test(
        "Every link between the pages leads somewhere",
        arguments: ["README.md", "CONTRIBUTING.md", "docs/index.md", "docs/operations.md", "docs/node.md"])
    func links(page: String) throws {
        let text = try #require(File.read(root + page, limit: 1 << 20)), folder = page.hasPrefix("docs/") ? "docs/" : ""
        for part in text.split(separator: "](").dropFirst() {
            guard let target = part.split(separator: ")").first, !target.hasPrefix("http") else { continue }
            let path = target.hasPrefix("../") ? String(target.dropFirst(3)) : folder + target
            #expect(File.exists(root + path), "\(page) links to \(target)")
        }
    }
}

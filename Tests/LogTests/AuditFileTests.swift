import Glibc
import Linux
import Log
import Testing
import Units

@Suite struct AuditFileTests {
    private let folder: String

    init() {
        var template = Array("/tmp/weir-audit-XXXXXX".utf8CString)
        folder = String(cString: mkdtemp(&template))
    }

    private func lines(_ name: String) -> [Substring] { (File.read("\(folder)/\(name)", limit: 1 << 20) ?? "").split(separator: "\n") }

    private func end() {
        for name in AuditFile.names { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }

    @Test("Steps are lines of JSON, in their order, also over a restart; a long or hostile value breaks none")
    func steps() {
        defer { end() }
        var audit = AuditFile(directory: folder, node: "node-a")
        audit.note(.bundleTaken, at: Instant(nanoseconds: 0), [("digest", "sha256:00"), ("why", "a \"quoted\"\nline")])
        audit.flush()
        audit.note(.bundleRefused, at: Instant(nanoseconds: 1), [("why", String(repeating: "x", count: 1000))])
        audit.flush()
        var again = AuditFile(directory: folder, node: "node-a")
        again.note(.operatorLimited, at: Instant(nanoseconds: 2), [])
        again.flush()
        let found = lines("audit.jsonl")
        #expect(found.count == 3)
        #expect(
            found.first
                == #"{"time":"1970-01-01T00:00:00Z","node":"node-a","step":"bundle_taken","digest":"sha256:00","why":"a \"quoted\"\nline"}"#
        )
        #expect(found.allSatisfy { $0.utf8.count < 400 })
        #expect(audit.dropped == 0 && again.dropped == 0)
    }

    @Test("A full file takes the place of the one before, a flood is counted, and so is what the disk does not take")
    func bounds() throws {
        defer { end() }
        var audit = AuditFile(directory: folder, node: "node-a", sizeLimit: 1000)
        for number in 0..<40 {
            audit.note(.keyReplaced, at: Instant(nanoseconds: Int64(number)), [("number", "\(number)")])
            audit.flush()
        }
        let before = lines("audit.1.jsonl"), now = lines("audit.jsonl")
        #expect(before.count > 3 && now.count >= 1 && before.count + now.count < 40)
        #expect((before + now).last?.contains("\"39\"") == true)
        #expect(before.joined().utf8.count <= 1000 && now.joined().utf8.count <= 1000)
        for _ in 0..<(AuditFile.room + 5) { audit.note(.bundleWaits, at: Instant(nanoseconds: 0), []) }
        #expect(audit.dropped == 5)
        var nowhere = AuditFile(directory: folder + "/nowhere", node: "node-a")
        nowhere.note(.bundleTaken, at: Instant(nanoseconds: 0), [])
        nowhere.flush()
        #expect(nowhere.dropped == 1)
        // A link to somebody else's file is not followed.
        unlink("\(folder)/audit.jsonl")
        #expect(symlink("/dev/null", "\(folder)/audit.jsonl") == 0)
        var linked = AuditFile(directory: folder, node: "node-a")
        linked.note(.bundleTaken, at: Instant(nanoseconds: 0), [])
        linked.flush()
        #expect(linked.dropped == 1)
    }
}

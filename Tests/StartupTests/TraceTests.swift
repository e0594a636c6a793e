import Foundation
import Startup
import Testing

private let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
private let python = ProcessInfo.processInfo.environment["WEIR_PYTHON"] ?? "python3"

@Suite struct TraceTests {
    private struct Event {
        let name: String, kind: String, thread: Int, from: Int, to: Int, arguments: [String: Any]
    }

    private func events(_ json: [UInt8]) throws -> [Event] {
        let text = try #require(JSONSerialization.jsonObject(with: Data(json)) as? [String: Any])
        return (text["traceEvents"] as? [[String: Any]] ?? []).filter { $0["ph"] as? String == "X" }.map { event in
            let from = event["ts"] as! Int
            return Event(
                name: event["name"] as! String, kind: event["cat"] as! String, thread: event["tid"] as! Int, from: from,
                to: from + (event["dur"] as! Int),
                arguments: event["args"] as! [String: Any])
        }
    }

    private func example() throws -> Trace {
        let trace = Trace(program: "a \"program\"", version: "1"), maps = Provision<Int>("maps"), probe = Provision<Int>("probe")
        trace.phase("settings")
        var startup = Startup(limit: 2, trace: trace)
        startup.add("maps", provides: [maps]) { steps in
            steps.step("outer") { steps.step("inner") { maps.fill(1) } }
        }
        startup.add("verify", requires: [maps], provides: [probe]) { _ in probe.fill(2) }
        startup.add("attach", requires: [maps, probe]) { _ in }
        try startup.run()
        trace.phase("components")
        return trace
    }

    @Test("The trace has every phase, component and step, within what they belong to, and says what was waited for")
    func content() throws {
        let found = try events(example().json)
        func one(_ name: String) throws -> Event { try #require(found.first { $0.name == name }) }
        #expect(Set(found.map(\.name)) == ["start", "loader", "settings", "components", "maps", "outer", "inner", "verify", "attach"])
        let start = try one("start"), components = try one("components"), maps = try one("maps"), outer = try one("outer"),
            inner = try one("inner")
        #expect(start.from == 0 && found.allSatisfy { $0.to <= start.to })
        #expect(maps.kind == "component" && maps.from >= components.from && maps.to <= components.to && maps.thread != start.thread)
        #expect(
            outer.from >= maps.from && outer.to <= maps.to && inner.from >= outer.from && inner.to <= outer.to
                && inner.thread == maps.thread)
        let attach = try one("attach"), verify = try one("verify")
        #expect(attach.arguments["after"] as? String == "verify" && attach.arguments["requires"] as? [String] == ["maps", "probe"])
        #expect(verify.arguments["after"] as? String == "maps" && maps.arguments["after"] == nil)
        #expect(maps.to <= verify.from && verify.to <= attach.from)
    }

    @Test("A component that failed is in it, with the reason")
    func failure() throws {
        let trace = Trace(program: "program", version: "1")
        var startup = Startup(limit: 1, trace: trace)
        startup.add("broken") { _ in throw Trouble() }
        #expect(throws: Startup.Failure.self) { try startup.run() }
        #expect(try events(trace.json).first { $0.name == "broken" }?.arguments["failed"] as? String == "no \"luck\"")
    }

    private struct Trouble: Error, CustomStringConvertible { let description = "no \"luck\"" }

    @Test("The file is what viewers of Chrome's trace events want, by a check that is not ours to please")
    func format() throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("weir-trace-\(UUID())")
        defer { try? FileManager.default.removeItem(at: file) }
        #expect(try example().write(to: file.path))
        let process = Process(), output = Pipe()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [python, "\(root)/Tests/StartupTests/trace.py", file.path]
        process.standardOutput = output
        try process.run()
        let said = try #require(try JSONSerialization.jsonObject(with: output.fileHandleForReading.readDataToEndOfFile()) as? [String: Any])
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(said["depth"] as? Int == 3 && (said["names"] as? [String])?.count == 9)
        #expect((said["threads"] as? [String])?.contains("main") == true)
    }
}

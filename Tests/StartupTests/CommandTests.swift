import Foundation
import Glibc
import Testing

private let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
private let products = CommandLine.arguments.first.map { $0.split(separator: "/").dropLast().map { "/" + $0 }.joined() } ?? ""
private var program: String {
    ["\(products)/weir", "\(root)/.build/debug/weir", "\(root)/.build/release/weir"]
        .first { access($0, X_OK) == 0 } ?? "weir"
}

/// `weir startup` on files: what a person sees, and what a program.
@Suite struct CommandTests {
    private final class TraceFile {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-startup-\(UUID())").path
        init(_ text: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }
        deinit { try? FileManager.default.removeItem(atPath: path) }
    }

    private func weir(_ words: String...) throws -> (code: Int, lines: [String]) {
        let process = Process(), output = Pipe()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = words
        (process.standardOutput, process.standardError) = (output, output)
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (Int(process.terminationStatus), text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
    }

    private func event(_ name: String, _ kind: String, _ thread: Int, _ from: Int, _ took: Int, after: String? = nil) -> String {
        let arguments = after.map { "{\"requires\":[],\"after\":\"\($0)\"}" } ?? "{}"
        return
            "{\"name\":\"\(name)\",\"ph\":\"X\",\"pid\":7,\"tid\":\(thread),\"cat\":\"\(kind)\",\"ts\":\(from),\"dur\":\(took),\"args\":\(arguments)}"
    }

    private func trace(_ events: [String]) throws -> TraceFile {
        let meta = "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":7,\"tid\":1,\"args\":{\"name\":\"main\"}}"
        return try TraceFile(
            "{\"otherData\":{\"program\":\"weir-agent\"},\"traceEvents\":[" + ([meta] + events).joined(separator: ",")
                + "]}")
    }

    private func earlier() throws -> TraceFile {
        try trace([
            event("start", "start", 1, 0, 100_000), event("loader", "phase", 1, 0, 10_000),
            event(
                "components", "phase", 1, 10_000,
                90_000),
            event("verify", "component", 3, 30_000, 60_000, after: "maps"), event("maps", "component", 2, 11_000, 19_000),
            event(
                "peers",
                "component", 3, 11_000, 100),
            event("attach", "component", 2, 90_000, 9_000, after: "verify"), event("open", "step", 2, 12_000, 8_000),
            event(
                "read",
                "step", 2, 13_000, 1_000)
        ])
    }

    private func later() throws -> TraceFile {
        try trace([
            event("start", "start", 1, 0, 70_000), event("loader", "phase", 1, 0, 12_000),
            event(
                "components", "phase", 1, 12_000,
                58_000),
            event("maps", "component", 2, 12_000, 19_000), event("verify", "component", 3, 31_000, 30_000, after: "maps"),
            event(
                "places",
                "component", 4, 13_000, 30_000, after: "maps"),
            event("attach", "component", 2, 61_000, 9_000, after: "verify")
        ])
    }

    @Test("One start: what lies in what, what each waited for, and the critical path through it")
    func one() throws {
        let file = try earlier()
        let (code, lines) = try weir("startup", file.path)
        #expect(code == 0)
        let names = lines.dropFirst().prefix(8).map { line in String(line.drop { $0 == "*" }) }
        #expect(
            zip(
                names,
                [
                    "  loader ", "  components ", "    peers ", "    maps ", "      open ", "        read ", "    verify ",
                    "    attach "
                ]
            ).allSatisfy { name, start in
                name.hasPrefix(start) || name.hasPrefix(" " + start)
            }, "\(lines)")
        #expect(lines[1...8].map { $0.hasPrefix("*") } == [true, true, false, true, false, false, true, true])
        #expect(lines[7].contains("60 ms") && lines[7].contains("maps") && lines[8].contains("verify"))
        // Bars on one scale of 48: verify from 30 to 90 of 100 ms.
        #expect(lines[7].hasSuffix(String(repeating: "█", count: 29)), "\(lines[7])")
        #expect(lines[10] == "weir-agent: 100 ms from exec; critical path (*): loader 10 ms → maps 19 ms → verify 60 ms → attach 9.0 ms")
    }

    @Test("Two starts: what became slower or faster, the largest difference first, and what is new or gone")
    func two() throws {
        let (before, after) = (try earlier(), try later())
        let (code, lines) = try weir("startup", before.path, after.path)
        #expect(code == 0)
        let rows = lines.dropFirst().prefix { !$0.isEmpty }.map {
            $0.split(separator: "  ").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        }
        #expect(
            rows == [
                ["components", "90 ms", "58 ms", "-32 ms", "faster"], ["components / places", "-", "30 ms", "+30 ms", "new"],
                ["components / verify", "60 ms", "30 ms", "-30 ms", "faster"],
                ["components / maps / open", "8.0 ms", "-", "-8.0 ms", "gone"], ["loader", "10 ms", "12 ms", "+2.0 ms", "slower"],
                ["components / maps / open / read", "1.0 ms", "-", "-1.0 ms", "gone"],
                ["components / peers", "100 us", "-", "-100 us", "gone"], ["components / attach", "9.0 ms", "9.0 ms", "0", "same"],
                ["components / maps", "19 ms", "19 ms", "0", "same"]
            ])
        #expect(lines.contains("from exec: 100 ms before, 70 ms after (-30 ms)"))
    }

    @Test("The same for programs")
    func json() throws {
        let (before, after) = (try earlier(), try later())
        let one = try weir("startup", before.path, "--format", "json"),
            two = try weir(
                "startup", before.path, after.path, "--format",
                "json")
        let single = try #require(JSONSerialization.jsonObject(with: Data(one.lines[0].utf8)) as? [String: Any])
        #expect(single["critical_path"] as? [String] == ["loader", "maps", "verify", "attach"] && single["total_us"] as? Int == 100_000)
        let pair = try #require(JSONSerialization.jsonObject(with: Data(two.lines[0].utf8)) as? [String: Any])
        #expect((pair["total_us"] as? [String: Int]) == ["before": 100_000, "after": 70_000, "difference": -30_000])
        #expect((pair["spans"] as? [[String: Any]])?.first?["difference_us"] as? Int == -32_000)
    }

    @Test(
        "What is no such file is refused in one line",
        arguments: [
            ("", "not JSON"), ("{}", "traceEvents: missing"), ("{\"traceEvents\":[]}", "no start is in it"), ("[]", "not an object"),
            ("{\"traceEvents\":[{\"ph\":\"X\",\"name\":\"start\",\"tid\":1,\"cat\":\"start\",\"ts\":-1,\"dur\":2}]}", "ts"),
            ("{\"traceEvents\":[{\"ph\":\"X\",\"name\":7}]}", "name"),
            ("{\"step\":\"loaded\",\"took_us\":1,\"at_us\":1}\n{\"step\":\"settings\",\"took_us\":1,\"at_us\":2}\n", "of an older agent")
        ])
    func broken(text: String, why: String) throws {
        let file = try TraceFile(text), good = try earlier()
        let (code, lines) = try weir("startup", file.path)
        #expect(code == 2 && lines.count == 2 && lines[0].hasPrefix("weir: \(file.path): "), "\(lines)")
        #expect(lines[0].contains(why) && lines[0].hasSuffix("write such a file with --startup-trace"), "\(lines)")
        #expect(try weir("startup", good.path, file.path).lines == lines, "as the second file too")
    }

    @Test("A file that is not there, and three files, are refused in one line")
    func wrongUse() throws {
        let missing = try weir("startup", "/nowhere/trace"), three = try weir("startup", "a", "b", "c")
        #expect(
            missing.code == 2 && missing.lines == ["weir: /nowhere/trace: cannot be read: No such file or directory", ""],
            "\(missing)")
        #expect(three.code == 2 && three.lines == ["weir: startup: one file, or an earlier and a later one; not 3", ""], "\(three)")
    }

    /// The controller, until its trace is there, or until it ends by itself.
    private func start(_ words: [String], ends: Bool = false) throws -> (code: Int?, said: String, check: [String: Any]) {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("weir-startup-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        let process = Process(), errors = Pipe()
        process.executableURL = URL(fileURLWithPath: "\(program)-controller")
        process.arguments = ["--kafka", "127.0.0.1:1", "--grpc", "127.0.0.1:0", "--startup-trace", file] + words
        process.standardError = errors
        try process.run()
        let end = Date(timeIntervalSinceNow: 30)
        func isWritten() -> Bool { (try? Data(contentsOf: URL(fileURLWithPath: file)))?.last == UInt8(ascii: "}") }
        while process.isRunning, ends || !isWritten(), Date() < end { usleep(10_000) }
        let wasRunning = process.isRunning
        if wasRunning { process.terminate() }
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        let trace = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: file))) as? [String: Any])
        return (wasRunning ? nil : Int(process.terminationStatus), said, trace)
    }

    @Test("The controller writes one too, also when it cannot start, and names what did not start for what")
    func controller() throws {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        var address = sockaddr_in(), size = socklen_t(MemoryLayout<sockaddr_in>.size)
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        try withUnsafeMutablePointer(to: &address) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                try #require(bind(listener, address, size) == 0 && listen(listener, 1) == 0 && getsockname(listener, address, &size) == 0)
            }
        }
        func components(_ trace: [String: Any]) -> [String: [String: Any]] {
            let events = (trace["traceEvents"] as? [[String: Any]] ?? []).filter { $0["cat"] as? String == "component" }
            return Dictionary(uniqueKeysWithValues: events.map { ($0["name"] as! String, $0["args"] as! [String: Any]) })
        }
        let well = try start(["--listen", "127.0.0.1:0"])
        #expect(
            well.code == nil
                && Set(components(well.check).keys) == [
                    "grpc", "pages", "autoscalers", "producer", "follower",
                    "consumer", "service"
                ])
        #expect(components(well.check).values.allSatisfy { $0["failed"] == nil })
        let refused = try start(["--listen", "127.0.0.1:\(UInt16(bigEndian: address.sin_port))"], ends: true),
            found = components(refused.check)
        #expect(
            refused.code == 2 && (found["pages"]?["failed"] as? String)?.contains("--listen") == true && found["producer"] == nil,
            "\(found)")
        #expect(
            refused.said.hasSuffix(" (pages failed; not started without it: producer, follower, consumer, service)\n"),
            "\(refused.said)")
        #expect(refused.said.split(separator: "\n").count == 1)
    }
}

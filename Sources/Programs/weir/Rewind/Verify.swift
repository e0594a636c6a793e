internal import AgentCore
internal import Arguments
internal import Detection
internal import Evidence
internal import Fingerprints
internal import Front
internal import Glibc
internal import JSON
internal import Linux
internal import Messages
internal import PolicyFile
internal import Probe
internal import Terminal
internal import Units
internal import Vocabulary
internal import WeirCommands
internal import Wire

/// `weir verify EVENT`: 0 where the event's evidence says the same, 1 where it does not, 2 for what is no event or no policy,
/// 4 where there is no evidence.
func verifyEvent(_ arguments: Arguments<VerifyOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    let policy: Policy?
    do { policy = try arguments.policy.map { try PolicyFile.load(path: $0) } } catch { throw Refusal.wrong("\(error)") }
    let (event, hello) = try subject(arguments)
    guard let hello, !hello.isEmpty else {
        complain("weir: there is no hello of trace \(event.traceID), so nothing to verify it by; an agent's --state may have it")
        return 4
    }
    let findings = Verification(event, hello, policy ?? (event.policyVersion == Policy().version ? Policy() : nil)).findings
    let agrees = findings.allSatisfy { $0.agrees != false }
    if arguments.format == .json {
        var json = JSONWriter(capacity: 1024)
        json.object { json in
            json.member("schema", "weir.dev/verification/v1")
            json.member("trace_id", event.traceID)
            json.member("id", event.id)
            json.member("agrees", agrees)
            for one in findings {
                json.object(one.name) { json in
                    json.member("event", one.said)
                    json.member("evidence", one.found)
                    if let agrees = one.agrees { json.member("agrees", agrees) } else { json.null("agrees") }
                }
            }
        }
        _ = try Standard.output.write(json.bytes + [10])
        return agrees ? 0 : 1
    }
    var table = Table([
        .init("", minimum: 1), .init("what", minimum: 8), .init("event", minimum: 8, weight: 2), .init("evidence", minimum: 8, weight: 2)
    ])
    for one in findings {
        let mark = one.agrees.map { $0 ? "✓" : "✗" } ?? "?"
        table.append([mark, one.name, words(one.said), words(one.found)], style: one.agrees == false ? .bad : nil)
    }
    let verdict = agrees ? "the evidence says the same" : "the evidence says something else"
    var lines = ["trace \(event.traceID), event \(event.id) of node \(event.node), \(hello.count) bytes of its hello: \(verdict)", ""]
    lines += table.lines(for: Terminal(of: 1))
    for one in findings { if let note = one.note { lines.append("\(one.name): \(note)") } }
    _ = try Standard.output.write(Array((lines.joined(separator: "\n") + "\n").utf8))
    return agrees ? 0 : 1
}

private func words(_ values: [String]) -> String { values.isEmpty ? "-" : values.joined(separator: ", ") }

private let most = 4 << 20

/// The event, by its trace or from a file, and its hello where there is one: in the file, as a line of the evidence has it, or in an
/// agent's directory.
private func subject(_ arguments: Arguments<VerifyOptions>) throws -> (ThrottleEvent, [UInt8]?) {
    let word = arguments.event
    if let directory = arguments.state {
        let found: [Evidence]
        do throws(Errno) { found = try EvidenceReader.read(directory: directory).evidence } catch {
            throw Refusal.wrong("verify: --state \(directory): \(error == .noEntry ? "no agent has kept hellos there" : "\(error)")")
        }
        if word.utf8.count >= 8, word.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) {
            let matching = found.filter { $0.event.traceID.hasPrefix(word) }
            guard let one = matching.last else {
                complain("weir: there is no hello of trace \(word); newer ones take the room of old ones")
                exit(4)
            }
            if let other = matching.first(where: { $0.event.traceID != one.event.traceID }) {
                throw Refusal.wrong("verify: \(word) is the beginning of several traces: \(other.event.traceID), \(one.event.traceID)")
            }
            return (one.event, one.hello)
        }
        let (event, hello) = try read(word)
        return (event, hello ?? found.last { $0.event.id == event.id }?.hello)
    }
    return try read(word)
}

private func read(_ path: String) throws -> (ThrottleEvent, [UInt8]?) {
    guard let text = File.read(path == "-" ? "/dev/stdin" : path, limit: most) else {
        throw Refusal.wrong("verify: \(path): cannot be read: \(Errno.current); a trace id is looked up with --state DIR")
    }
    let bytes = Array(text.utf8)
    guard bytes.count < most else { throw Refusal.wrong("verify: \(path): no event is that long") }
    var reader = MessageReader(), parser = JSONParser()
    do throws(JSONError) {
        let event = unsafe try reader.throttleEvent(bytes.span.bytes)
        let said = unsafe try parser.object(bytes.span.bytes) { object throws(JSONError) in try object.optionalString("hello") }
        guard let said else { return (event, nil) }
        guard let hello = Base64.bytes(said), !hello.isEmpty else { throw JSONError("hello", .wrongValue(wanted: "base64")) }
        return (event, hello)
    } catch { throw Refusal.wrong("verify: \(path): no event: \(error)") }
}

internal import Arguments
internal import Detection
internal import Evidence
internal import Front
internal import Glibc
internal import Linux
internal import Messages
internal import Pcap
internal import Terminal
internal import WeirCommands
internal import Units
internal import Vocabulary

/// `weir evidence [TRACE] --state DIR`: the hellos of events that an agent keeps. 1 when there is none of that trace.
func showEvidence(_ arguments: Arguments<EvidenceOptions>) throws -> CInt {
    signal(SIGPIPE, SIG_IGN)
    guard let directory = arguments.state else {
        throw Refusal.wrong("evidence: which agent's? --state DIR is wanted, the directory of its --state")
    }
    let found: (evidence: [Evidence], unreadable: Int)
    do throws(Errno) { found = try EvidenceReader.read(directory: directory) } catch {
        throw Refusal.wrong(
            "evidence: --state \(directory): \(error == .noEntry ? "no agent has kept hellos there" : "\(error)")")
    }
    if found.unreadable > 0 { complain("weir: \(found.unreadable) lines there are not whole and were passed over") }
    guard let trace = arguments.trace else {
        list(found.evidence, asJSON: arguments.format == .json)
        return 0
    }
    // One trace is one detection; its first letters are enough where they are nobody else's.
    let matching = found.evidence.filter { $0.event.traceID.hasPrefix(trace) }
    guard let one = matching.last else {
        complain("weir: there is no hello of trace \(trace); newer ones take the room of old ones, and those of a flood are not all kept")
        return 1
    }
    if let other = matching.first(where: { $0.event.traceID != one.event.traceID }) {
        throw Refusal.wrong("evidence: \(trace) is the beginning of several traces: \(other.event.traceID), \(one.event.traceID)")
    }
    let capture = capture(of: one)
    if let path = arguments.output {
        guard File.write(path, capture) else { throw Refusal.wrong("--output \(path): cannot be written: \(Errno.current)") }
        return 0
    }
    guard isatty(1) == 0 else { throw Refusal.wrong("evidence: a capture is nothing for a terminal; > FILE or --output FILE") }
    var written = 0
    while written < capture.count {
        let count = unsafe capture.withUnsafeBytes { unsafe write(1, $0.baseAddress! + written, $0.count - written) }
        guard count > 0 else { throw Refusal.cannot("evidence: standard output: \(Errno.current)") }
        written += count
    }
    return 0
}

/// The hello in a connection that is made up around it.
private func capture(of evidence: Evidence) -> [UInt8] {
    let event = evidence.event
    var writer = PcapngWriter(application: "weir evidence \(version)", interface: event.interface)
    let frames = Retelling(
        client: event.sourceAddress, clientPort: event.sourcePort, server: event.destinationAddress, serverPort: event.destinationPort
    ).frames(Retelling.records(of: evidence.hello))
    let comment =
        "trace_id \(event.traceID), event \(event.id) of node \(event.node): \(event.anomalies.list.map(\.id).joined(separator: ", ")). "
        + "The hello's bytes are as they were seen\(event.transport == .udp ? " over QUIC" : ""); what is around them is made up."
    for (index, frame) in frames.enumerated() {
        // The hello has its own time.
        let time = Instant(nanoseconds: event.time.nanoseconds + Int64(min(index, 3) - 3) * 1000)
        writer.add(frame, at: time, comment: index == 3 ? comment : nil)
    }
    return writer.bytes
}

private func list(_ all: [Evidence], asJSON: Bool) {
    for one in all {
        let event = one.event, anomalies = event.anomalies.list.map(\.id)
        if asJSON {
            var json = JSONWriter(capacity: 512)
            json.object { json in
                json.member("trace_id", event.traceID)
                json.member("time", event.time)
                json.member("source.address", event.sourceAddress)
                json.member("destination.address", event.destinationAddress)
                json.member("destination.port", Int(event.destinationPort))
                json.member("anomalies", anomalies)
                json.member("hello_bytes", one.hello.count)
            }
            print(String(decoding: json.bytes, as: UTF8.self))
        } else {
            let path = "\(event.sourceAddress) → \(event.destinationAddress) port \(event.destinationPort)"
            print("\(event.time.rfc3339)  \(event.traceID)  \(path)  \(anomalies.joined(separator: ", "))  \(one.hello.count) bytes")
        }
    }
}

internal import Glibc
internal import Linux

private let usage = """
    weir-bench                              each claim of speed beside its baseline (root: it makes a network namespace and loads BPF)
    weir-bench agent | controller           those of the probe and the agent, of the controller's core
    weir-bench opening                      what a QUIC client's Initial costs that is opened in the packet (root)
    weir-bench replay                       those of weir replay alone (no privilege; tcpdump, tshark and ndpiReader beside it)
    weir-bench rewind                       what a history costs, and how fast weir rewind judges it (no privilege)
    weir-bench flood                        a distributed flood: kernel's and agent's processor time a hello (root)
    weir-bench live                         hellos a second on a veth, none lost; ndpiReader and tshark beside the agent (root)
    weir-bench rollout                      a signed policy to 100 nodes, and what one costs (no privilege)
    weir-bench capture KIND FILE N           the capture of N hellos that they are measured on

    """

/// `make bench`: each claim of speed beside its baseline, in one run, in a network namespace of its own.
func run() {
    let words = Array(CommandLine.arguments.dropFirst())
    var report = Report()
    do {
        switch words.first {
        case nil:
            try makeNetwork()
            try measureFlood(&report)
            // Then: a child's peak memory is not less than ours was when it began (fs/exec.c).
            try measureReplay(&report)
            try measureRewind(&report)
            measureController(&report)
            try measureProbe(&report)
            try measureOpening(&report)
            try measureReflex(&report)
            try measureAgent(&report)
            try measureLive(&report)
        case "agent":
            try makeNetwork()
            try measureProbe(&report)
            try measureAgent(&report)
        case "opening":
            try measureOpening(&report)
        case "live":
            try makeNetwork()
            try measureLive(&report)
        case "flood":
            try makeNetwork()
            try measureFlood(&report)
        case "send" where words.count == 4:
            guard let processor = CInt(words[2]), let kind = CaptureMaker.Kind(rawValue: words[3]) else { fallthrough }
            return try sendAsAsked(words[1], processor: processor, kind)
        case "controller":
            measureController(&report)
        case "rollout":
            try measureRollout(&report)
        case "replay":
            try measureReplay(&report)
        case "rewind":
            try measureRewind(&report)
        case "events" where words.count == 4 && ["produce", "read"].contains(words[1]):
            guard let count = Int(words[3]), count > 0 else { fallthrough }
            return try words[1] == "produce" ? produceEvents(words[2], count: count) : readEvents(words[2], count: count)
        case "archive" where words.count == 3:
            guard let count = Int(words[2]), count > 0 else { fallthrough }
            return try makeArchive(words[1], count: count)
        case "capture" where words.count == 4:
            guard let kind = CaptureMaker.Kind(rawValue: words[1]), let count = Int(words[3]), count > 0 else { fallthrough }
            let made = try makeCapture(kind, hellos: count, at: words[2])
            return print("\(made.frames) frames, \(made.bytes) bytes")
        default:
            if try Crowd.run(words) { return }
            print(usage + Crowd.usage)
            exit(2)
        }
        report.show()
    } catch {
        // What was measured before that stands.
        report.show()
        print("weir-bench: \(error)")
        exit(1)
    }
}

private func makeNetwork() throws {
    do { try Network.makePrivate() } catch {
        print("weir-bench: needs root: it makes a network namespace and loads BPF (\(error))")
        exit(3)
    }
}

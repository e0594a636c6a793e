import Detection
import Glibc
import Linux
import Pcap
import Probe
import Testing

/// Honest QUIC clients in front of the limiter: captures of real stacks (Tests/oracles/quic.py), played with what the agent thinks of each
/// datagram at once, as on a node that keeps up. No answer of their servers' may be held back.
@Suite struct HonestQUICTests {
    private static let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    private static let python = getenv("WEIR_PYTHON").map { String(cString: $0) } ?? "\(root)/.deps/venv/bin/python3"

    private func frames(of kind: String) throws -> [[UInt8]] {
        let path = "/tmp/weir-quic-\(getpid())-\(kind).pcap"
        defer { unlink(path) }
        let child = try Child(Self.python, [Self.python, "\(Self.root)/Tests/oracles/quic.py", kind, path], output: true, errorsToo: true)
        var said: [UInt8] = []
        while let more = child.take() {
            said += more
            var target = pollfd(fd: child.outputDescriptor, events: Int16(POLLIN), revents: 0)
            if more.isEmpty { poll(&target, 1, 1000) }
        }
        var frames: [[UInt8]] = []
        var capture = try Capture(path: path)
        while try capture.next({ _, bytes in frames.append(bytes.withUnsafeBytes { Array($0) }) }) {}
        #expect(!frames.isEmpty, "\(String(decoding: said.suffix(400), as: UTF8.self))")
        return frames
    }

    private func isFromClient(_ frame: [UInt8]) -> Bool {
        let ports = frame[12] == 0x86 ? 54 : 34
        return frame[ports + 2] == 1 && frame[ports + 3] == 187
    }

    /// Server frames, and those of them that did not leave.
    private func play(_ frames: [[UInt8]]) -> (answers: Int, heldBack: Int) {
        var policy = Policy()
        policy.mode = .enforce
        let reader = QUICReader(KernelPolicy(policy))
        var engine = NativeEngine(KernelPolicy(policy), enforcing: true)
        var now: UInt64 = 1_000_000_000, answers = 0, heldBack = 0
        for frame in frames {
            now += 1_000_000
            let fromClient = isFromClient(frame)
            var opinions: [PathOpinion] = []
            let passes = engine.run(frame.span.bytes, wireSize: frame.count, at: now, hook: fromClient ? .incoming : .outgoing) { record in
                if let opinion = reader.take(record) { opinions.append(opinion) }
            }
            for opinion in opinions { engine.note(opinion) }
            reader.judge { _ in }
            guard !fromClient else { continue }
            answers += 1
            if !passes { heldBack += 1 }
        }
        return (answers, heldBack)
    }

    @Test("Clients that were here before send early data behind their hello; in order, doubled, and with each flight turned round")
    func resumed() throws {
        let frames = try frames(of: "resumed")
        let doubled = frames.flatMap { isFromClient($0) ? [$0, $0] : [$0] }
        let turned = frames.split(omittingEmptySubsequences: false) { !isFromClient($0) }.map { Array($0.reversed()) }
        var reordered: [[UInt8]] = [], flights = turned.makeIterator()
        reordered += flights.next() ?? []
        for answer in frames where !isFromClient(answer) {
            reordered.append(answer)
            reordered += flights.next() ?? []
        }
        for played in [frames, doubled, reordered] {
            let (answers, heldBack) = play(played)
            #expect(answers >= 26 && heldBack == 0, "\(heldBack) of \(answers)")
        }
    }

    @Test("Without a name three answers leave, so the same stage does refuse")
    func nameless() throws {
        let frames = try frames(of: "many_nameless")
        let (answers, heldBack) = play(frames)
        #expect(answers > 3 && heldBack > 0)
    }
}

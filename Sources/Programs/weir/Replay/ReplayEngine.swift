internal import BPF
internal import Front
internal import Linux
internal import Probe
internal import Units
internal import Vocabulary
internal import Wire

/// The probe over a capture's frames: in this process, or in the kernel's own program.
final class ReplayEngine {
    private var native: NativeEngine?
    private var probe: KernelProbe?
    private var ring: Ring?
    /// Datagrams of QUIC's, which the kernel's program puts into a ring of their own.
    private var initials: Ring?
    private let quic: QUICReader
    /// Of the frame at hand, for the engine that is still handing it over.
    private var opinions: [PathOpinion] = []
    private var orders: [Order] = []

    enum Order {
        case limit(LimitKey, LimitEntry)
        case release(LimitKey)
        case use(KernelPolicy)
        case deny(UInt64)
        case admit(UInt64)
    }

    /// BPF_PROG_TEST_RUN takes no longer frame (net/bpf/test_run.c: a page less its overhead).
    static let kernelLimit = 3712

    init(kernel: Bool, _ policy: KernelPolicy) throws {
        quic = QUICReader(policy)
        guard kernel else {
            native = NativeEngine(policy, enforcing: true)
            return
        }
        var settings = ProbeSettings()
        settings.replay = true
        do {
            let loaded = try KernelProbe(policy, settings: settings)
            ring = try Ring(map: loaded.ringMap, size: loaded.ringSize)
            initials = try Ring(map: loaded.initialsMap, size: loaded.initialsSize)
            probe = consume loaded
        } catch { throw Refusal.cannot("\(error)") }
    }

    func allow(_ prefix: Prefix) {
        _ = native?.allow(prefix)
        _ = probe?.allow(prefix)
    }

    /// From the next frame on. A verdict asks for it while the engine is still handing it over, so it waits that long.
    func order(_ order: Order) { orders.append(order) }

    private func obey() {
        guard !orders.isEmpty else { return }
        for order in orders {
            switch order {
            case .limit(let key, let entry):
                // A full map refuses, as it would on a node.
                _ = native?.limit(key, entry)
                try? probe?.limit(key, entry)
            case .deny(let fingerprint):
                _ = native?.deny(fingerprint)
                _ = probe?.deny(fingerprint)
            case .admit(let fingerprint):
                native?.allowFingerprint(fingerprint)
                probe?.allowFingerprint(fingerprint)
            case .release(let key):
                native?.release(key)
                probe?.release(key)
            case .use(let policy):
                quic.use(policy)
                native?.use(policy)
                probe?.use(policy)
            }
        }
        orders.removeAll(keepingCapacity: true)
    }

    /// Of the kernel's tables nobody knows.
    var pushedOut: NativeEngine.PushedOut { native?.pushedOut ?? NativeEngine.PushedOut() }
    var counters: Counters { native?.counters ?? probe?.counters ?? Counters() }

    /// Runs one frame; each record that it completed goes to `body`. True when the kernel could only be given its start.
    func run(_ frame: RawSpan, wireSize: Int, at time: Instant, _ body: (RawSpan) -> Void) throws -> Bool {
        obey()
        let nanoseconds = UInt64(clamping: time.nanoseconds)
        native?.run(frame, wireSize: wireSize, at: nanoseconds) { take($0, body) }
        defer { think(body) }
        // Shorter than Ethernet, IPv4 and TCP together the kernel runs no frame, and there is nothing in one.
        guard probe != nil, frame.byteCount >= 54 else { return false }
        do { _ = try probe?.run(.replayLimiter, over: frame, at: nanoseconds) } catch {
            throw Refusal.cannot("running the probe over a frame: \(error)")
        }
        _ = ring?.drain(budget: .max, body)
        _ = initials?.drain(budget: .max) { take($0, body) }
        return frame.byteCount > Self.kernelLimit
    }

    /// Gives up on hellos that stopped half way; on all of them at the `end`.
    func sweep(at time: Instant, end: Bool = false, _ body: (RawSpan) -> Void) {
        obey()
        let nanoseconds = UInt64(clamping: time.nanoseconds)
        native?.sweep(at: nanoseconds, end: end, body)
        probe?.sweep(now: max(nanoseconds, 1), end: end)  // 0 would ask the kernel's clock
        _ = ring?.drain(budget: .max, body)
        quic.sweep(at: nanoseconds, counters: counters, end: end)
        quic.judge(body)
    }

    /// What the frame at hand told of QUIC.
    private func think(_ body: (RawSpan) -> Void) {
        for opinion in opinions {
            native?.note(opinion)
            probe?.note(opinion)
        }
        opinions.removeAll(keepingCapacity: true)
        quic.judge(body)
    }

    private func take(_ record: RawSpan, _ body: (RawSpan) -> Void) {
        guard Handshake(record)?.kind == .datagram else { return body(record) }
        if let opinion = quic.take(record) { opinions.append(opinion) }
    }
}

internal import AgentCore
internal import Detection
internal import Fingerprints
internal import Front
internal import Units
internal import Vocabulary
internal import Wire

/// Between judging and telling: names and fingerprints are read here, and the output is written. At once, or by a thread of its own,
/// which has the same said to it in the same order.
final class OutputStage {
    /// What is said of a hello, but for its record.
    struct Judgement {
        let frame: Int
        let time: Instant
        let anomalies: AnomalySet
        let severity: Severity?
    }

    private let teller: Teller
    private let thread: Thread?

    /// - Parameter apart: on a thread of its own, if one is to be had.
    init(_ output: any ReplayOutput, apart: Bool) {
        teller = Teller(output)
        thread = apart ? Thread(teller) : nil
    }

    var readsHellos: Bool { teller.readsHellos }

    /// - Parameter record: the verdict, and its hello's bytes behind it.
    func handshake(_ handshake: Handshake, _ record: RawSpan, _ judgement: Judgement) throws {
        guard let thread else { return try teller.handshake(handshake, record, judgement) }
        try thread.handshake(record, judgement)
    }

    /// Everything else, in its place among the hellos. `now`: somebody waits for it.
    func say(now: Bool = false, _ what: @escaping (inout any ReplayOutput) throws -> Void) throws {
        guard let thread else { return try teller.say(what) }
        try thread.say(what, now: now)
    }

    /// Waits until all of it is told.
    func finish() throws { try thread?.finish() }
}

private final class Teller {
    private var output: any ReplayOutput
    private var hellos = HelloReader()
    let readsHellos: Bool

    init(_ output: any ReplayOutput) {
        self.output = output
        readsHellos = output.readsHellos
    }

    func handshake(_ handshake: Handshake, _ record: RawSpan, _ said: OutputStage.Judgement) throws {
        let raw = record.extracting(droppingFirst: Handshake.size).extracting(first: handshake.rawLength)
        let hello = readsHellos && handshake.hasHello && raw.byteCount > 0 ? hellos.read(raw, over: handshake.transport) : nil
        let item = ReplayedHandshake(
            handshake: handshake, frame: said.frame, time: said.time, anomalies: said.anomalies, severity: said.severity, hello: hello)
        try output.handshake(item, raw)
    }

    func say(_ what: (inout any ReplayOutput) throws -> Void) throws { try what(&output) }
}

/// The teller's thread, and what waits for it.
private final class Thread {
    private final class Batch {
        enum Said {
            case handshake(Range<Int>, OutputStage.Judgement)
            case other((inout any ReplayOutput) throws -> Void)
        }

        var said: [Said] = []
        /// The records.
        var bytes: [UInt8] = []
        /// The first thing that could not be told.
        var failure: (any Error)?

        func empty() {
            said.removeAll(keepingCapacity: true)
            bytes.removeAll(keepingCapacity: true)
        }
    }

    private static let most = 1 << 18, mostSaid = 2048, batches = 4
    private let full = Channel<Batch>(capacity: batches), empty = Channel<Batch>(capacity: batches + 1)
    private var worker: Worker?
    private var batch: Batch?
    private var failure: (any Error)?
    private var waiting = 0

    init?(_ teller: Teller) {
        for _ in 0..<Self.batches { empty.send(Batch()) }
        worker = Worker { [full, empty] in
            var failure: (any Error)?
            while let batch = full.receive() {
                if failure == nil { failure = Self.tell(batch, teller) }
                batch.failure = failure
                batch.empty()
                empty.send(batch)
            }
        }
        if worker == nil { return nil }
    }

    deinit {
        full.close()
        empty.close()
        worker.take()?.join()
    }

    private static func tell(_ batch: Batch, _ teller: Teller) -> (any Error)? {
        do {
            for said in batch.said {
                switch said {
                case .handshake(let range, let judgement):
                    // The batch is this thread's until it goes back.
                    unsafe try batch.bytes.withUnsafeBytes { bytes in
                        let record = unsafe RawSpan(_unsafeBytes: bytes).extracting(range)
                        if let handshake = Handshake(record) { try teller.handshake(handshake, record, judgement) }
                    }
                case .other(let what): try teller.say(what)
                }
            }
        } catch { return error }
        return nil
    }

    private func current() throws -> Batch {
        if let batch { return batch }
        guard let next = empty.receive() else { throw Refusal.cannot("a thread of replay's is gone") }
        if let failure = next.failure { throw failure }
        batch = next
        return next
    }

    private func pass() {
        guard let done = batch.take() else { return }
        full.send(done)
    }

    func handshake(_ record: RawSpan, _ judgement: OutputStage.Judgement) throws {
        let batch = try current(), start = batch.bytes.count
        unsafe record.withUnsafeBytes { unsafe batch.bytes.append(contentsOf: $0) }
        batch.said.append(.handshake(start..<batch.bytes.count, judgement))
        if batch.bytes.count >= Self.most || batch.said.count >= Self.mostSaid { pass() }
    }

    func say(_ what: @escaping (inout any ReplayOutput) throws -> Void, now: Bool) throws {
        let batch = try current()
        batch.said.append(.other(what))
        if now || batch.said.count >= Self.mostSaid { pass() }
    }

    /// Every batch comes back once it is told.
    func finish() throws {
        pass()
        var failure: (any Error)?
        for _ in 0..<Self.batches {
            guard let told = empty.receive() else { break }
            failure = failure ?? told.failure
        }
        for _ in 0..<Self.batches { empty.send(Batch()) }
        if let failure { throw failure }
    }
}

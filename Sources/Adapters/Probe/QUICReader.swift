internal import CQUIC
internal import CWire
package import Vocabulary

/// What user space thinks of a QUIC path: whether the first answer on it is owed to somebody who does nothing wrong.
package struct PathOpinion {
    var opinion: weir_quic_opinion
    /// No datagram has come since.
    private var holds: Bool

    /// Writes it into a table of paths, which lies at `paths` and is as large as the probe's.
    package func write(to paths: UnsafeMutableRawPointer) {
        var opinion = opinion
        unsafe weir_quic_mark(paths.assumingMemoryBound(to: weir_quic_path.self), &opinion)
    }

    /// What a table of paths, which lies at `paths`, says of one of them; `nil` where it holds another one there.
    package init?(of path: UInt64, in paths: UnsafeRawPointer) {
        let place = unsafe (paths.assumingMemoryBound(to: weir_quic_path.self) + Int(path >> 40) % Int(WEIR_QUIC_PATHS)).pointee
        guard place.key == path else { return nil }
        opinion = weir_quic_opinion(path: path, mark: place.mark)
        holds = place.mark >> 8 == place.count & 0xff_ffff
    }

    init(_ opinion: weir_quic_opinion) {
        self.opinion = opinion
        holds = true
    }

    package enum Kind: String, Sendable { case unjudged, clean, anomalous }

    /// Of as many datagrams as have come.
    package var kind: Kind {
        guard holds else { return .unjudged }
        return switch weir_quic_mark(rawValue: opinion.mark & 3) {
        case WEIR_QUIC_CLEAN: .clean
        case WEIR_QUIC_ANOMALOUS: .anomalous
        default: .unjudged
        }
    }

    /// Bytes of such a table.
    package static var tableSize: Int { Int(WEIR_QUIC_PATHS) * MemoryLayout<weir_quic_path>.size }
}

/// From a QUIC client's datagrams to verdicts: Initials are opened, hellos put together, and judged by the same C as those over TCP.
/// One thread at a time. What it holds is bounded (`initials.h`).
@safe package final class QUICReader {
    private let reader: OpaquePointer
    private var engine: NativeEngine

    /// - Parameter policy: should let every hello travel, since here none of them costs anything.
    package init(_ policy: KernelPolicy) {
        guard let reader = unsafe weir_initials_create() else { preconditionFailure("no memory, or libcrypto has no AES-128-GCM") }
        unsafe self.reader = reader
        engine = NativeEngine(policy, enforcing: false)
    }

    deinit { unsafe weir_initials_destroy(reader) }

    package func use(_ policy: KernelPolicy) { engine.use(policy) }

    /// One record of kind `datagram`, its bytes behind it.
    /// - Returns: what is thought of its path from now on; `nil` as long as its hello is not whole.
    package func take(_ record: RawSpan) -> PathOpinion? {
        unsafe record.withUnsafeBytes { bytes in
            let size = MemoryLayout<weir_handshake>.size
            guard let base = bytes.baseAddress, bytes.count >= size else { return nil }
            // A record is plain bytes; rings and engines hold each at eight bytes.
            let seen = unsafe base.assumingMemoryBound(to: weir_handshake.self)
            let length = unsafe min(Int(seen.pointee.raw_length), bytes.count - size)
            let message = unsafe base.advanced(by: size).assumingMemoryBound(to: UInt8.self)
            var opinion = weir_quic_opinion()
            let has = unsafe weir_initials_take(reader, engine.engine, seen, message, UInt32(length), &opinion)
            return has == 1 ? PathOpinion(opinion) : nil
        }
    }

    /// What nothing has proven after three seconds is a verdict without proof; at the `end` of a capture nothing is waited for.
    /// - Parameter counters: the probe's, which has seen the servers' answers.
    package func sweep(at nanoseconds: UInt64, counters: Counters, end: Bool = false) {
        var answers: UInt64 = 0
        for counter in [Counter.quicAnswers, .quicCounted, .quicRetries, .quicRefused] { answers &+= counters[counter] }
        unsafe weir_initials_sweep(reader, engine.engine, answers, nanoseconds, end ? 1 : 0)
    }

    /// Judges what is whole, and hands each verdict over, with its hello behind it; and verdicts without one.
    package func judge(_ record: (RawSpan) -> Void) {
        var flow = weir_handshake()
        while unsafe weir_initials_flow(reader, &flow) == 1 {
            unsafe withUnsafeBytes(of: &flow) { unsafe record(RawSpan(_unsafeBytes: $0)) }
        }
        var hello = unsafe weir_initials_hello()
        while unsafe weir_initials_next(reader, &hello) == 1 {
            unsafe engine.judge(&hello.seen, hello.message, hello.size, record)
        }
    }

    /// What became of the datagrams since the start.
    package func count(_ which: Count) -> Int {
        let counts = unsafe weir_initials_counts(reader).pointee
        let count =
            switch which {
            case .opened: counts.opened
            case .bad: counts.bad
            case .smallID: counts.small_id
            case .foreign: counts.foreign
            case .unknown: counts.unknown
            case .tooLong: counts.too_long
            case .incomplete: counts.incomplete
            case .evicted: counts.evicted
            case .ambiguous: counts.ambiguous
            case .told: counts.told
            case .untold: counts.untold
            case .uncounted: counts.uncounted
            }
        return Int(clamping: count)
    }

    package enum Count: CaseIterable, Sendable {
        case opened, bad, smallID, foreign, unknown, tooLong, incomplete, evicted, ambiguous, told, untold, uncounted

        package var id: String {
            switch self {
            case .opened: "opened"
            case .bad: "bad"
            case .smallID: "small_id"
            case .foreign: "foreign_version"
            case .unknown: "unknown_version"
            case .tooLong: "too_long"
            case .incomplete: "incomplete"
            case .evicted: "evicted"
            case .ambiguous: "ambiguous"
            case .told: "told"
            case .untold: "untold"
            case .uncounted: "uncounted"
            }
        }
    }
}

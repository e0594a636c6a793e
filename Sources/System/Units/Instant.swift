/// A point in time: nanoseconds since the Unix epoch, UTC.
///
/// The kernel stamps records with `CLOCK_MONOTONIC`; the program that reads them adds the offset once,
/// so that everything above this floor knows one clock only. In replay it is the capture's own time.
package struct Instant: Hashable, Comparable, Sendable, BitwiseCopyable {
    package var nanoseconds: Int64

    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    package static let distantPast = Instant(nanoseconds: .min / 2)

    package static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
    package static func + (left: Instant, right: Duration) -> Instant { Instant(nanoseconds: left.nanoseconds &+ right.wholeNanoseconds) }
    package static func - (left: Instant, right: Duration) -> Instant { Instant(nanoseconds: left.nanoseconds &- right.wholeNanoseconds) }
    package static func - (left: Instant, right: Instant) -> Duration { .nanoseconds(left.nanoseconds &- right.nanoseconds) }
}

extension Duration {
    /// Clamped to what 64 bits hold (292 years).
    package var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? (seconds < 0 ? .min : .max) : product &+ attoseconds / 1_000_000_000
    }
}

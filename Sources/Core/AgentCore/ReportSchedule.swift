package import Units

/// When a node says how far it has come: when that has changed, but not twice within a second; and every ten seconds in any case.
/// A value that knows no clock; any that never goes back will do.
package struct ReportSchedule<State: Equatable & Sendable>: Sendable {
    package static var least: Duration { .seconds(1) }
    package static var heartbeat: Duration { .seconds(10) }

    private var said: State?
    private var last = Instant.distantPast

    package init() {}

    package func isDue(_ state: State, at now: Instant) -> Bool { now - last >= (state == said ? Self.heartbeat : Self.least) }

    package mutating func reported(_ state: State, at now: Instant) {
        said = state
        last = now
    }

    /// The last report will never be read: another one is due as if something had changed.
    package mutating func lost() { said = nil }
}

internal import Messages
package import Units

/// A partition of the table: a folder for each place, and in it one for each hour.
package struct TablePartition: Hashable, Comparable, Sendable {
    /// As `Places` has cleaned it.
    package let place: String
    /// `2026-11-24T10`, UTC: texts in the order of time.
    package let hour: String

    package init(place: String, hour: String) {
        self.place = place
        self.hour = hour
    }

    /// A node writes the times of its events, and its clock may be wrong. So what claims to be older than a week, or more than an hour
    /// ahead of when the broker had it, belongs to the hour in which the broker had it: no node makes partitions at will.
    package init(place: String, time: Instant, appended: Instant) {
        let isBelieved = time > appended - .seconds(7 * 86_400) && time < appended + .seconds(3600)
        self.init(place: place, hour: Self.hour(of: isBelieved ? time : appended))
    }

    package static func hour(of time: Instant) -> String {
        String(Instant(nanoseconds: max(0, time.nanoseconds)).rfc3339.prefix(13))
    }

    /// Below the table's folder.
    package var folder: String { "place=\(place)/hour=\(hour)" }

    package static func < (left: TablePartition, right: TablePartition) -> Bool { (left.place, left.hour) < (right.place, right.hour) }
}

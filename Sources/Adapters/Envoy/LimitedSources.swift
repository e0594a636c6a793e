package import Wire

/// The sources that are limited now, as the limits topic has them: what every Envoy is told, and what the rate-limit service counts against.
package struct LimitedSources: Sendable {
    package struct Entry: Sendable, Equatable {
        package var perSecond: Int
        package var until: Instant
        package init(perSecond: Int, until: Instant) {
            self.perSecond = perSecond
            self.until = until
        }
    }

    /// A source may be limited for its anomalous hellos and for all of them; an edge cannot tell the two apart.
    private var entries: [Prefix: [UInt8: Entry]] = [:]
    /// How many have each length, so that a lookup tries only those that there are.
    private var lengths: [UInt8: Int] = [:]
    private var list = SourceList()
    private let capacity: Int
    /// Sources that did not fit.
    package private(set) var refused = 0

    package init(capacity: Int = 200_000) { self.capacity = capacity }

    package var count: Int { entries.count }

    /// - Parameter slot: of the source's limits, which one.
    /// - Returns: whether the list of sources is another one now.
    package mutating func set(_ prefix: Prefix, slot: UInt8, _ entry: Entry?) -> Bool {
        let isKnown = entries[prefix] != nil
        guard let entry else {
            guard isKnown else { return false }
            entries[prefix]?[slot] = nil
            guard entries[prefix]?.isEmpty == true else { return false }
            entries[prefix] = nil
            list.toggle(prefix)
            lengths[prefix.length] = lengths[prefix.length, default: 1] > 1 ? lengths[prefix.length]! - 1 : nil
            return true
        }
        guard isKnown || entries.count < capacity else {
            refused += 1
            return false
        }
        entries[prefix, default: [:]][slot] = entry
        guard !isKnown else { return false }
        list.toggle(prefix)
        lengths[prefix.length, default: 0] += 1
        return true
    }

    /// Takes out what has ended. Returns whether the list is another one now.
    package mutating func expire(at now: Instant) -> Bool {
        var hasChanged = false
        for (prefix, slots) in entries {
            for (slot, entry) in slots where entry.until <= now { if set(prefix, slot: slot, nil) { hasChanged = true } }
        }
        return hasChanged
    }

    package var nextEnd: Instant? { entries.values.lazy.flatMap(\.values).map(\.until).min() }

    /// In a fixed order, so that every replica says the same.
    package mutating func settled() -> SourceList {
        list.settle()
        return list
    }

    /// The narrowest source that covers the address, and the least that any of its limits leaves it.
    package func limit(of address: Address, at now: Instant) -> (source: Prefix, perSecond: Int)? {
        for length in lengths.keys.sorted(by: >) {
            let prefix = Prefix(address, length: Int(length))
            if let least = entries[prefix]?.values.filter({ $0.until > now }).map(\.perSecond).min() { return (prefix, least) }
        }
        return nil
    }
}

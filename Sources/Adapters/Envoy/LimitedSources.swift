package import Units
package import Vocabulary

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

    /// A source may be limited for its anomalous hellos and for all of them.
    private var entries: [Prefix: [LimitClass: Entry]] = [:]
    /// How many have each length, so that a lookup tries only those that there are.
    private var lengths: [UInt8: Int] = [:]
    private var lists = Lists()
    private let capacity: Int
    /// Sources that did not fit.
    package private(set) var refused = 0

    /// The sources of each class; one that has both is in both.
    package struct Lists: Sendable, Equatable {
        package var anomalous = SourceList(), all = SourceList()
        package init() {}

        subscript(limitClass: LimitClass) -> SourceList {
            get { limitClass == .all ? all : anomalous }
            _modify { if limitClass == .all { yield &all } else { yield &anomalous } }
        }
    }

    package init(capacity: Int = 200_000) { self.capacity = capacity }

    package var count: Int { entries.count }

    /// - Parameter limitClass: of the source's limits, which one.
    /// - Returns: whether a list of sources is another one now.
    package mutating func set(_ prefix: Prefix, _ limitClass: LimitClass, _ entry: Entry?) -> Bool {
        let known = entries[prefix]
        guard let entry else {
            guard known?[limitClass] != nil else { return false }
            entries[prefix]?[limitClass] = nil
            lists[limitClass].toggle(prefix)
            guard entries[prefix]?.isEmpty == true else { return true }
            entries[prefix] = nil
            lengths[prefix.length] = lengths[prefix.length, default: 1] > 1 ? lengths[prefix.length]! - 1 : nil
            return true
        }
        guard known != nil || entries.count < capacity else {
            refused += 1
            return false
        }
        entries[prefix, default: [:]][limitClass] = entry
        if known == nil { lengths[prefix.length, default: 0] += 1 }
        guard known?[limitClass] == nil else { return false }
        lists[limitClass].toggle(prefix)
        return true
    }

    /// Takes out what has ended. Returns whether a list is another one now.
    package mutating func expire(at now: Instant) -> Bool {
        var hasChanged = false
        for (prefix, limits) in entries {
            for (limitClass, entry) in limits where entry.until <= now { if set(prefix, limitClass, nil) { hasChanged = true } }
        }
        return hasChanged
    }

    package var nextEnd: Instant? { entries.values.lazy.flatMap(\.values).map(\.until).min() }

    /// In a fixed order, so that every replica says the same.
    package mutating func settled() -> Lists {
        lists.anomalous.settle()
        lists.all.settle()
        return lists
    }

    /// The narrowest source that covers the address, and the lowest rate of its limits that apply to the connection.
    ///
    /// - Parameter isNameless: The connection is known to request no server name. Only then does a limit of class `anomalous` apply.
    package func limit(of address: Address, isNameless: Bool, at now: Instant) -> (source: Prefix, perSecond: Int)? {
        for length in lengths.keys.sorted(by: >) {
            let prefix = Prefix(address, length: Int(length))
            let limits = entries[prefix]?.lazy.filter { (isNameless || $0.key == .all) && $0.value.until > now }
            if let least = limits?.map(\.value.perSecond).min() { return (prefix, least) }
        }
        return nil
    }
}

package import Units

/// Events that are ordered and not made yet, in their order. No more than there are sources: each has one at most.
package struct DueEvents: Sendable {
    package struct Item: Sendable {
        /// Of the source, in the agent's table.
        package let slot: Int
        /// The records' clock, nanoseconds.
        package let seen: UInt64
        package let decided: UInt64
        package let enforced: UInt64?
        package let until: Instant?

        package init(slot: Int, seen: UInt64, decided: UInt64, enforced: UInt64?, until: Instant?) {
            self.slot = slot
            self.seen = seen
            self.decided = decided
            self.enforced = enforced
            self.until = until
        }
    }

    private var items: [Item] = []
    private var head = 0

    package init() { items.reserveCapacity(256) }

    package var isEmpty: Bool { head == items.count }

    package mutating func add(_ item: Item) { items.append(item) }

    package mutating func next() -> Item? {
        guard head < items.count else { return nil }
        defer {
            head += 1
            if head == items.count {
                items.removeAll(keepingCapacity: true)
                head = 0
            }
        }
        return items[head]
    }
}

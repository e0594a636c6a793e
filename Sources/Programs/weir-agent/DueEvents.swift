internal import Wire

/// Events that are ordered and not made yet, in their order. No more than there are sources: each has one at most.
struct DueEvents {
    struct Item {
        /// Of the source, in the agent's table.
        let slot: Int
        /// The records' clock, nanoseconds.
        let seen: UInt64
        let decided: UInt64
        let enforced: UInt64?
        let until: Instant?
    }

    private var items: [Item] = []
    private var head = 0

    init() { items.reserveCapacity(256) }

    var isEmpty: Bool { head == items.count }

    mutating func add(_ item: Item) { items.append(item) }

    mutating func next() -> Item? {
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

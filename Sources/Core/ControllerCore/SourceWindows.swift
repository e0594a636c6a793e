internal import Units
internal import Vocabulary

/// Per source, the times of its events within a sliding window, exactly: sorted, each event once, however late it came.
///
/// Lean, because a million sources must fit: a source is 32 bytes in an open-addressed table, and its events are 16 bytes each in a
/// block of a pool that is only as large as needed.
struct SourceWindows {
    enum Outcome: Equatable {
        /// The most events that any window holds which this event is in.
        case counted(Int)
        case duplicate
        /// Older than any window that could still matter.
        case tooOld
        /// No room for another source.
        case full
    }

    /// How much later than a newer one an event may come and still be counted: twice the clamp on its time.
    static let lateness: Int64 = 60_000_000_000
    /// Events kept of one source; more than that, and the oldest go. Far above any count that a decision asks about.
    static let largestBlock = 12

    var window: Int64
    let capacity: Int
    private(set) var count = 0
    /// Events dropped because their source had too many.
    private(set) var trimmed = 0

    private var slots: [Slot]
    private var pools = [Pool](repeating: Pool(), count: largestBlock + 1)
    /// The newest event time of each partition. Partitions lag behind each other, so each has its own past.
    private var newest: [Int64] = []
    private var hand = 0
    private let seed: UInt64

    /// - Parameter seed: of the hash, so that nobody can choose addresses that collide. It does not change any answer.
    init(window: Duration, capacity: Int, seed: UInt64) {
        self.window = window.wholeNanoseconds
        self.capacity = capacity
        self.seed = seed
        slots = [Slot](repeating: Slot(), count: 16)
    }

    mutating func insert(_ source: Prefix, partition: Int, at time: Instant, id: UInt64) -> Outcome {
        let time = time.nanoseconds, partition = UInt16(truncatingIfNeeded: partition)
        while newest.count <= Int(partition) { newest.append(.min / 2) }
        newest[Int(partition)] = max(newest[Int(partition)], time)
        // Everything below goes by the partition's newest time, so that it makes no difference when a source is forgotten.
        let oldest = newest[Int(partition)] - retention
        guard time > oldest else { return .tooOld }
        sweep(2)
        var index = find(source)
        if slots[index].count == 0 {
            if count >= capacity { sweep(64) }
            guard count < capacity else { return .full }
            if (count + 1) * 4 > slots.count * 3 { grow() }
            index = find(source)
            slots[index] = Slot(source, partition: partition, block: pools[0].take(size: 1))
            count += 1
            place(Event(time: time, id: id), at: 0, in: index)
            return .counted(1)
        }
        slots[index].partition = partition
        expire(index, before: oldest)
        var position = Int(slots[index].count)
        for other in 0..<position where event(index, other).id == id && event(index, other).time > oldest { return .duplicate }
        while position > 0, event(index, position - 1).time > time { position -= 1 }
        place(Event(time: time, id: id), at: position, in: index)
        return .counted(most(index, including: position))
    }

    /// How many events of a source lie in the window that ends at `time`.
    func count(of source: Prefix, at time: Instant) -> Int {
        let index = find(source)
        var count = 0
        for position in 0..<Int(slots[index].count) {
            let event = event(index, position).time
            if event > time.nanoseconds - window, event <= time.nanoseconds { count += 1 }
        }
        return count
    }

    /// Something of this source's was refused then. A source that is not counted has no place for it.
    mutating func noteRefusal(of source: Prefix, at time: Instant) {
        let index = find(source)
        if slots[index].count > 0 {
            slots[index].refused = max(slots[index].refused, UInt32(clamping: time.nanoseconds / 1_000_000_000 + 1))
        }
    }

    /// Whether something was refused within the window that ends at `time`, to the second.
    func hasRefused(_ source: Prefix, at time: Instant) -> Bool {
        let index = find(source)
        return slots[index].count > 0 && slots[index].refused > 0 && Int64(slots[index].refused) * 1_000_000_000 > time.nanoseconds - window
    }

    private var retention: Int64 { window &+ Self.lateness }

    /// A late event may complete a window that ended after it, so every window that ends at an event and holds it is looked at.
    private func most(_ index: Int, including position: Int) -> Int {
        let time = event(index, position).time
        var most = 0, first = 0
        for last in position..<Int(slots[index].count) {
            let end = event(index, last).time
            guard end < time + window || last == position else { break }
            while event(index, first).time <= end - window { first += 1 }
            most = max(most, last - first + 1)
        }
        return most
    }

    // MARK: One source's block: a ring in time order.

    private func event(_ index: Int, _ position: Int) -> Event { pools[Int(slots[index].size)].events[cell(index, position)] }

    private func cell(_ index: Int, _ position: Int) -> Int {
        let slot = slots[index], size = 1 << Int(slot.size)
        return Int(slot.block) * size + (Int(slot.head) + position) & (size - 1)
    }

    private mutating func place(_ event: Event, at position: Int, in index: Int) {
        var position = position
        if Int(slots[index].count) == 1 << Int(slots[index].size) {
            if Int(slots[index].size) == Self.largestBlock {
                trimmed += 1
                drop(index)
                position = max(0, position - 1)
            } else {
                move(index, to: Int(slots[index].size) + 1)
            }
        }
        let size = Int(slots[index].size)
        slots[index].count += 1
        var last = Int(slots[index].count) - 1
        while last > position {
            let from = cell(index, last - 1), to = cell(index, last)
            pools[size].events[to] = pools[size].events[from]
            last -= 1
        }
        let to = cell(index, position)
        pools[size].events[to] = event
    }

    private mutating func drop(_ index: Int) {
        slots[index].head = UInt16((Int(slots[index].head) + 1) & (1 << Int(slots[index].size) - 1))
        slots[index].count -= 1
    }

    /// Leaves at least one event: a source without any is no source.
    private mutating func expire(_ index: Int, before time: Int64) {
        while slots[index].count > 1, event(index, 0).time <= time { drop(index) }
        let size = Int(slots[index].size)
        if size > 1, Int(slots[index].count) < 1 << (size - 2) { move(index, to: size - 1) }
    }

    private mutating func move(_ index: Int, to size: Int) {
        let block = pools[size].take(size: 1 << size), count = Int(slots[index].count)
        for position in 0..<count { pools[size].events[Int(block) << size + position] = event(index, position) }
        pools[Int(slots[index].size)].free.append(slots[index].block)
        slots[index].size = UInt8(size)
        slots[index].block = block
        slots[index].head = 0
    }

    // MARK: The table: linear probing, deletion by shifting back.

    private func hash(_ address: Address, _ length: UInt8) -> Int {
        var hash = (address.high ^ seed) &* 0x9e37_79b9_7f4a_7c15
        hash = (hash ^ hash >> 29 ^ address.low ^ UInt64(length) << 56) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ hash >> 32 ^ seed) &* 0x94d0_49bb_1331_11eb
        return Int(truncatingIfNeeded: (hash ^ hash >> 31) & UInt64(slots.count - 1))
    }

    private func find(_ source: Prefix) -> Int {
        var index = hash(source.address, source.length)
        while slots[index].count != 0, slots[index].address != source.address || slots[index].length != source.length {
            index = (index + 1) & (slots.count - 1)
        }
        return index
    }

    private mutating func grow() {
        let old = slots
        slots = [Slot](repeating: Slot(), count: old.count * 2)
        for slot in old where slot.count != 0 {
            var index = hash(slot.address, slot.length)
            while slots[index].count != 0 { index = (index + 1) & (slots.count - 1) }
            slots[index] = slot
        }
        hand = 0
    }

    /// Looks at the next few slots and forgets the sources that no window needs any more, so that forgetting costs every event the same.
    private mutating func sweep(_ steps: Int) {
        for _ in 0..<steps {
            hand = (hand + 1) & (slots.count - 1)
            let slot = slots[hand]
            guard slot.count != 0, event(hand, Int(slot.count) - 1).time <= newest[Int(slot.partition)] - retention else { continue }
            pools[Int(slot.size)].free.append(slot.block)
            count -= 1
            remove(hand)
        }
    }

    private mutating func remove(_ index: Int) {
        let mask = slots.count - 1
        var hole = index, next = (index + 1) & mask
        while slots[next].count != 0 {
            let home = hash(slots[next].address, slots[next].length)
            // It may move back only if its home is not between the hole and itself.
            if (next - home) & mask >= (next - hole) & mask {
                slots[hole] = slots[next]
                hole = next
            }
            next = (next + 1) & mask
        }
        slots[hole] = Slot()
    }

    private struct Event {
        var time: Int64
        /// Of the event's id, 64 bits: two ids of one source that share them, within one window, do not happen.
        var id: UInt64
    }

    private struct Slot {
        var address = Address(high: 0, low: 0)
        var block: UInt32 = 0
        /// 0: the slot is free.
        var count: UInt16 = 0
        /// The second after the latest refusal; 0: none.
        var refused: UInt32 = 0
        var head: UInt16 = 0
        var partition: UInt16 = 0
        var length: UInt8 = 0
        /// The block's logarithm.
        var size: UInt8 = 0

        init() {}
        init(_ source: Prefix, partition: UInt16, block: UInt32) {
            address = source.address
            length = source.length
            self.partition = partition
            self.block = block
        }
    }

    private struct Pool {
        var events: [Event] = []
        var free: [UInt32] = []

        mutating func take(size: Int) -> UInt32 {
            if let block = free.popLast() { return block }
            events.append(contentsOf: repeatElement(Event(time: 0, id: 0), count: size))
            return UInt32(events.count / size - 1)
        }
    }
}

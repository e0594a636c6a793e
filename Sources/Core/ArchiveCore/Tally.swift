/// What the rows of one group come to.
package struct Sums: Sendable, Equatable {
    package var records = 0
    /// Anomalous hellos, and those of them that were refused.
    package var hellos = 0, refused = 0
    /// Of the earliest and of the latest record, in microseconds since the Unix epoch.
    package var first = Int64.max, last = Int64.min

    package init() {}

    mutating func add(hellos: Int64, refused: Int64, time: Int64) {
        records += 1
        self.hellos &+= Int(hellos)
        self.refused &+= Int(refused)
        first = min(first, time)
        last = max(last, time)
    }

    package mutating func add(_ other: Sums) {
        records += other.records
        hellos &+= other.hellos
        refused &+= other.refused
        first = min(first, other.first)
        last = max(last, other.last)
    }
}

/// Sums by texts: a hash table over bytes, because a text that is counted in two hundred files is not to be made a `String`
/// two hundred times.
package struct Tally: Sendable {
    /// A text as the table looks for it: its length and its first sixteen bytes, which tell apart nearly all that are not the same.
    private struct Key {
        var one: UInt64 = 0, two: UInt64 = 0
        var length: Int
        var hash: UInt64

        init(_ text: [UInt8], _ range: Range<Int>) {
            length = range.count
            let start = range.lowerBound
            for offset in 0..<min(8, length) { one |= UInt64(text[start + offset]) << UInt64(offset * 8) }
            if length > 8 { for offset in 8..<min(16, length) { two |= UInt64(text[start + offset]) << UInt64(offset * 8 - 64) } }
            hash = (one ^ UInt64(length)) &* 0x9e37_79b9_7f4a_7c15
            hash = (hash ^ hash >> 32 ^ two) &* 0xd6e8_feb8_6659_fd93
            // What is longer goes byte by byte (FNV-1a).
            if length > 16 { for offset in 16..<length { hash = (hash ^ UInt64(text[start + offset])) &* 0x100_0000_01b3 } }
            hash = (hash ^ hash >> 29) &* 0xbf58_476d_1ce4_e5b9
            hash ^= hash >> 32
        }
    }

    /// What is known of a key lies together, so that an addition meets the memory's latency once.
    private struct Entry {
        var key: Key
        var start: Int
        var sums: Sums
    }

    /// The upper half of a key's hash, and one more than its entry's index; 0 where there is none.
    private var slots = [UInt64](repeating: 0, count: 1024)
    private var entries: [Entry] = []
    private var bytes: [UInt8] = []
    /// Kept so that looking at entries beforehand is not optimised away.
    private var touched = 0

    package init() {}

    package var count: Int { entries.count }

    /// - Parameter range: where the key lies in `text`.
    package mutating func add(_ sum: Sums, to text: [UInt8], _ range: Range<Int>) { add(sum, to: text, range, Key(text, range)) }

    /// Adds to each of many keys. What each needs of the table is looked at beforehand, for all of a handful at once: so the
    /// memory's latencies, of which an addition alone is made, run side by side.
    package mutating func add(_ many: [(sums: Sums, range: Range<Int>)], in text: [UInt8]) {
        let handful = 64
        var keys: [Key] = [], places = [Int](repeating: 0, count: handful)
        for first in stride(from: 0, to: many.count, by: handful) {
            let count = min(handful, many.count - first)
            keys.removeAll(keepingCapacity: true)
            for index in 0..<count { keys.append(Key(text, many[first + index].range)) }
            for index in 0..<count {
                places[index] = Int(slots[Int(truncatingIfNeeded: keys[index].hash) & (slots.count - 1)] & 0xffff_ffff) - 1
            }
            var seen = 0
            for index in 0..<count where places[index] >= 0 { seen ^= entries[places[index]].start }
            touched = seen
            for index in 0..<count { add(many[first + index].sums, to: text, many[first + index].range, keys[index]) }
        }
    }

    private mutating func add(_ sum: Sums, to text: [UInt8], _ range: Range<Int>, _ key: Key) {
        let tag = key.hash & ~0xffff_ffff
        var slot = Int(truncatingIfNeeded: key.hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let index = Int(slots[slot] & 0xffff_ffff) - 1
            if slots[slot] & ~0xffff_ffff == tag, isKey(index, key, text, range) { return entries[index].sums.add(sum) }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = tag | UInt64(entries.count + 1)
        entries.append(Entry(key: key, start: bytes.count, sums: sum))
        bytes += text[range]
        // Half of the slots stay free, so a search is short.
        if entries.count * 2 > slots.count { grow() }
    }

    package mutating func add(_ other: Tally) { for entry in other.entries { add(entry.sums, to: other.bytes, other.range(entry)) } }

    package var groups: [(key: String, sums: Sums)] { entries.map { (text($0), $0.sums) } }

    /// The groups with the most records, in that order; of those with as many, by text.
    package func largest(_ count: Int) -> [(key: String, sums: Sums)] {
        let counts = entries.map(\.sums.records).sorted(by: >)
        guard count > 0, let least = counts.prefix(count).last else { return [] }
        // Only what may be among them is made a text.
        let candidates = entries.filter { $0.sums.records >= least }.map { (key: text($0), sums: $0.sums) }
        return Array(candidates.sorted { ($1.sums.records, $0.key) < ($0.sums.records, $1.key) }.prefix(count))
    }

    private func range(_ entry: Entry) -> Range<Int> { entry.start..<entry.start + entry.key.length }

    private func text(_ entry: Entry) -> String { String(decoding: bytes[range(entry)], as: UTF8.self) }

    private func isKey(_ index: Int, _ key: Key, _ text: [UInt8], _ range: Range<Int>) -> Bool {
        let known = entries[index].key
        guard known.length == key.length, known.one == key.one, known.two == key.two else { return false }
        guard key.length > 16 else { return true }
        let start = entries[index].start
        for offset in 16..<key.length where bytes[start + offset] != text[range.lowerBound + offset] { return false }
        return true
    }

    private mutating func grow() {
        slots = [UInt64](repeating: 0, count: slots.count * 2)
        for (index, entry) in entries.enumerated() {
            var slot = Int(truncatingIfNeeded: entry.key.hash) & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = entry.key.hash & ~0xffff_ffff | UInt64(index + 1)
        }
    }
}

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

/// Sums by texts: a hash table over bytes, because a text that is counted in two hundred files is not to be made a `String` two hundred
/// times.
package struct Tally: Sendable {
    /// What is known of a key lies together, so that an addition meets the memory's latency once.
    private struct Entry {
        var hash: UInt64
        var start: Int
        var length: Int
        var sums: Sums
    }

    /// The upper half of a key's hash, and one more than its entry's index; 0 where there is none.
    private var slots = [UInt64](repeating: 0, count: 1024)
    private var entries: [Entry] = []
    private var bytes: [UInt8] = []
    /// Kept so that looking at bytes beforehand is not optimised away.
    private var touched: UInt8 = 0

    package init() {}

    package var count: Int { entries.count }

    /// - Parameter range: where the key lies in `text`.
    package mutating func add(_ sum: Sums, to text: [UInt8], _ range: Range<Int>) {
        add(sum, to: text, range, Self.hash(text, range))
    }

    /// Adds to each of many keys. What each needs of the table is looked at beforehand, for all of a handful at once: so the memory's
    /// latencies, of which an addition alone is made, run side by side.
    package mutating func add(_ many: [(sums: Sums, range: Range<Int>)], in text: [UInt8]) {
        let handful = 128
        var hashes = [UInt64](repeating: 0, count: handful), places = [Int](repeating: 0, count: handful)
        for first in stride(from: 0, to: many.count, by: handful) {
            let count = min(handful, many.count - first)
            for index in 0..<count { hashes[index] = Self.hash(text, many[first + index].range) }
            for index in 0..<count {
                places[index] = Int(slots[Int(truncatingIfNeeded: hashes[index]) & (slots.count - 1)] & 0xffff_ffff) - 1
            }
            for index in 0..<count where places[index] >= 0 { places[index] = entries[places[index]].start }
            var seen: UInt8 = 0
            for index in 0..<count where bytes.indices.contains(places[index]) { seen ^= bytes[places[index]] }
            touched = seen
            for index in 0..<count { add(many[first + index].sums, to: text, many[first + index].range, hashes[index]) }
        }
    }

    private mutating func add(_ sum: Sums, to text: [UInt8], _ range: Range<Int>, _ hash: UInt64) {
        let tag = hash & ~0xffff_ffff
        var slot = Int(truncatingIfNeeded: hash) & (slots.count - 1)
        while slots[slot] != 0 {
            let index = Int(slots[slot] & 0xffff_ffff) - 1
            if slots[slot] & ~0xffff_ffff == tag, isKey(index, text, range) { return entries[index].sums.add(sum) }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = tag | UInt64(entries.count + 1)
        entries.append(Entry(hash: hash, start: bytes.count, length: range.count, sums: sum))
        bytes += text[range]
        // Half of the slots stay free, so a search is short.
        if entries.count * 2 > slots.count { grow() }
    }

    package mutating func add(_ other: Tally) {
        for entry in other.entries { add(entry.sums, to: other.bytes, entry.start..<entry.start + entry.length) }
    }

    package var groups: [(key: String, sums: Sums)] {
        entries.map { (String(decoding: bytes[$0.start..<$0.start + $0.length], as: UTF8.self), $0.sums) }
    }

    private func isKey(_ index: Int, _ text: [UInt8], _ range: Range<Int>) -> Bool {
        let start = entries[index].start
        guard entries[index].length == range.count else { return false }
        for offset in 0..<range.count where bytes[start + offset] != text[range.lowerBound + offset] { return false }
        return true
    }

    private mutating func grow() {
        slots = [UInt64](repeating: 0, count: slots.count * 2)
        for (index, entry) in entries.enumerated() {
            var slot = Int(truncatingIfNeeded: entry.hash) & (slots.count - 1)
            while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = entry.hash & ~0xffff_ffff | UInt64(index + 1)
        }
    }

    /// FNV-1a with a last mix: texts that differ in a digit would otherwise lie side by side.
    private static func hash(_ text: [UInt8], _ range: Range<Int>) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for index in range { hash = (hash ^ UInt64(text[index])) &* 0x100_0000_01b3 }
        hash = (hash ^ hash >> 32) &* 0xd6e8_feb8_6659_fd93
        return hash ^ hash >> 32
    }
}

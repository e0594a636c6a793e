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

/// Sums by texts: a hash table over bytes, because a text that is counted in two hundred files is not to be made a `String` two hundred times.
package struct Tally: Sendable {
    private var slots = [Int32](repeating: -1, count: 1024)
    private var hashes: [UInt32] = []
    private var bytes: [UInt8] = []
    private var ends: [Int] = []
    private var sums: [Sums] = []

    package init() {}

    package var count: Int { sums.count }

    package mutating func add(_ sum: Sums, to key: ArraySlice<UInt8>) {
        let hash = Self.hash(key)
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] >= 0 {
            let index = Int(slots[slot])
            if hashes[index] == hash, self.key(index) == key { return sums[index].add(sum) }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = Int32(sums.count)
        hashes.append(hash)
        bytes += key
        ends.append(bytes.count)
        sums.append(sum)
        // Half of the slots stay free, so a search is short.
        if sums.count * 2 > slots.count { grow() }
    }

    package mutating func add(_ other: Tally) { for index in other.sums.indices { add(other.sums[index], to: other.key(index)) } }

    package var groups: [(key: String, sums: Sums)] { sums.indices.map { (String(decoding: key($0), as: UTF8.self), sums[$0]) } }

    private func key(_ index: Int) -> ArraySlice<UInt8> { bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]] }

    private mutating func grow() {
        slots = [Int32](repeating: -1, count: slots.count * 2)
        for (index, hash) in hashes.enumerated() {
            var slot = Int(hash) & (slots.count - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (slots.count - 1) }
            slots[slot] = Int32(index)
        }
    }

    /// FNV-1a over the bytes, folded.
    private static func hash(_ key: ArraySlice<UInt8>) -> UInt32 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in key { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
    }
}

internal import GRPC
package import Units

/// The limited sources in their order and, beside it, as Envoy reads them: xds.type.matcher.v3.IPMatcher.IPRangeMatcher.ranges, one after the other.
///
/// Only what came or went is encoded; what stands between is copied as it lies. So one more source costs two copies of memory, and a hundred thousand
/// that come together cost one sort.
package struct SourceList: Sendable, Equatable {
    package private(set) var prefixes: [Prefix] = []
    package private(set) var bytes: [UInt8] = []
    /// The sum of the ranges' hashes, each well mixed: the same set has the same sum in whatever order it came about.
    package private(set) var hash: UInt64 = 0
    /// How many bytes each has; none reaches 100.
    private var sizes: [UInt8] = []
    /// What came or went since `settle`. Whatever comes and goes again is not in it, so it holds no more than were listed and are.
    private var toggled: Set<Prefix> = []

    package init() {}

    /// It was listed and is no more, or the other way round.
    package mutating func toggle(_ prefix: Prefix) {
        if toggled.remove(prefix) == nil { toggled.insert(prefix) }
    }

    /// Brings order and bytes up to what was toggled.
    package mutating func settle() {
        guard !toggled.isEmpty else { return }
        var next = SourceList(), index = 0, offset = 0
        next.hash = hash
        next.prefixes.reserveCapacity(prefixes.count + toggled.count)
        next.sizes.reserveCapacity(prefixes.count + toggled.count)
        next.bytes.reserveCapacity(bytes.count + toggled.count * 32)
        for prefix in toggled.sorted() {
            let place = firstIndex(notBelow: prefix, from: index)
            next.append(self, index..<place, &offset)
            index = place
            if place < prefixes.count, prefixes[place] == prefix {
                let end = offset + Int(sizes[place])
                next.hash &-= mixed(fnv(bytes[offset..<end]))
                (index, offset) = (place + 1, end)
            } else {
                next.append(prefix)
            }
        }
        next.append(self, index..<prefixes.count, &offset)
        self = next
    }

    private func firstIndex(notBelow prefix: Prefix, from start: Int) -> Int {
        var low = start, high = prefixes.count
        while low < high {
            let middle = (low + high) / 2
            if prefixes[middle] < prefix { low = middle + 1 } else { high = middle }
        }
        return low
    }

    private mutating func append(_ other: SourceList, _ range: Range<Int>, _ offset: inout Int) {
        let end = other.sizes[range].reduce(offset) { $0 + Int($1) }
        prefixes += other.prefixes[range]
        sizes += other.sizes[range]
        bytes += other.bytes[offset..<end]
        offset = end
    }

    private mutating func append(_ prefix: Prefix) {
        var writer = ProtobufWriter(capacity: 64)
        writer.message(1) { cidr in
            cidr.string(1, prefix.address.description)
            let length = prefix.address.isIPv4 ? Int(prefix.length) - 96 : Int(prefix.length)
            cidr.message(2) { $0.varint(1, UInt64(max(0, length))) }
        }
        prefixes.append(prefix)
        sizes.append(UInt8(writer.bytes.count))
        bytes += writer.bytes
        hash &+= mixed(fnv(writer.bytes[...]))
    }
}

/// FNV-1a, 64 bits.
func fnv(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
}

/// SplitMix64's last step: sums of FNV alone would be equal for neighbours that change places (.1 and .4 for .2 and .3).
private func mixed(_ hash: UInt64) -> UInt64 {
    var hash = (hash ^ hash >> 30) &* 0xbf58_476d_1ce4_e5b9
    hash = (hash ^ hash >> 27) &* 0x94d0_49bb_1331_11eb
    return hash ^ hash >> 31
}

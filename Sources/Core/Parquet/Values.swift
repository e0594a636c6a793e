/// The values of some rows, ready to be written: those that are there, by their places among the different ones.
struct Values {
    /// By row.
    private(set) var isPresent: [Bool] = []
    /// Of each value that is there.
    private(set) var places: [UInt32] = []
    private(set) var dictionaryCount = 0
    /// The different ones, PLAIN, in the order in which they come.
    private(set) var dictionary: [UInt8] = []
    private(set) var statistics = Statistics()
    private let source: Source

    private enum Source {
        case integers([Int64], ColumnKind)
        /// The places in the column's own list.
        case texts(Texts, [UInt32])
    }

    init(_ integers: Integers, _ rows: [Int], _ kind: ColumnKind) {
        var values: [Int64] = [], seen: [Int64: UInt32] = [:], last: (value: Int64, place: UInt32)?
        values.reserveCapacity(rows.count)
        isPresent.reserveCapacity(rows.count)
        var least = Int64.max, greatest = Int64.min
        // Where nearly all differ a dictionary is not worth counting on.
        var isCounting = kind != .boolean
        for row in rows {
            guard let value = integers[row] else {
                isPresent.append(false)
                continue
            }
            isPresent.append(true)
            values.append(value)
            least = min(least, value)
            greatest = max(greatest, value)
            guard isCounting else { continue }
            if let last, last.value == value {
                places.append(last.place)
                continue
            }
            let place = seen[value] ?? UInt32(seen.count)
            if Int(place) == seen.count {
                seen[value] = place
                Self.append(value, kind, to: &dictionary)
                if seen.count > 4096, seen.count > values.count / 2 { isCounting = false }
            }
            places.append(place)
            last = (value, place)
        }
        dictionaryCount = isCounting ? seen.count : 0
        statistics.nulls = rows.count - values.count
        if !values.isEmpty { statistics.bounds = .integers(least, greatest) }
        source = .integers(values, kind)
    }

    init(_ texts: Texts, _ rows: [Int]) {
        var codes: [UInt32] = [], new = [UInt32](repeating: Texts.null, count: texts.ends.count), order: [UInt32] = []
        codes.reserveCapacity(rows.count)
        isPresent.reserveCapacity(rows.count)
        places.reserveCapacity(rows.count)
        for row in rows {
            let code = texts.codes[row]
            isPresent.append(code != Texts.null)
            guard code != Texts.null else { continue }
            codes.append(code)
            if new[Int(code)] == Texts.null {
                new[Int(code)] = UInt32(order.count)
                order.append(code)
            }
            places.append(new[Int(code)])
        }
        dictionaryCount = order.count
        statistics.nulls = rows.count - codes.count
        if let first = order.first {
            var least = texts.slice(Int(first)), greatest = least
            for code in order {
                let text = texts.slice(Int(code))
                dictionary.append(littleEndian: UInt32(text.count))
                dictionary += text
                if text.lexicographicallyPrecedes(least) { least = text }
                if greatest.lexicographicallyPrecedes(text) { greatest = text }
            }
            statistics.bounds = .texts(Array(least), Array(greatest))
        }
        source = .texts(texts, codes)
    }

    /// Texts that hardly come again cost their places besides.
    func isWorthADictionary(_ most: Int) -> Bool { dictionary.count <= most && dictionaryCount <= max(1, places.count * 3 / 4) }

    func plain() -> [UInt8] {
        var bytes: [UInt8] = []
        switch source {
        case .integers(let values, .boolean):
            bytes = [UInt8](repeating: 0, count: (values.count + 7) / 8)
            for (index, value) in values.enumerated() where value != 0 { bytes[index / 8] |= 1 << UInt8(index % 8) }
        case .integers(let values, let kind):
            bytes.reserveCapacity(values.count * 8)
            for value in values { Self.append(value, kind, to: &bytes) }
        case .texts(let texts, let codes):
            for code in codes {
                let text = texts.slice(Int(code))
                bytes.append(littleEndian: UInt32(text.count))
                bytes += text
            }
        }
        return bytes
    }

    static func append(_ value: Int64, _ kind: ColumnKind, to bytes: inout [UInt8]) {
        switch kind {
        case .boolean: bytes.append(value == 0 ? 0 : 1)
        case .int32: bytes.append(littleEndian: UInt32(bitPattern: Int32(clamping: value)))
        case .int64, .timestamp, .text: bytes.append(littleEndian: UInt64(bitPattern: value))
        }
    }
}

/// Parquet's hybrid of run lengths and bit packing (Encodings.md, "RLE / Bit-Packing Hybrid"): levels and places in a dictionary.
enum Hybrid {
    /// How many bits the numbers up to `largest` need.
    static func width(of largest: Int) -> Int { Int.bitWidth - largest.leadingZeroBitCount }

    static func append(_ values: [UInt32], width: Int, to bytes: inout [UInt8]) {
        var index = 0, packed = 0
        // Eight values are packed together, unless at least as many are the same.
        while index < values.count {
            var run = 1
            while index + run < values.count, values[index + run] == values[index] { run += 1 }
            if run >= 8 {
                append(packed: values[packed..<index], width, &bytes)
                bytes.appendVarint(UInt64(run) << 1)
                for shift in 0..<(width + 7) / 8 { bytes.append(UInt8(truncatingIfNeeded: values[index] >> UInt32(shift * 8))) }
                index += run
                packed = index
            } else {
                // Only a whole group may be left, so what comes after it starts a group of its own.
                index += run
                let rest = (index - packed) % 8
                if rest != 0 { index += min(8 - rest, values.count - index) }
            }
        }
        append(packed: values[packed..<index], width, &bytes)
    }

    private static func append(packed values: ArraySlice<UInt32>, _ width: Int, _ bytes: inout [UInt8]) {
        guard !values.isEmpty else { return }
        let groups = (values.count + 7) / 8
        bytes.appendVarint(UInt64(groups) << 1 | 1)
        var buffer: UInt64 = 0, bits = 0
        func put(_ value: UInt32) {
            buffer |= UInt64(value) << UInt64(bits)
            bits += width
            while bits >= 8 {
                bytes.append(UInt8(truncatingIfNeeded: buffer))
                buffer >>= 8
                bits -= 8
            }
        }
        for value in values { put(value) }
        for _ in values.count..<groups * 8 { put(0) }
    }

    /// So many values of `width` bits.
    static func read(_ cursor: inout ByteCursor, width: Int, count: Int) throws(ParquetError) -> [UInt32] {
        guard width <= 32 else { throw ParquetError("its numbers have more than 32 bits") }
        var values: [UInt32] = []
        values.reserveCapacity(count)
        guard width > 0 else { return [UInt32](repeating: 0, count: count) }
        while values.count < count {
            let header = try cursor.varint(), wanted = count - values.count
            if header & 1 == 0 {
                let run = header >> 1
                guard run > 0 else { throw ParquetError("a run in it is empty") }
                let value = UInt32(truncatingIfNeeded: try cursor.littleEndian((width + 7) / 8))
                values.append(contentsOf: repeatElement(value, count: Int(min(run, UInt64(wanted)))))
            } else {
                let groups = header >> 1
                guard groups > 0, groups <= UInt64(cursor.left) else { throw .cut }
                let range = try cursor.take(groups * UInt64(width))
                unpack(cursor.bytes, range, width, Int(min(groups * 8, UInt64(wanted))), &values)
            }
        }
        return values
    }

    private static func unpack(_ bytes: [UInt8], _ range: Range<Int>, _ width: Int, _ count: Int, _ values: inout [UInt32]) {
        let mask: UInt64 = (1 << UInt64(width)) - 1, first = values.count
        values.append(contentsOf: repeatElement(0, count: count))
        var index = range.lowerBound, row = 0, buffer: UInt64 = 0, bits = 0
        while row < count {
            // Four bytes at once while there are so many; a value has 32 bits at most, so there is always room for them.
            while bits < width {
                if range.upperBound - index >= 4 {
                    let low = UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8
                    buffer |= UInt64(low | UInt32(bytes[index + 2]) << 16 | UInt32(bytes[index + 3]) << 24) << UInt64(bits)
                    (index, bits) = (index + 4, bits + 32)
                } else {
                    buffer |= UInt64(bytes[index]) << UInt64(bits)
                    (index, bits) = (index + 1, bits + 8)
                }
            }
            values[first + row] = UInt32(truncatingIfNeeded: buffer & mask)
            buffer >>= UInt64(width)
            bits -= width
            row += 1
        }
    }
}

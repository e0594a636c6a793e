/// CRC-32 as gzip has it (RFC 1952 section 8), which Parquet keeps of each page as it lies in the file.
enum Checksum {
    /// Eight tables of 256, one behind the other: the first is a byte's remainder, and each further one moves it by one byte.
    private static let tables: [UInt32] = {
        var tables: [UInt32] = (0..<256).map { byte in
            (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
        }
        for index in 256..<2048 { tables.append(tables[Int(tables[index - 256] & 255)] ^ tables[index - 256] >> 8) }
        return tables
    }()

    static func of(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        let tables = tables
        var crc: UInt32 = ~0, index = bytes.startIndex
        let end = bytes.endIndex
        func word(_ at: Int) -> UInt32 {
            UInt32(bytes[at]) | UInt32(bytes[at + 1]) << 8 | UInt32(bytes[at + 2]) << 16 | UInt32(bytes[at + 3]) << 24
        }
        // Eight bytes a turn, whose remainders do not wait for each other.
        while end - index >= 8 {
            let one = crc ^ word(index), two = word(index + 4)
            crc = tables[1792 + Int(one & 255)] ^ tables[1536 + Int(one >> 8 & 255)]
            crc ^= tables[1280 + Int(one >> 16 & 255)] ^ tables[1024 + Int(one >> 24)]
            crc ^= tables[768 + Int(two & 255)] ^ tables[512 + Int(two >> 8 & 255)]
            crc ^= tables[256 + Int(two >> 16 & 255)] ^ tables[Int(two >> 24)]
            index += 8
        }
        while index < end {
            crc = tables[Int((crc ^ UInt32(bytes[index])) & 255)] ^ crc >> 8
            index += 1
        }
        return ~crc
    }
}

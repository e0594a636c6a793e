/// CRC-32 as gzip has it (RFC 1952 section 8), which Parquet keeps of each page as it lies in the file.
enum Checksum {
    private static let tables: [[UInt32]] = {
        var first: [UInt32] = (0..<256).map { byte in
            (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
        }
        var tables = [first]
        for _ in 1..<4 {
            first = first.map { tables[0][Int($0 & 255)] ^ $0 >> 8 }
            tables.append(first)
        }
        return tables
    }()

    static func of(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var crc: UInt32 = ~0, index = bytes.startIndex
        let (one, two, three, four) = (tables[0], tables[1], tables[2], tables[3])
        // Four bytes a turn: each table moves a byte's remainder one place further.
        while bytes.endIndex - index >= 4 {
            let word =
                UInt32(bytes[index]) | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2]) << 16 | UInt32(bytes[index + 3]) << 24
            crc ^= word
            crc = four[Int(crc & 255)] ^ three[Int(crc >> 8 & 255)] ^ two[Int(crc >> 16 & 255)] ^ one[Int(crc >> 24)]
            index += 4
        }
        while index < bytes.endIndex {
            crc = one[Int((crc ^ UInt32(bytes[index])) & 255)] ^ crc >> 8
            index += 1
        }
        return ~crc
    }
}

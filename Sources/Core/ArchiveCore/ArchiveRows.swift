package import Parquet
package import Units

/// Where a record stood in its topic.
package struct LogOrigin: Sendable, Equatable {
    package var partition: Int
    package var offset: Int64
    /// When the broker appended it, or its producer made it.
    package var appended: Instant

    package init(partition: Int, offset: Int64, appended: Instant) {
        self.partition = partition
        self.offset = offset
        self.appended = appended
    }
}

/// Rows of the archive, column by column, as they come.
package struct ArchiveRows: Sendable {
    /// By column; a column of numbers leaves its texts empty, and the other way round.
    private var texts = [TextsBuilder](repeating: TextsBuilder(), count: ArchiveColumn.allCases.count)
    private var integers = [Integers](repeating: Integers(), count: ArchiveColumn.allCases.count)
    /// Which partition of the table each row belongs to.
    package private(set) var partitions: [TablePartition] = []

    package init() {}

    package var count: Int { partitions.count }

    /// Begins a row; what is not set in it stays null.
    mutating func begin(_ partition: TablePartition) { partitions.append(partition) }

    mutating func set(_ column: ArchiveColumn, _ text: String?) {
        guard let text else { return }
        texts[column.rawValue].pad(to: count - 1)
        texts[column.rawValue].append(text)
    }

    mutating func set(_ column: ArchiveColumn, _ number: Int?) { set(column, number.map(Int64.init)) }
    mutating func set(_ column: ArchiveColumn, _ time: Instant) { set(column, time.microseconds) }
    mutating func set(_ column: ArchiveColumn, _ flag: Bool) { set(column, flag ? 1 : Int64(0)) }

    mutating func set(_ column: ArchiveColumn, _ number: Int64?) {
        guard let number else { return }
        integers[column.rawValue].pad(to: count - 1)
        integers[column.rawValue].append(number)
    }

    package func column(_ column: ArchiveColumn) -> Column {
        if column.type == .text {
            var builder = texts[column.rawValue]
            builder.pad(to: count)
            return .texts(builder.texts)
        }
        var numbers = integers[column.rawValue]
        numbers.pad(to: count)
        return .integers(numbers)
    }

    /// In the order of the schema.
    package var columns: [Column] { ArchiveColumn.allCases.map { column($0) } }

    /// Rows of a file that has been read; columns that it lacks are null.
    /// - Parameter columns: by the schema's names.
    package mutating func append(_ columns: [String: Column], count more: Int, in partition: TablePartition) {
        for column in ArchiveColumn.allCases {
            switch columns[column.name] {
            case .texts(let values) where column.type == .text && values.codes.count == more:
                texts[column.rawValue].pad(to: count)
                texts[column.rawValue].append(values)
            case .integers(let values) where column.type != .text && values.values.count == more:
                integers[column.rawValue].pad(to: count)
                integers[column.rawValue].append(values)
            default: break
            }
        }
        partitions.append(contentsOf: repeatElement(partition, count: more))
    }

    /// These rows by partitions of the table, along the curve of source and destination; those at one place on it by time.
    package func sorted(_ rows: [Int]) -> [(partition: TablePartition, rows: [Int])] {
        guard case .integers(let sources) = column(.sourceNumber), case .texts(let destinations) = column(.destinationAddress),
            case .integers(let times) = column(.time)
        else { return [] }
        let numbers = destinations.numbers
        var groups: [TablePartition: [Int]] = [:]
        for row in rows { groups[partitions[row], default: []].append(row) }
        return groups.sorted { $0.key < $1.key }.map { partition, rows in
            let keys = Curve.keys(
                rows.map { sources.values[$0] },
                rows.map { destinations.codes[$0] == Texts.null ? 0 : numbers[Int(destinations.codes[$0])] })
            let order = rows.indices.sorted { (keys[$0], times.values[rows[$0]], $0) < (keys[$1], times.values[rows[$1]], $1) }
            return (partition, order.map { rows[$0] })
        }
    }
}

extension Texts {
    /// Of a list of addresses.
    fileprivate var numbers: [Int64] { ends.indices.map { Address(text(UInt32($0)))?.archiveNumber ?? 0 } }
}

extension Instant {
    /// Whole ones, rounded down: what Delta's and Parquet's time stamps hold.
    package var microseconds: Int64 {
        let (quotient, rest) = nanoseconds.quotientAndRemainder(dividingBy: 1000)
        return rest < 0 ? quotient - 1 : quotient
    }

    package init(microseconds: Int64) {
        let (product, overflow) = microseconds.multipliedReportingOverflow(by: 1000)
        self.init(nanoseconds: overflow ? (microseconds < 0 ? .min : .max) : product)
    }
}

extension Address {
    /// A number that is never negative and in the order of addresses: of IPv4 its 32 bits, of IPv6 its first 63. It makes blocks ranges
    /// of numbers, for the files' extremes and for whoever asks the table by SQL.
    package var archiveNumber: Int64 { isIPv4 ? Int64(low & 0xffff_ffff) : Int64(high >> 1) }
}

extension Prefix {
    /// The numbers of all addresses in it.
    package var archiveNumbers: ClosedRange<Int64> {
        // A block that holds all of IPv4 and more begins elsewhere.
        guard address.isIPv4 && length >= 96 || !contains(Address(ipv4: 0)) else { return 0 ... .max }
        let bits = UInt64(128 - Int(length))
        let low: UInt64 = bits >= 64 ? .max : (1 << bits) - 1, high: UInt64 = bits <= 64 ? 0 : bits == 128 ? .max : (1 << (bits - 64)) - 1
        let last = Address(high: address.high | high, low: address.low | low)
        return address.archiveNumber...last.archiveNumber
    }
}

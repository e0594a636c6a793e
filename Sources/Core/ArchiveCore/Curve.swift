/// A Z-order curve over two columns (Morton 1966): rows that are near in either lie near in the file, so the extremes of its row groups
/// tell apart by both.
enum Curve {
    /// Of each row its place on the curve. What counts is a value's rank among the rows' different values: addresses of one site, which
    /// agree in all their leading bits, would otherwise count for nothing beside sources from everywhere.
    static func keys(_ one: [Int64], _ other: [Int64]) -> [UInt64] {
        let ranks = ranks(one), others = self.ranks(other)
        return ranks.indices.map { spread(ranks[$0]) << 1 | spread(others[$0]) }
    }

    /// Ranks from 0 to 65,535, however many values there are.
    private static func ranks(_ values: [Int64]) -> [UInt64] {
        let different = Set(values).sorted()
        guard different.count > 1 else { return values.map { _ in 0 } }
        var ranks: [Int64: UInt64] = [:]
        ranks.reserveCapacity(different.count)
        for (rank, value) in different.enumerated() { ranks[value] = UInt64(rank) * 65_535 / UInt64(different.count - 1) }
        return values.map { ranks[$0]! }
    }

    /// A zero bit above each of the lowest 16.
    private static func spread(_ value: UInt64) -> UInt64 {
        var bits = value & 0xffff
        bits = (bits | bits << 8) & 0x00ff_00ff
        bits = (bits | bits << 4) & 0x0f0f_0f0f
        bits = (bits | bits << 2) & 0x3333_3333
        return (bits | bits << 1) & 0x5555_5555
    }
}

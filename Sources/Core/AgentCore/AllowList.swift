package import Units
internal import Vocabulary

/// Blocks of addresses that are never limited and never counted, whatever they do: looked up by the few lengths that there are.
package struct AllowList: Sendable, Equatable {
    private var blocks: [UInt8: Set<Prefix>] = [:]
    private var lengths: [UInt8] = []

    package init(_ prefixes: some Sequence<Prefix> = []) {
        for prefix in prefixes { blocks[prefix.length, default: []].insert(prefix) }
        lengths = blocks.keys.sorted()
    }

    package var prefixes: Set<Prefix> { blocks.values.reduce(into: []) { $0.formUnion($1) } }

    package func contains(_ address: Address) -> Bool {
        for length in lengths where blocks[length]?.contains(Prefix(address, length: Int(length))) == true { return true }
        return false
    }

    /// Whether the whole block is in one of ours.
    package func covers(_ prefix: Prefix) -> Bool {
        for length in lengths where length <= prefix.length && blocks[length]?.contains(Prefix(prefix.address, length: Int(length))) == true
        { return true }
        return false
    }
}

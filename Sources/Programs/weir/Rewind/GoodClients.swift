internal import Front
internal import Linux
internal import Spelling
internal import Units

/// Whom the owner does not want to hurt: blocks, and files of them, one a line.
struct GoodClients {
    private(set) var prefixes: [Prefix] = []
    private var lengths: [UInt8: Set<Prefix>] = [:]
    private static let most = 1_000_000, mostBytes = 64 << 20

    /// - Parameter words: each an address, a block, or a file of these, in which `#` begins a remark.
    init(_ words: [String]) throws(Refusal) {
        for word in words {
            if let prefix = Prefix(word) {
                add(prefix)
                continue
            }
            guard let text = File.read(word, limit: Self.mostBytes) else {
                throw .wrong("rewind: --good \(Spelling.quoted(word)): no address, no block, and no file that can be read")
            }
            var number = 0
            for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
                number += 1
                let said = line.prefix { $0 != "#" }.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" })
                guard let first = said.first else { continue }
                guard said.count == 1, let prefix = Prefix(first) else {
                    throw .wrong(
                        "rewind: --good \(word): line \(number): \(Spelling.quoted(String(line))); an address or a block is expected")
                }
                add(prefix)
            }
        }
        guard prefixes.count <= Self.most else { throw .wrong("rewind: --good: more than \(Self.most) blocks") }
    }

    private mutating func add(_ prefix: Prefix) {
        prefixes.append(prefix)
        lengths[prefix.length, default: []].insert(prefix)
    }

    func contain(_ address: Address) -> Bool {
        lengths.contains { $0.value.contains(Prefix(address, length: Int($0.key))) }
    }
}

internal import Detection
package import Linux

/// One node's history, segment after segment. What is torn or damaged is passed over and counted.
package struct HistoryStream {
    /// What was not read.
    package struct Damage: Equatable, Sendable {
        /// Bytes of blocks that are not as they were written.
        package var bytes = 0
        /// Segments whose last block is torn, as a kill leaves it.
        package var torn = 0
        /// Files that are no segments, or of another version.
        package var foreign = 0
        package var isAny: Bool { bytes + torn + foreign > 0 }
    }

    package private(set) var damage = Damage()
    package private(set) var bytesRead = 0
    /// Of the segment at hand.
    package private(set) var path = ""
    private var paths: ArraySlice<String>
    private var file: [UInt8] = []
    private var at = 0
    private var block: BlockDecoder?
    private enum Hello {
        case whole([UInt8])
        case named(of: [UInt8], name: [UInt8])
    }

    private var hellos: [Int: Hello] = [:]
    private var helloBytes = 0
    private var attempts = 0
    /// In one file: a damaged one shall not take for ever.
    private static let mostAttempts = 4096, mostHellos = 1 << 20
    /// Of hellos that are put together once; beyond it each is for each record.
    private static let mostBytes = 64 << 20

    /// - Parameter paths: in their order.
    package init(_ paths: [String]) { self.paths = paths[...] }

    /// A hello of the segment at hand; `nil` where its block is lost.
    package func hello(_ number: Int) -> [UInt8]? {
        switch hellos[number] {
        case nil: nil
        case .whole(let bytes): bytes
        case .named(let base, let name): RenamedHello.bytes(of: base, name: name)
        }
    }

    private mutating func learn(_ number: Int, _ hello: Hello) {
        guard hellos.count < Self.mostHellos else { return }
        var hello = hello
        if case .named(let base, let name) = hello, helloBytes < Self.mostBytes {
            guard let bytes = RenamedHello.bytes(of: base, name: name) else { return }
            hello = .whole(bytes)
        }
        if case .whole(let bytes) = hello { helloBytes += bytes.count }
        hellos[number] = hello
    }

    package mutating func next() throws(Errno) -> HistoryItem? {
        while true {
            while let entry = block?.next() {
                switch entry {
                case .item(let item): return item
                case .hello(let number, let range):
                    learn(number, .whole(Array(file[range])))
                case .renamed(let number, let base, let name):
                    guard case .whole(let hello) = hellos[base] else { continue }
                    learn(number, .named(of: hello, name: Array(file[name])))
                }
            }
            if block?.isBroken == true { damage.bytes += 1 }
            block = nil
            guard try nextBlock() else { return nil }
        }
    }

    /// False at the end of all.
    private mutating func nextBlock() throws(Errno) -> Bool {
        while true {
            while at < file.count {
                if let range = blockRange(at) {
                    block = BlockDecoder(file, range)
                    at = range.upperBound
                    return true
                }
                // The next mark, if there is one.
                let start = at
                repeat { at += 1 } while at < file.count && !(file[at] == 0x57 && isMark(at))
                damage.bytes += at - start
                if at >= file.count { damage.torn += 1 }
                attempts += 1
                if attempts > Self.mostAttempts { at = file.count }
            }
            guard let path = paths.popFirst() else { return false }
            try open(path)
        }
    }

    private mutating func open(_ path: String) throws(Errno) {
        file = []
        (hellos, helloBytes, self.path, attempts) = ([:], 0, path, 0)
        do throws(Errno) { file = try File.contents(path, limit: HistoryFiles.mostSegment * 2) } catch {
            // The agent has deleted it meanwhile.
            guard error == .noEntry else { throw error }
        }
        bytesRead += file.count
        at = SegmentFormat.headSize
        let isOurs =
            file.count >= SegmentFormat.headSize && file.starts(with: SegmentFormat.mark) && word32(8) == SegmentFormat.version
            && word32(12) == UInt32(RecordLayout.size)
        if !isOurs {
            if !file.isEmpty { damage.foreign += 1 }
            file = []
        }
    }

    private func word32(_ at: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(file[at + $1]) << UInt32($1 * 8) } }
    private func isMark(_ at: Int) -> Bool { at + 4 <= file.count && word32(at) == SegmentFormat.blockMark }

    /// Of the entries, if a whole block begins there.
    private func blockRange(_ at: Int) -> Range<Int>? {
        guard file.count - at >= SegmentFormat.blockHead, isMark(at) else { return nil }
        let size = Int(word32(at + 4)), start = at + SegmentFormat.blockHead
        guard size <= SegmentFormat.mostBlock, size <= file.count - start else { return nil }
        let sum = UInt64(word32(at + 8)) | UInt64(word32(at + 12)) << 32
        guard SegmentFormat.checksum(file.span.extracting(start..<start + size)) == sum else { return nil }
        return start..<start + size
    }
}

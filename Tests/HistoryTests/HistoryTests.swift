import Glibc
import History
import Linux
import Support
import Testing
import Units
import Vocabulary
import Wire

@Suite struct HistoryTests {
    private let directory = Directory()
    private let now = Clock.wall

    private func writer(_ bounds: HistoryWriter.Bounds = bounds) -> HistoryWriter {
        HistoryWriter(directory: directory.path, node: "node", bounds: bounds)
    }

    @Test("The record's layout that a history relies on is that of the ring")
    func layout() {
        #expect(RecordLayout.size == Handshake.size)
        var handshake = Handshake()
        handshake.seenNanoseconds = 11
        handshake.anomalies = AnomalySet(.emptySNI)
        handshake.fingerprint = 33
        handshake.untilNanoseconds = 44
        var words = withUnsafeBytes(of: handshake) { Array($0.bindMemory(to: UInt64.self)) }
        #expect(words[RecordLayout.seen] == 11 && words[RecordLayout.anomalies] == AnomalySet(.emptySNI).rawValue)
        #expect(words[RecordLayout.fingerprint] == 33 && words[RecordLayout.until] == 44)
        words[RecordLayout.first] = 22
        words[RecordLayout.rawLength] |= 55
        let bytes = words.withUnsafeBytes { Array($0) } + [UInt8](repeating: 0, count: 55)
        let read = Handshake(bytes.span.bytes)
        #expect(read?.firstNanoseconds == 22 && read?.rawLength == 55)
    }

    @Test("What goes in comes out: each record, each stack's hello once, the policy, who began and ended when")
    func roundTrip() throws {
        var random = SplitMix64(1), writer = writer(), expected: [Sample] = []
        let buffer = HistoryBuffer(), offset: Int64 = now - 1000,
            policy = HistoryPolicy(name: "p", version: "sha256:1", enforces: true, text: [1, 2])
        #expect(buffer.add(policy))
        var latest: [UInt64: [UInt8]] = [:]
        for number in 0..<2000 {
            let stack = UInt64(1 + random.below(5)), name = random.below(4) == 0 ? nil : "s\(random.below(3)).example"
            var sample = Sample(
                seen: Int(offset) + 1000 + number * 77, source: UInt32(random.below(1 << 20)), fingerprint: stack, name: name,
                offset: offset)
            sample.words[RecordLayout.first] = sample.words[RecordLayout.seen] - UInt64(random.below(900))
            // Anything may stand in the other words.
            for index in 5..<RecordLayout.words where random.below(20) == 0 {
                sample.words[index] ^= random.next() & (index == RecordLayout.rawLength ? ~0xffff : .max)
            }
            let travels = random.below(3) > 0
            buffer.add(sample, withHello: travels, offset: offset)
            if travels { latest[stack] = withoutRandom(sample.hello!) }
            expected.append(sample.told(offset: offset, hello: latest[stack], isOwn: travels || latest[stack] == nil))
            if number % 100 == 0 { writer.drain(buffer, at: now + Int64(number)) }
        }
        writer.end(buffer, at: now + 5000)
        var told: [HistoryPolicy] = [], begun: [HistoryBegin] = [], ended: [Int64] = []
        let (records, damage) = try directory.read { item, _ in
            switch item {
            case .policy(let policy): told.append(policy)
            case .begin(let begin): begun.append(begin)
            case .end(let time): ended.append(time)
            default: break
            }
        }
        #expect(records == expected && !damage.isAny)
        #expect(told == [policy] && begun == [HistoryBegin(node: "node", time: now, isStart: true)] && ended == [now + 5000])
        // Of each stack one without a name, one with, and three names.
        #expect(writer.counts.kept == 2000 && writer.counts.hellos == 25)
        #expect(directory.size < 2000 * 60, "\(directory.size)")
        var status = stat()
        #expect(stat(directory.segments[0], &status) == 0 && status.st_mode & 0o7777 == 0o600)
    }

    /// So many records, drained a hundred at a time.
    private func write(_ count: Int, stacks: Int = 11, each: (Int) -> Void = { _ in }) -> HistoryWriter.Counts {
        var writer = writer()
        let buffer = HistoryBuffer()
        for number in 0..<count {
            let name = number % 3 == 0 ? nil : "n\(number % 7).example"
            buffer.add(Sample(seen: Int(now) + number, source: UInt32(number), fingerprint: UInt64(1 + number % stacks), name: name))
            guard number % 100 == 99 else { continue }
            writer.drain(buffer, at: now + Int64(number))
            each(number)
        }
        return writer.counts
    }

    @Test("A torn end is cut away wherever it was torn, and everything before it is read")
    func torn() throws {
        _ = write(1000)
        let path = directory.segments[0], whole = try bytes(path)
        let all = try directory.read().records
        #expect(all.count == 1000)
        for length in stride(from: whole.count - 1, to: max(0, whole.count - 6000), by: -37) + [0, 1, 23, 24, 25, 40, 41] {
            #expect(File.write(path, Array(whole.prefix(length))))
            let (records, damage) = try directory.read()
            #expect(records.count % 100 == 0 && records == Array(all.prefix(records.count)), "\(length)")
            #expect(records.count >= 500 || length < 100)
            // Between two blocks nothing is torn; an empty file is one that was just made.
            #expect(damage.isAny || records.count * 10 % 1000 == 0)
        }
    }

    private func bytes(_ path: String) throws -> [UInt8] {
        let descriptor = try FileDescriptor(owning: open(path, O_RDONLY))
        var bytes = [UInt8](repeating: 0, count: 8 << 20)
        let count = Glibc.read(descriptor.rawValue, &bytes, bytes.count)
        return Array(bytes.prefix(max(0, count)))
    }

    @Test("Bytes that were turned into something else cost their block, and nothing traps whatever they are")
    func corrupt() throws {
        _ = write(1000)
        let path = directory.segments[0], whole = try bytes(path)
        var random = SplitMix64(3), fewest = 1000
        for _ in 0..<60 {
            var changed = whole
            changed[24 + random.below(whole.count - 24)] ^= UInt8(1 + random.below(255))
            #expect(File.write(path, changed))
            let (records, damage) = try directory.read()
            // The first block has no record in it.
            #expect((records.count == 900 || records.count == 1000) && damage.isAny)
            fewest = min(fewest, records.count)
        }
        for _ in 0..<200 {
            var changed = whole
            for _ in 0..<1 + random.below(40) {
                let at = random.below(changed.count)
                switch random.below(4) {
                case 0: changed[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: changed.remove(at: at)
                case 2: changed.insert(UInt8(random.below(256)), at: at)
                default: changed.replaceSubrange(at..<min(at + 16, changed.count), with: [0x57, 0x48, 0x42, 0x31, 0xff, 0xff, 2, 0])
                }
            }
            #expect(File.write(path, changed))
            #expect(try directory.read().records.count < 1000)
        }
    }

    @Test("Entries that nobody has written are read as far as they go: their checksum is right, and nothing traps")
    func invented() throws {
        var random = SplitMix64(5)
        for _ in 0..<2000 {
            let payload = (0..<random.below(400)).map { _ in random.below(3) == 0 ? UInt8(random.below(256)) : UInt8(random.below(6) * 40) }
            #expect(File.write("\(directory.path)/history.0000000001.seg", Self.segment(payload)))
            var items = 0
            _ = try directory.read { _, _ in items += 1 }
            #expect(items <= payload.count)
        }
    }

    /// The format by hand, so that the writer's own mistakes are not ours.
    private static func segment(_ payload: [UInt8]) -> [UInt8] {
        func word(_ value: UInt64, _ bytes: Int) -> [UInt8] { (0..<bytes).map { UInt8(truncatingIfNeeded: value >> UInt64($0 * 8)) } }
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325 ^ UInt64(payload.count)
        for at in stride(from: 0, to: payload.count, by: 8) {
            let part = payload[at..<min(at + 8, payload.count)].enumerated().reduce(UInt64(0)) {
                $0 | UInt64($1.element) << UInt64($1.offset * 8)
            }
            hash = (hash ^ part) &* 0x100_0000_01b3
            hash ^= hash >> 29
        }
        return Array("weirhist".utf8) + word(1, 4) + word(136, 4) + word(0, 8) + word(0x3142_4857, 4) + word(UInt64(payload.count), 4)
            + word(hash, 8)
            + payload
    }

    @Test("A history never takes more than its size, and what is left is the newest")
    func bounded() throws {
        let directory = directory
        let counts = write(25_000, stacks: 30_011) { _ in #expect(directory.size <= bounds.bytes) }
        #expect(counts.kept == 25_000 && counts.deleted > 0 && counts.unwritten == 0)
        let records = try directory.read().records
        let times = records.map { Int($0.words[RecordLayout.seen]) - Int(now) }
        #expect(records.count > 5000 && times == Array((25_000 - records.count)..<25_000))
        #expect(records.allSatisfy { $0.hello != nil && $0.isOwn }, "each segment has its hellos itself")
    }

    @Test("What is older than it may be is deleted, and what is written now is not")
    func aged() throws {
        _ = write(100)
        #expect(directory.segments.count == 1)
        var writer = writer()
        let buffer = HistoryBuffer()
        writer.drain(buffer, at: now + 6 * day)
        #expect(directory.segments.count == 1)
        buffer.add(Sample(seen: Int(now + 8 * day), source: 1, fingerprint: 1, name: nil))
        writer.drain(buffer, at: now + 8 * day)
        #expect(directory.segments.count == 1 && writer.counts.deleted == 1)
        #expect(try directory.read().records.count == 1)
    }

    @Test("What finds no room before the writer is counted, and told where it is missing")
    func full() throws {
        let buffer = HistoryBuffer(capacity: 4096)
        var writer = writer(), kept = 0
        for number in 0..<100 { buffer.add(Sample(seen: Int(now) + number, source: 1, fingerprint: 0, name: nil), withHello: false) }
        kept = 100 - buffer.missedCount
        #expect(kept == 4096 / 152)
        writer.drain(buffer, at: now)
        buffer.add(Sample(seen: Int(now) + 100, source: 1, fingerprint: 0, name: nil), withHello: false)
        writer.drain(buffer, at: now)
        var gaps: [HistoryGap] = []
        let records = try directory.read { item, _ in if case .gap(let gap) = item { gaps.append(gap) } }.records
        #expect(records.count == kept + 1)
        #expect(gaps == [HistoryGap(.buffer, count: 100 - kept, from: now + Int64(kept), to: now + 99)])
    }

    @Test("Where the directory takes nothing the records are counted, and told of when it does again")
    func unwritten() throws {
        let buffer = HistoryBuffer(), path = directory.path
        var writer = HistoryWriter(directory: "\(path)/later", node: "node", bounds: bounds)
        for number in 0..<10 { buffer.add(Sample(seen: Int(now) + number, source: 1, fingerprint: 1, name: nil)) }
        writer.drain(buffer, at: now)
        #expect(writer.counts.unwritten == 10 && writer.counts.kept == 0)
        mkdir("\(path)/later", 0o700)
        defer { rmdir("\(path)/later") }
        // It tries again in a minute.
        buffer.add(Sample(seen: Int(now) + 10, source: 1, fingerprint: 1, name: nil))
        writer.drain(buffer, at: now + 1)
        #expect(writer.counts.unwritten == 11)
        buffer.add(Sample(seen: Int(now) + 11, source: 1, fingerprint: 1, name: nil))
        writer.drain(buffer, at: now + 61_000_000_000)
        let segments = try HistoryFiles.names(in: "\(path)/later").map { "\(path)/later/\($0)" }
        defer { for path in segments { unlink(path) } }
        var stream = HistoryStream(segments), gaps: [HistoryGap] = [], records = 0
        while let item = try stream.next() {
            if case .gap(let gap) = item { gaps.append(gap) }
            if case .record(_, let number, _) = item {
                records += 1
                #expect(number.flatMap { stream.hello($0) } != nil, "its hello was lost with the others, and is written again")
            }
        }
        #expect(records == 1 && gaps == [HistoryGap(.disk, count: 11, from: now, to: now + 10)])
    }

    @Test("The thread writes what the loop adds, also while it adds, and what waits at the end")
    func thread() throws {
        let keeper = try HistoryKeeper(writer(), capacity: 64 << 10)
        keeper.start()
        for number in 0..<20_000 {
            let bytes = Sample(seen: Int(now) + number, source: UInt32(number), fingerprint: 1, name: "a.example").bytes()
            keeper.add(bytes.span.bytes, offset: 0)
        }
        keeper.end(withinMilliseconds: 20_000)
        var missing = 0
        let records = try directory.read { item, _ in if case .gap(let gap) = item { missing += gap.count } }.records
        #expect(records.count + missing == 20_000 && missing == keeper.buffer.missedCount && keeper.counts.kept == records.count)
        let times = records.map { $0.words[RecordLayout.seen] }
        #expect(times == times.sorted() && Set(times).count == times.count)
    }

    @Test("More stacks than are remembered cost room and nothing else")
    func stacks() throws {
        var writer = writer(HistoryWriter.Bounds(bytes: 64 << 20, age: .seconds(86_400)))
        let buffer = HistoryBuffer()
        for number in 0..<10_000 {
            buffer.add(Sample(seen: Int(now) + number, source: 1, fingerprint: UInt64(1 + number % 5000), name: "a.example"))
            if number % 1000 == 999 { writer.drain(buffer, at: now) }
        }
        let records = try directory.read().records
        #expect(records.count == 10_000 && records.allSatisfy { $0.hello != nil && $0.isOwn })
    }

    @Test("Histories are found by their node, whichever directory they lie in; what is none of ours is not opened")
    func places() throws {
        _ = write(100)
        symlink("/etc/passwd", "\(directory.path)/history.0000000009.seg")
        defer { unlink("\(directory.path)/history.0000000009.seg") }
        let found = try HistoryPlaces.find([directory.path])
        #expect(found.map(\.node) == ["node"] && found[0].paths.count == 1)
        #expect(throws: HistoryPlaces.Problem.self) { try HistoryPlaces.find(["/nowhere"]) }
        let empty = Directory()
        #expect(throws: HistoryPlaces.Problem.self) { try HistoryPlaces.find([empty.path]) }
    }
}

internal import Glibc
package import Linux

/// Writes a history's segments: each of at most a sixteenth of its size, and of an hour. The oldest make room, by size and by age.
package struct HistoryWriter: ~Copyable {
    package struct Bounds: Sendable {
        /// Bytes of all segments.
        package var bytes: Int
        package var age: Duration
        package init(bytes: Int, age: Duration) { (self.bytes, self.age) = (bytes, age) }
        package static let least = 4 << 20
    }

    package struct Counts: Sendable, Equatable {
        package var kept = 0
        /// The disk did not take them.
        package var unwritten = 0
        package var hellos = 0
        /// Segments that made room, by size, age or for a full disk.
        package var deleted = 0
        /// All segments, as of the last look.
        package var bytes = 0
    }

    package private(set) var counts = Counts()
    private let directory: String
    private let bounds: Bounds
    private let node: String
    private let segmentSize: Int
    private var file: FileDescriptor?
    private var fileSize = 0, number = 0
    /// Of hellos' numbers.
    private var segment = 1
    private var opened: Int64 = 0
    private var block = BlockEncoder()
    private var beginsSegment = true, isStart = true
    /// In force, and when the segment began that is about to be written.
    private var policy: HistoryPolicy?, firstPolicy: HistoryPolicy?
    private var hellos = HelloDictionary()
    private var unwritten: HistoryGap?
    private var pausedUntil: Int64 = 0, lookedAt: Int64 = 0

    /// What is left free for whoever needs the disk more.
    private static let reserve = 8 << 20
    private static let minute: Int64 = 60_000_000_000

    /// - Parameter directory: it is there, and this process may write in it.
    package init(directory: String, node: String, bounds: Bounds) {
        (self.directory, self.node, self.bounds) = (directory, node, bounds)
        segmentSize = min(max(bounds.bytes, Bounds.least) / 16, HistoryFiles.mostSegment)
    }

    /// Whether a segment can be made there, before anybody relies on it.
    package mutating func probe(at now: Int64) throws(Errno) {
        makeRoom(at: now)
        try open(at: now)
    }

    /// Writes all that waits. `now` is the wall clock, nanoseconds.
    package mutating func drain(_ buffer: HistoryBuffer, at now: Int64) {
        if now - lookedAt >= Self.minute || now < lookedAt {
            lookedAt = now
            makeRoom(at: now)
        }
        var more = true
        while more {
            begin(at: now)
            more = false
            while !block.isFull, take(from: buffer, at: now) { more = block.isFull }
            flush(at: now)
        }
    }

    private mutating func take(from buffer: HistoryBuffer, at now: Int64) -> Bool {
        var entry: (kind: HistoryBuffer.Kind, first: UInt64, words: RecordWords, hello: HelloDictionary.Found?)?
        var text: [UInt8] = []
        let isThere = buffer.take { kind, first, bytes in
            var words = RecordWords(repeating: 0)
            guard kind == .record else {
                text = unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }
                entry = (kind, first, words, nil)
                return
            }
            // The loop adds no shorter ones.
            for index in 0..<RecordLayout.words {
                words[index] = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index * 8, as: UInt64.self)
            }
            words[RecordLayout.rawLength] &= ~0xffff
            for index in [RecordLayout.seen, RecordLayout.first, RecordLayout.until] where words[index] != 0 {
                words[index] = words[index] &+ first
            }
            let found = hellos.find(words, bytes.extracting(droppingFirst: RecordLayout.size), segment: segment)
            entry = (kind, first, words, found)
        }
        guard isThere, let entry else { return false }
        switch entry.kind {
        case .record:
            for (number, words) in entry.hello?.lacking ?? [] {
                block.add(hello: words, number: number)
                counts.hellos += 1
            }
            block.add(record: entry.words, hello: entry.hello.map { ($0.number, $0.isOwn) })
        case .gap:
            guard let from = Self.word(text, 0), let to = Self.word(text, 8) else { return true }
            block.add(gap: HistoryGap(.buffer, count: Int(clamping: entry.first), from: Int64(bitPattern: from), to: Int64(bitPattern: to)))
        case .policy:
            guard let read = Self.policy(text, enforces: entry.first == 1), read != policy else { return true }
            policy = read
            if beginsSegment, block.isEmpty { firstPolicy = read } else { block.add(policy: read) }
        case .wrap: break
        }
        return true
    }

    private static func word(_ bytes: [UInt8], _ at: Int) -> UInt64? {
        guard at + 8 <= bytes.count else { return nil }
        return (0..<8).reduce(0) { $0 | UInt64(bytes[at + $1]) << UInt64($1 * 8) }
    }

    private static func policy(_ bytes: [UInt8], enforces: Bool) -> HistoryPolicy? {
        var at = 0, parts: [[UInt8]] = []
        for _ in 0..<3 {
            guard let count = word(bytes, at).map({ Int(clamping: $0) }), count <= bytes.count - at - 8 else { return nil }
            parts.append(Array(bytes[at + 8..<at + 8 + count]))
            at += 8 + count
        }
        func text(_ part: [UInt8]) -> String { String(decoding: part, as: UTF8.self) }
        return HistoryPolicy(name: text(parts[0]), version: text(parts[1]), enforces: enforces, text: parts[2])
    }

    /// An empty block; in a new segment where the last is full or an hour old.
    private mutating func begin(at now: Int64) {
        let isOver = fileSize + SegmentFormat.mostBlock > segmentSize && fileSize > SegmentFormat.headSize
        let isOld = now - opened >= 60 * Self.minute || now < opened
        guard file == nil || isOver || isOld, !beginsSegment else { return }
        (beginsSegment, firstPolicy) = (true, policy)
        segment += 1
    }

    private mutating func flush(at now: Int64) {
        guard !block.isEmpty || unwritten != nil else { return }
        guard now >= pausedUntil || now < pausedUntil - 2 * Self.minute else { return lose(at: now) }
        if !hasReserve { makeRoom(at: now) }
        guard hasReserve else {
            giveUp(at: now)
            return lose(at: now)
        }
        var bytes: [UInt8] = []
        if beginsSegment {
            var first = BlockEncoder()
            first.add(begin: HistoryBegin(node: node, time: now, isStart: isStart))
            if let firstPolicy { first.add(policy: firstPolicy) }
            bytes += first.sealed()
        }
        if let unwritten {
            var before = BlockEncoder()
            before.add(gap: unwritten)
            bytes += before.sealed()
        }
        if !block.isEmpty { bytes += block.sealed() }
        do throws(Errno) {
            if beginsSegment {
                // One that the start has opened, and nobody has written to, will do.
                if file == nil || fileSize > SegmentFormat.headSize {
                    makeRoom(at: now)
                    try open(at: now)
                }
            }
            try write(bytes)
            counts.kept += block.records
            (beginsSegment, isStart, unwritten) = (false, false, nil)
            block.removeAll()
        } catch {
            giveUp(at: now)
            lose(at: now)
        }
    }

    /// What is in hand is not written: counted, and told in the next block that is.
    private mutating func lose(at now: Int64) {
        if block.records > 0 {
            let span = block.span ?? now...now
            counts.unwritten += block.records
            let before = unwritten ?? HistoryGap(.disk, count: 0, from: span.lowerBound, to: span.upperBound)
            unwritten = HistoryGap(
                .disk, count: before.count + block.records, from: min(before.from, span.lowerBound), to: max(before.to, span.upperBound))
        }
        block.removeAll()
        // Its hellos are lost with it.
        segment += 1
        (beginsSegment, firstPolicy) = (true, policy)
    }

    private mutating func write(_ bytes: [UInt8]) throws(Errno) {
        guard let descriptor = file?.rawValue else { throw .noEntry }
        let written = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress!, $0.count) }
        guard written == bytes.count else {
            let error: Errno = written < 0 ? .current : Errno(rawValue: ENOSPC)
            _ = ftruncate(descriptor, off_t(fileSize))
            throw error
        }
        fileSize += written
        counts.bytes += written
    }

    private mutating func open(at now: Int64) throws(Errno) {
        file = nil
        fileSize = 0
        if number == 0 { number = (try HistoryFiles.list(directory).last?.number ?? 0) }
        for _ in 0..<1000 {
            number += 1
            let flags = O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW
            let descriptor = unsafe Glibc.open("\(directory)/\(HistoryFiles.name(number))", flags, 0o600)
            // An agent whose place we take has made one meanwhile.
            if descriptor < 0, Errno.current == .exists { continue }
            file = try FileDescriptor(owning: descriptor)
            opened = now
            return try write(BlockEncoder.segmentHead(made: now))
        }
        throw .exists
    }

    // MARK: Room

    /// Deletes what is too old, and the oldest where another segment would be too many, or too little is free.
    private mutating func makeRoom(at now: Int64) {
        guard var files = try? HistoryFiles.list(directory) else { return }
        var total = files.reduce(0) { $0 + $1.size }
        let oldest = Int(now / 1_000_000_000 - bounds.age.components.seconds)
        func isOver(_ one: HistoryFiles.File) -> Bool { one.modified < oldest || total + segmentSize > bounds.bytes || !hasReserve }
        while let one = files.first, one.number != number || file == nil, isOver(one) {
            files.removeFirst()
            guard unsafe unlink("\(directory)/\(one.name)") == 0 else { continue }
            total -= one.size
            counts.deleted += 1
        }
        counts.bytes = total
    }

    private var hasReserve: Bool {
        var free = statvfs()
        guard unsafe statvfs(directory, &free) == 0 else { return true }
        // Where the whole is small, as in a test, an eighth of it.
        let reserve = min(Self.reserve, Int(clamping: free.f_blocks) * Int(free.f_frsize) / 8)
        return Int(clamping: free.f_bavail) * Int(free.f_frsize) >= reserve
    }

    /// On a full disk the history goes first: all of it. Tried again in a minute.
    private mutating func giveUp(at now: Int64) {
        file = nil
        fileSize = 0
        for one in (try? HistoryFiles.list(directory)) ?? [] where unsafe unlink("\(directory)/\(one.name)") == 0 { counts.deleted += 1 }
        counts.bytes = 0
        pausedUntil = now + Self.minute
    }

    /// The agent ends as it should.
    package mutating func end(_ buffer: HistoryBuffer, at now: Int64) {
        drain(buffer, at: now)
        begin(at: now)
        block.add(end: now)
        flush(at: now)
    }
}

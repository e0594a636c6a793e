internal import Glibc
package import Linux
package import Messages
internal import Units

/// The hellos that events are about, on the disk: each event as a line of JSON with its hello's bytes. Two files of half the
/// size take turns, so the oldest half makes room for what is new. Who reads passes over a line that was half written.
///
/// Lines wait in memory until `flush`, which is one `write` for all of them.
package struct EvidenceWriter: ~Copyable {
    package struct Counts: Sendable, Equatable {
        package var kept = 0
        /// Beyond what may wait until the next flush: a flood of sources shall not push everything else out.
        package var over = 0
        /// The disk did not take them.
        package var unwritten = 0
    }

    private let first: CInt
    private let second: CInt
    private var sizes: (Int, Int)
    private var current: Int
    private let half: Int
    private var waiting: [UInt8] = []
    private var count = 0
    package private(set) var counts = Counts()
    /// Lines between two flushes, if they are no more than a file.
    package static let room = 32
    package static let names = ["evidence.0.jsonl", "evidence.1.jsonl"]

    /// - Parameters:
    ///   - directory: it is there.
    ///   - size: bytes of both files together.
    package init(directory: String, size: Int) throws(Errno) {
        var opened: [(status: stat, descriptor: CInt)] = []
        for name in Self.names {
            var status = stat()
            let descriptor = unsafe open("\(directory)/\(name)", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
            let isFile = unsafe descriptor >= 0 && fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
            guard isFile else {
                let error: Errno = descriptor >= 0 ? Errno(rawValue: EINVAL) : .current
                if descriptor >= 0 { close(descriptor) }
                for one in opened { close(one.descriptor) }
                throw error
            }
            opened.append((status, descriptor))
        }
        (first, second) = (opened[0].descriptor, opened[1].descriptor)
        sizes = (Int(opened[0].status.st_size), Int(opened[1].status.st_size))
        half = max(1, size / 2)
        let (a, b) = (opened[0].status.st_mtim, opened[1].status.st_mtim)
        // On with the one that was written last.
        current = (a.tv_sec, a.tv_nsec) >= (b.tv_sec, b.tv_nsec) ? 0 : 1
        if sizes.0 == 0, sizes.1 > 0 { current = 1 }
        if sizes.1 == 0, sizes.0 > 0 { current = 0 }
    }

    deinit {
        close(first)
        close(second)
    }

    /// - Parameter hello: the handshake message, from its type on (RFC 8446 section 4); nothing is kept of an empty one.
    package mutating func keep(_ event: ThrottleEvent, _ hello: RawSpan) {
        guard hello.byteCount > 0 else { return }
        guard count < Self.room else { return counts.over += 1 }
        var json = JSONWriter(capacity: 2048 + hello.byteCount * 2)
        json.object { json in
            event.write(to: &json)
            json.member("hello", Base64.text(hello))
        }
        // What is written at once has to fit into one file.
        guard waiting.count + json.bytes.count < half else { return counts.over += 1 }
        count += 1
        waiting += json.bytes
        waiting.append(10)
    }

    /// Call it several times a second.
    package mutating func flush() {
        guard !waiting.isEmpty else { return }
        defer {
            waiting.removeAll(keepingCapacity: true)
            count = 0
        }
        if (current == 0 ? sizes.0 : sizes.1) + waiting.count > half {
            current = 1 - current
            guard ftruncate(descriptor, 0) == 0 else { return counts.unwritten += count }
            size(0)
        }
        let written = unsafe waiting.withUnsafeBytes { unsafe write(descriptor, $0.baseAddress!, $0.count) }
        size((current == 0 ? sizes.0 : sizes.1) + max(0, written))
        guard written < waiting.count else { return counts.kept += count }
        counts.unwritten += count
        // On a full disk the events that wait for Kafka go before what was kept of those that are told.
        _ = ftruncate(first, 0)
        _ = ftruncate(second, 0)
        sizes = (0, 0)
    }

    private var descriptor: CInt { current == 0 ? first : second }
    private mutating func size(_ bytes: Int) { if current == 0 { sizes.0 = bytes } else { sizes.1 = bytes } }
}

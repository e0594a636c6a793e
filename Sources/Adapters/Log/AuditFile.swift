internal import Glibc
internal import Linux
internal import Messages
package import Units

/// Who made this node act otherwise, and when: a line of JSON for each step, on the disk. Operators' limits and signed policies share it.
///
/// Lines wait in memory until `flush`. A kill of the agent loses what waits, a tenth of a second; a loss of power what the kernel had not
/// written. A full file takes the place of the one before, so at least half of what fits is there.
package struct AuditFile: ~Copyable {
    package enum Step: String, Sendable, CaseIterable {
        case bundleTaken = "bundle_taken", bundleWaits = "bundle_waits", bundleRefused = "bundle_refused", bundleReturned =
            "bundle_returned"
        case keyReplaced = "key_replaced"
        case operatorLimited = "operator_limited", operatorReleased = "operator_released", operatorRefused = "operator_refused"
    }

    /// The one that grows, and the one before.
    package static let names = ["audit.jsonl", "audit.1.jsonl"]
    /// Bytes of each.
    package static let sizeLimit = 1 << 20
    /// Lines between two flushes; a flood is counted.
    package static let room = 32
    /// Characters of a value: some are a stranger's.
    private static let valueLimit = 256

    private let directory: String
    private let node: String
    private let sizeLimit: Int
    private var file: FileDescriptor?
    private var size = 0
    private var waiting: [UInt8] = []
    private var count = 0
    /// Steps that found no room, and those that the disk did not take.
    package private(set) var dropped = 0

    /// Opened when there is something to write, by whoever the agent is then.
    package init(directory: String, node: String, sizeLimit: Int = Self.sizeLimit) {
        (self.directory, self.node, self.sizeLimit) = (directory, node, sizeLimit)
    }

    package mutating func note(_ step: Step, at time: Instant, _ fields: [(name: String, value: String)]) {
        guard count < Self.room else { return dropped += 1 }
        var json = JSONWriter(capacity: 512)
        json.object { json in
            json.member("time", time)
            json.member("node", node)
            json.member("step", step.rawValue)
            for (name, value) in fields { json.member(name, String(value.prefix(Self.valueLimit))) }
        }
        count += 1
        waiting += json.bytes + [10]
    }

    /// From the tick.
    package mutating func flush() {
        guard !waiting.isEmpty else { return }
        do throws(Errno) { try write() } catch {
            dropped += count
            // Somebody may have taken it away; tried anew with the next step.
            file = nil
        }
        waiting.removeAll(keepingCapacity: true)
        count = 0
    }

    private mutating func write() throws(Errno) {
        let path = "\(directory)/\(Self.names[0])"
        if file == nil { try open(path) }
        if size > 0, size + waiting.count > sizeLimit {
            guard unsafe rename(path, "\(directory)/\(Self.names[1])") == 0 else { throw .current }
            try open(path)
        }
        guard let descriptor = file?.rawValue else { throw .noEntry }
        let written = unsafe waiting.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress!, $0.count) }
        guard written == waiting.count else {
            let error = Errno.current
            // Nobody shall read half a line.
            if written > 0 { _ = ftruncate(descriptor, off_t(size)) }
            throw error
        }
        size += written
    }

    private mutating func open(_ path: String) throws(Errno) {
        let opened = try FileDescriptor(owning: unsafe Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600))
        var status = stat()
        guard unsafe fstat(opened.rawValue, &status) == 0 else { throw .current }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Errno(rawValue: EINVAL) }
        size = Int(status.st_size)
        file = consume opened
    }
}

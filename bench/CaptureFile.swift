internal import Glibc
internal import Linux

struct Endpoints {
    var client: UInt32
    var server: UInt32
    var clientPort: UInt16
    var serverPort: UInt16
}

/// A pcap (microseconds, Ethernet) that is written frame by frame: IPv4 and TCP, one frame every 20 us. TCP checksums are left out, as
/// a network card that computes them leaves them in a capture.
struct CaptureFile: ~Copyable {
    private let descriptor: FileDescriptor
    private var buffer: [UInt8] = []
    private var microseconds: UInt64 = 1_764_000_000_000_000
    private(set) var frames = 0, bytes = 0
    private static let full = 1 << 22

    init(_ path: String) throws(Errno) {
        descriptor = try FileDescriptor(owning: unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600))
        buffer.reserveCapacity(Self.full + 4096)
        for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 1] as [UInt32] { little(word) }
    }

    mutating func append(
        _ ends: Endpoints, fromClient: Bool, sequence: UInt32, acknowledged: UInt32, flags: UInt8, _ payload: ArraySlice<UInt8>
    ) throws(Errno) {
        let size = 54 + payload.count
        little(UInt32(microseconds / 1_000_000))
        little(UInt32(microseconds % 1_000_000))
        little(UInt32(size))
        little(UInt32(size))
        microseconds += 20
        buffer += [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0]
        let ip = buffer.count - 2
        big(UInt16(size - 14))
        buffer += [0, 0, 0x40, 0, 64, 6, 0, 0]
        for address in fromClient ? [ends.client, ends.server] : [ends.server, ends.client] {
            big(UInt16(address >> 16))
            big(UInt16(address & 0xffff))
        }
        var sum: UInt32 = 0
        for at in stride(from: ip, to: ip + 20, by: 2) { sum += UInt32(buffer[at]) << 8 | UInt32(buffer[at + 1]) }
        while sum >> 16 > 0 { sum = sum & 0xffff + sum >> 16 }
        (buffer[ip + 10], buffer[ip + 11]) = (UInt8(~sum >> 8 & 255), UInt8(~sum & 255))
        for port in fromClient ? [ends.clientPort, ends.serverPort] : [ends.serverPort, ends.clientPort] { big(port) }
        for word in [sequence, acknowledged] {
            big(UInt16(word >> 16))
            big(UInt16(word & 0xffff))
        }
        buffer += [0x50, flags, 0xff, 0xff, 0, 0, 0, 0]
        buffer += payload
        frames += 1
        if buffer.count >= Self.full { try flush() }
    }

    mutating func flush() throws(Errno) {
        var done = 0
        while done < buffer.count {
            let count = unsafe buffer.withUnsafeBytes { unsafe write(descriptor.rawValue, $0.baseAddress! + done, buffer.count - done) }
            if count < 0 { throw .current }
            done += count
        }
        bytes += buffer.count
        buffer.removeAll(keepingCapacity: true)
    }

    private mutating func little(_ value: UInt32) {
        for shift in [0, 8, 16, 24] as [UInt32] { buffer.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    private mutating func big(_ value: UInt16) {
        buffer.append(UInt8(value >> 8))
        buffer.append(UInt8(value & 255))
    }
}

/// A conversation with data in both directions, one frame a step.
struct Dialogue {
    private let ends: Endpoints
    /// `nil`: no TLS; what the client says is data too.
    private let hello: [UInt8]?
    private var sent: UInt32, received: UInt32 = 77_000
    private var said = 0, turn = 0
    private static let segment = 1448
    /// Turns of the server's data, with acknowledgements.
    private let answers: Int
    private(set) var isOver = false

    init(ends: Endpoints, hello: [UInt8]?, sequence: UInt32, answers: Int = 5) {
        self.ends = ends
        self.hello = hello
        self.answers = answers
        sent = sequence
    }

    mutating func step(_ file: inout CaptureFile, _ bulk: [UInt8]) throws(Errno) {
        defer { turn += 1 }
        let ack: UInt8 = 0x10, push: UInt8 = 0x18
        switch turn {
        case 0: try client(&file, flags: 0x02, [])
        case 1: try server(&file, flags: 0x12, [])
        case 2: try client(&file, flags: ack, [])
        case 3:
            guard let hello else { return try client(&file, flags: push, bulk[0..<200]) }
            let size = min(Self.segment, hello.count - said)
            try client(&file, flags: push, hello[said..<(said + size)])
            said += size
            if said < hello.count { turn -= 1 }
        case 4..<(4 + answers):
            // An acknowledgement for every two segments of data.
            if (turn - 4) % 3 == 2 { try client(&file, flags: ack, []) } else { try server(&file, flags: ack, data(bulk, Self.segment)) }
        case 4 + answers: try client(&file, flags: push, data(bulk, 100))
        case 5 + answers: try client(&file, flags: 0x11, [])
        default:
            try server(&file, flags: 0x11, [])
            isOver = true
        }
    }

    /// So many bytes: a record of application data, where TLS is spoken.
    private func data(_ bulk: [UInt8], _ size: Int) -> ArraySlice<UInt8> {
        guard hello != nil else { return bulk[0..<size] }
        return ([23, 3, 3, UInt8((size - 5) >> 8), UInt8((size - 5) & 255)] + bulk[5..<size])[...]
    }

    private mutating func client(_ file: inout CaptureFile, flags: UInt8, _ payload: ArraySlice<UInt8>) throws(Errno) {
        try file.append(ends, fromClient: true, sequence: sent, acknowledged: flags == 0x02 ? 0 : received, flags: flags, payload)
        sent &+= UInt32(payload.count) &+ (flags & 3 == 0 ? 0 : 1)
    }

    private mutating func server(_ file: inout CaptureFile, flags: UInt8, _ payload: ArraySlice<UInt8>) throws(Errno) {
        try file.append(ends, fromClient: false, sequence: received, acknowledged: sent, flags: flags, payload)
        received &+= UInt32(payload.count) &+ (flags & 3 == 0 ? 0 : 1)
    }
}

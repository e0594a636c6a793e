package import Units

/// A pcapng file in memory (draft-ietf-opsawg-pcapng): one interface of Ethernet, times in nanoseconds.
package struct PcapngWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    /// - Parameters:
    ///   - application: who writes it.
    ///   - interface: what it was seen on.
    package init(application: String, interface: String) {
        block(0x0a0d_0d0a) { body in
            Self.append(0x1a2b_3c4d as UInt32, to: &body)
            Self.append(1 as UInt16, to: &body)
            Self.append(0 as UInt16, to: &body)
            Self.append(UInt64.max, to: &body)
            Self.option(4, Array(application.utf8), to: &body)
            Self.append(0 as UInt32, to: &body)
        }
        block(1) { body in
            Self.append(1 as UInt16, to: &body)  // LINKTYPE_ETHERNET
            Self.append(0 as UInt16, to: &body)
            Self.append(0 as UInt32, to: &body)
            Self.option(2, Array(interface.utf8), to: &body)
            Self.option(9, [9], to: &body)  // if_tsresol: nanoseconds
            Self.append(0 as UInt32, to: &body)
        }
    }

    package mutating func add(_ frame: [UInt8], at time: Instant, comment: String? = nil) {
        let moment = UInt64(bitPattern: time.nanoseconds)
        block(6) { body in
            Self.append(0 as UInt32, to: &body)
            Self.append(UInt32(moment >> 32), to: &body)
            Self.append(UInt32(truncatingIfNeeded: moment), to: &body)
            Self.append(UInt32(frame.count), to: &body)
            Self.append(UInt32(frame.count), to: &body)
            Self.append(frame, to: &body)
            if let comment {
                Self.option(1, Array(comment.utf8), to: &body)
                Self.append(0 as UInt32, to: &body)
            }
        }
    }

    private mutating func block(_ type: UInt32, _ fill: (inout [UInt8]) -> Void) {
        var body: [UInt8] = []
        fill(&body)
        let length = UInt32(body.count + 12)
        Self.append(type, to: &bytes)
        Self.append(length, to: &bytes)
        bytes += body
        Self.append(length, to: &bytes)
    }

    private static func option(_ code: UInt16, _ value: [UInt8], to body: inout [UInt8]) {
        append(code, to: &body)
        append(UInt16(value.count), to: &body)
        append(value, to: &body)
    }

    /// Filled up to four bytes.
    private static func append(_ value: [UInt8], to body: inout [UInt8]) {
        body += value
        body += [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
    }

    private static func append(_ value: some FixedWidthInteger, to body: inout [UInt8]) {
        for shift in stride(from: 0, to: value.bitWidth, by: 8) { body.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }
}

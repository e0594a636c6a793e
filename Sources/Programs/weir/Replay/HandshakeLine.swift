internal import Detection
internal import Fingerprints
internal import Messages
internal import Wire

/// Writes a handshake's line. There may be millions of them, so it puts ready-made pieces side by side, where `JSONWriter` would go by
/// member and value; the test of lines holds the result to what JSON and the contract say.
struct HandshakeLine {
    /// What a stack's hellos have in common, as it is written.
    private var stacks: [ObjectIdentifier: (stack: HelloReader.Stack, members: [UInt8])] = [:]
    private let unknown: [UInt8]
    private let wantsRaw: Bool
    /// The second that was written last, up to its fraction.
    private var second: (number: Int64, text: [UInt8]) = (.min, [])

    /// - Parameter wantsRaw: with JA4 before it was hashed.
    init(wantsRaw: Bool) {
        self.wantsRaw = wantsRaw
        unknown = Self.written(nil, wantsRaw: wantsRaw)
    }

    mutating func write(_ item: ReplayedHandshake, to out: inout [UInt8]) {
        let handshake = item.handshake
        out.piece(#"{"type":"handshake","frame":"#)
        out.number(item.frame)
        out.piece(#","time":""#)
        write(item.time, to: &out)
        out.piece(#"","source.address":""#)
        handshake.source.append(to: &out)
        out.piece(#"","source.port":"#)
        out.number(Int(handshake.sourcePort))
        out.piece(#","destination.address":""#)
        handshake.destination.append(to: &out)
        out.piece(#"","destination.port":"#)
        out.number(Int(handshake.destinationPort))
        out.piece(#","network.transport":"tcp","tls.client.server_name":"#)
        out.quoted(item.serverName)
        out.piece(#","tls.client.version":"#)
        out.quoted(item.version)
        out.piece(",")
        appendMembers(of: item.stack, to: &out)
        out.piece(#","segments":"#)
        out.number(handshake.segments)
        out.piece(#","records":"#)
        out.number(handshake.records)
        out.piece(#","completeness":""#)
        out += handshake.completeness.id.utf8
        out.piece(#"","incomplete.reason":"#)
        out.quoted(handshake.incompleteReason.id)
        out.piece(#","proof":""#)
        out += handshake.proof.id.utf8
        if item.anomalies.isEmpty {
            out.piece(#"","anomalies":[]"#)
        } else {
            out.piece(#"","anomalies":["#)
            for (index, anomaly) in item.anomalies.list.enumerated() {
                if index > 0 { out.piece(",") }
                out.quoted(anomaly.id)
            }
            out.piece("]")
        }
        out.piece(#","severity":"#)
        out.quoted(item.severity?.id)
        out.piece(#","encapsulation":["#)
        for tag in 0..<handshake.vlanTags { if tag == 0 { out.piece(#""vlan""#) } else { out.piece(#","vlan""#) } }
        out.piece("]}")
    }

    private mutating func write(_ time: Instant, to out: inout [UInt8]) {
        let number = time.nanoseconds / 1_000_000_000, fraction = time.nanoseconds % 1_000_000_000
        guard fraction > 0 else { return time.appendRFC3339(to: &out) }
        if number != second.number {
            second = (number, [])
            Instant(nanoseconds: number * 1_000_000_000).appendRFC3339(to: &second.text)
            second.text.removeLast()
        }
        out += second.text
        out.piece(".")
        out.number(Int(fraction), digits: 9)
        out.piece("Z")
    }

    private mutating func appendMembers(of stack: HelloReader.Stack?, to out: inout [UInt8]) {
        guard let stack else { return out += unknown }
        if let known = stacks[ObjectIdentifier(stack)] { return out += known.members }
        if stacks.count >= 4096 { stacks.removeAll(keepingCapacity: true) }
        let members = Self.written(stack, wantsRaw: wantsRaw)
        // The stack is kept too, so that its identity stays its own.
        stacks[ObjectIdentifier(stack)] = (stack, members)
        out += members
    }

    private static func written(_ stack: HelloReader.Stack?, wantsRaw: Bool) -> [UInt8] {
        var json = JSONWriter(capacity: 256)
        json.object { json in
            json.member("tls.client.alpn", stack?.alpn ?? [])
            json.member("tls.client.ja3", stack?.ja3)
            json.member("tls.client.ja4", stack?.ja4)
            if wantsRaw { json.member("tls.client.ja4_r", stack?.ja4Raw) }
        }
        return Array(json.bytes.dropFirst().dropLast())
    }
}

extension [UInt8] {
    fileprivate mutating func piece(_ text: StaticString) {
        // A literal's bytes lie in the program.
        unsafe append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    fileprivate mutating func quoted(_ text: String?) {
        guard let text else { return piece("null") }
        if text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x22 && $0 != 0x5c }) {
            piece("\"")
            self += text.utf8
            return piece("\"")
        }
        var json = JSONWriter(capacity: text.utf8.count)
        json.element(text)
        self += json.bytes
    }

    /// - Parameter digits: at least so many.
    fileprivate mutating func number(_ value: Int, digits least: Int = 1) {
        var rest = UInt64(value.magnitude), digits = InlineArray<20, UInt8>(repeating: 48), count = 0
        while rest > 0 || count < least {
            digits[count] = 48 + UInt8(rest % 10)
            rest /= 10
            count += 1
        }
        if value < 0 { append(45) }
        while count > 0 {
            count -= 1
            append(digits[count])
        }
    }
}

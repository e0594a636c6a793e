package import Units

/// Writes one JSON text (RFC 8259) into bytes, compactly, in the order of the calls. It knows nothing of what it writes, so the caller
/// keeps objects, members and arrays in their places.
package struct JSONWriter: Sendable {
    package private(set) var bytes: [UInt8] = []
    private var wantsComma = false

    /// - Parameter capacity: bytes to have ready, so that an ordinary text is one allocation.
    package init(capacity: Int = 1024) { bytes.reserveCapacity(capacity) }

    /// Forgets what was written and keeps the memory, for one text after another.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        wantsComma = false
    }

    /// An object as the whole text or as an array's element.
    package mutating func object(_ members: (inout JSONWriter) -> Void) {
        separate()
        enclose("{", "}", members)
    }

    // Members. Names are ours and need no escapes.

    package mutating func object(_ name: String, _ members: (inout JSONWriter) -> Void) {
        start(name)
        enclose("{", "}", members)
    }

    package mutating func array(_ name: String, _ elements: (inout JSONWriter) -> Void) {
        start(name)
        enclose("[", "]", elements)
    }

    package mutating func member(_ name: String, _ value: String?) {
        start(name)
        if let value { text(value) } else { raw("null") }
    }

    package mutating func member(_ name: String, _ value: Int?) {
        start(name)
        if let value { number(value) } else { raw("null") }
    }

    package mutating func member(_ name: String, _ value: Bool) {
        start(name)
        raw(value ? "true" : "false")
    }

    package mutating func member(_ name: String, _ value: Instant) {
        start(name)
        byte("\"")
        value.appendRFC3339(to: &bytes)
        byte("\"")
    }

    package mutating func member(_ name: String, _ value: Address) {
        start(name)
        byte("\"")
        value.append(to: &bytes)
        byte("\"")
    }

    /// In seconds, with as many digits as it has, nine at most.
    package mutating func member(_ name: String, _ value: Duration) {
        start(name)
        let nanoseconds = value.wholeNanoseconds
        if nanoseconds < 0 { byte("-") }
        number(Int(nanoseconds.magnitude / 1_000_000_000))
        var rest = Int(nanoseconds.magnitude % 1_000_000_000), scale = 100_000_000
        guard rest > 0 else { return }
        byte(".")
        while rest > 0 {
            bytes.append(48 + UInt8(rest / scale))
            rest %= scale
            scale /= 10
        }
    }

    /// Members that were written before, by another writer.
    package mutating func members(_ written: [UInt8]) {
        separate()
        bytes += written
    }

    package mutating func member(_ name: String, _ values: [String]) {
        array(name) { json in for value in values { json.element(value) } }
    }

    package mutating func member(_ name: String, _ values: [Int]) {
        array(name) { json in
            for value in values {
                json.separate()
                json.number(value)
            }
        }
    }

    package mutating func null(_ name: String) {
        start(name)
        raw("null")
    }

    package mutating func element(_ value: String) {
        separate()
        text(value)
    }

    private mutating func start(_ name: String) {
        separate()
        byte("\"")
        raw(name)
        raw("\":")
    }

    private mutating func separate() {
        if wantsComma { byte(",") }
        wantsComma = true
    }

    private mutating func enclose(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ inside: (inout JSONWriter) -> Void) {
        byte(open)
        wantsComma = false
        inside(&self)
        byte(close)
        wantsComma = true
    }

    private mutating func byte(_ scalar: Unicode.Scalar) { bytes.append(UInt8(truncatingIfNeeded: scalar.value)) }
    private mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func number(_ value: Int) {
        guard value < 0 || value > 9 else { return bytes.append(48 + UInt8(value)) }
        if value < 0 { byte("-") }
        var scale: UInt = 10
        while value.magnitude / scale > 9 { scale *= 10 }
        while scale > 0 {
            bytes.append(48 + UInt8(value.magnitude / scale % 10))
            scale /= 10
        }
    }

    /// Only the quotation mark, the reverse solidus and what is below a space must be escaped (RFC 8259 section 7).
    private mutating func text(_ value: String) {
        byte("\"")
        if value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x22 && $0 != 0x5c }) {
            raw(value)
            return byte("\"")
        }
        for unit in value.utf8 {
            switch unit {
            case 0x22, 0x5c:
                byte("\\")
                bytes.append(unit)
            case 0x0a: raw("\\n")
            case 0x0d: raw("\\r")
            case 0x09: raw("\\t")
            case ..<0x20:
                raw("\\u00")
                bytes.append(Self.digit(unit >> 4))
                bytes.append(Self.digit(unit & 15))
            default: bytes.append(unit)
            }
        }
        byte("\"")
    }

    private static func digit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 48 + nibble : 87 + nibble }
}

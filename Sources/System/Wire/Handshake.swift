internal import CWire
package import Units
package import Vocabulary

/// One verdict as the probe wrote it: the fixed part of a ring record. The C struct stays behind this door.
package struct Handshake: BitwiseCopyable, Sendable {
    private var record: weir_handshake

    package static var size: Int { MemoryLayout<weir_handshake>.size }

    /// Reads a record where the ring (or the native engine) holds it; `nil` if it is not one we know.
    package init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= Self.size else { return nil }
        // The span is at least one record long, and a record is plain bytes.
        record = unsafe bytes.unsafeLoadUnaligned(as: weir_handshake.self)
        guard record.wire_version == UInt8(WEIR_WIRE_VERSION), Self.size + Int(record.raw_length) <= bytes.byteCount else { return nil }
    }

    /// An empty verdict, for tests and simulations to fill in.
    package init() {
        record = weir_handshake()
        record.wire_version = UInt8(WEIR_WIRE_VERSION)
    }

    /// The clock that stamped the record; add the loop's offset to get an `Instant`.
    package var seenNanoseconds: UInt64 {
        get { record.seen_ns }
        set { record.seen_ns = newValue }
    }
    package var firstNanoseconds: UInt64 { record.first_ns }
    package var untilNanoseconds: UInt64 {
        get { record.until_ns }
        set { record.until_ns = newValue }
    }
    package var anomalies: AnomalySet {
        get { AnomalySet(rawValue: record.anomalies) }
        set { record.anomalies = newValue.rawValue }
    }
    package var fingerprint: UInt64 {
        get { record.fingerprint }
        set { record.fingerprint = newValue }
    }
    package var source: Address {
        get { Address(record.source) }
        set { record.source = newValue.bytes }
    }
    /// The trusted proxy whose PROXY header named the source; `nil` where the source is the peer itself.
    package var proxy: Address? {
        get {
            let address = Address(record.proxy)
            return address.high == 0 && address.low == 0 ? nil : address
        }
        set { record.proxy = (newValue ?? Address(high: 0, low: 0)).bytes }
    }
    package var destination: Address {
        get { Address(record.destination) }
        set { record.destination = newValue.bytes }
    }
    package var sourcePort: UInt16 {
        get { record.source_port }
        set { record.source_port = newValue }
    }
    package var destinationPort: UInt16 {
        get { record.destination_port }
        set { record.destination_port = newValue }
    }
    package var interfaceIndex: UInt32 {
        get { record.ifindex }
        set { record.ifindex = newValue }
    }
    /// Highest offered, as on the wire: 0x0304 is TLS 1.3. 0 when unknown.
    package var version: UInt16 {
        get { record.version }
        set { record.version = newValue }
    }
    package var cipherCount: Int { Int(record.cipher_count) }
    package var extensionCount: Int { Int(record.extension_count) }
    package var serverNameLength: Int { Int(record.server_name_length) }
    package var helloLength: Int { Int(record.hello_length) }
    package var rawLength: Int { Int(record.raw_length) }
    package var segments: Int { Int(record.segments) }
    package var records: Int { Int(record.records) }
    package var vlanTags: Int { Int(record.vlan_tags) }
    package var completeness: Completeness {
        get { Completeness(rawValue: record.completeness) ?? .incomplete }
        set { record.completeness = newValue.rawValue }
    }
    package var incompleteReason: IncompleteReason {
        get { IncompleteReason(rawValue: record.incomplete_reason) ?? .none }
        set { record.incomplete_reason = newValue.rawValue }
    }
    package var proof: Proof {
        get { Proof(rawValue: record.proof) ?? .unproven }
        set { record.proof = newValue.rawValue }
    }
    package var direction: Direction {
        get { Direction(rawValue: record.direction) ?? .ingress }
        set { record.direction = newValue.rawValue }
    }
    package var outcome: Outcome {
        get { Outcome(rawValue: record.action) ?? .observed }
        set { record.action = newValue.rawValue }
    }
    package var limitClass: LimitClass {
        get { LimitClass(rawValue: record.limit_class) ?? .anomalous }
        set { record.limit_class = newValue.rawValue }
    }
    package var limitPerSecond: Int {
        get { Int(record.per_second) }
        set { record.per_second = UInt8(clamping: newValue) }
    }
    package var kind: Kind {
        get { Kind(rawValue: record.kind) ?? .hello }
        set { record.kind = newValue.rawValue }
    }
    package var transport: Transport {
        get { Transport(rawValue: record.transport) ?? .tcp }
        set { record.transport = newValue.rawValue }
    }
    package var subtype: Subtype { Subtype(rawValue: record.subtype) ?? .other }
    package var preamble: Preamble { Preamble(rawValue: record.preamble) ?? .none }
    package var tunnels: Tunnels { Tunnels(rawValue: record.tunnels) }
    package var notes: Notes {
        get { Notes(rawValue: record.notes) }
        set { record.notes = newValue.rawValue }
    }
    /// Whom its proof convinces: a server proves an address to others only if they trust it.
    package var reach: Reach {
        get { Reach(rawValue: record.reach) ?? .source }
        set { record.reach = newValue.rawValue }
    }
    /// IP fragments were put together for it.
    package var wasFragmented: Bool { has(WEIR_FLAG_FRAGMENTS) }
    /// The kernel made or renewed the limit's entry on this very hello.
    package var isReflex: Bool {
        get { has(WEIR_FLAG_REFLEX) }
        set { set(WEIR_FLAG_REFLEX, newValue) }
    }
    /// It should have, but the limits map was full.
    package var lacksEntry: Bool { has(WEIR_FLAG_NO_ENTRY) }
    package var hasServerName: Bool {
        get { has(WEIR_FLAG_NAMED) }
        set { set(WEIR_FLAG_NAMED, newValue) }
    }
    package var mayBeLiteral: Bool {
        get { has(WEIR_FLAG_LITERAL) }
        set { set(WEIR_FLAG_LITERAL, newValue) }
    }
    package var overlapped: Bool { has(WEIR_FLAG_OVERLAP) }
    /// The second hello of its connection, after a HelloRetryRequest (RFC 8446 section 4.1.4).
    package var isRetry: Bool { has(WEIR_FLAG_RETRY) }

    private func has(_ flag: weir_flag) -> Bool { UInt32(record.flags) & flag.rawValue != 0 }
    private mutating func set(_ flag: weir_flag, _ on: Bool) {
        record.flags = on ? record.flags | UInt8(flag.rawValue) : record.flags & ~UInt8(flag.rawValue)
    }
}

package typealias AddressBytes = (
    UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8, UInt8
)

extension Address {
    /// In network order, as the record and the maps hold it.
    package init(_ b: AddressBytes) {
        func word(_ a: UInt8, _ b: UInt8, _ c: UInt8, _ d: UInt8) -> UInt64 {
            UInt64(a) << 24 | UInt64(b) << 16 | UInt64(c) << 8 | UInt64(d)
        }
        self.init(
            high: word(b.0, b.1, b.2, b.3) << 32 | word(b.4, b.5, b.6, b.7),
            low: word(b.8, b.9, b.10, b.11) << 32 | word(b.12, b.13, b.14, b.15))
    }

    package var bytes: AddressBytes {
        func byte(_ word: UInt64, _ index: UInt64) -> UInt8 { UInt8(truncatingIfNeeded: word >> (56 - index * 8)) }
        return (
            byte(high, 0), byte(high, 1), byte(high, 2), byte(high, 3), byte(high, 4), byte(high, 5), byte(high, 6), byte(high, 7),
            byte(low, 0), byte(low, 1), byte(low, 2), byte(low, 3), byte(low, 4), byte(low, 5), byte(low, 6), byte(low, 7)
        )
    }
}

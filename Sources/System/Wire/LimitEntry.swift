internal import CWire
package import Units
package import Vocabulary

/// A limit as the limits map has it: what is allowed, until when, and what came of it.
package struct LimitEntry: Sendable, Equatable {
    package enum Origin: UInt8, CaseIterable, Sendable { case kernel, agent, cluster }

    package var perSecond: Int
    package var answer: Answer
    package var origin: Origin
    /// In the records' clock.
    package var untilNanoseconds: UInt64
    package var admitted: UInt64 = 0
    package var refused: UInt64 = 0

    package init(perSecond: Int, answer: Answer, origin: Origin, untilNanoseconds: UInt64) {
        self.perSecond = perSecond
        self.answer = answer
        self.origin = origin
        self.untilNanoseconds = untilNanoseconds
    }

    /// Reads a map's value.
    package init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= MemoryLayout<weir_limit>.size else { return nil }
        // Long enough, and plain bytes.
        let limit = unsafe bytes.unsafeLoadUnaligned(as: weir_limit.self)
        perSecond = Int(limit.per_second)
        answer = Answer(rawValue: limit.answer) ?? .reset
        origin = Origin(rawValue: limit.origin) ?? .kernel
        untilNanoseconds = limit.until_ns
        admitted = limit.admitted
        refused = limit.refused
    }

    package static var size: Int { MemoryLayout<weir_limit>.size }

    /// Calls `body` with a map's value that has this limit and no history.
    package func withBytes<Result>(_ body: (RawSpan) -> Result) -> Result {
        var limit = weir_limit()
        limit.per_second = UInt8(clamping: perSecond)
        limit.answer = answer.rawValue
        limit.origin = origin.rawValue
        limit.until_ns = untilNanoseconds
        limit.admitted = admitted
        limit.refused = refused
        return unsafe withUnsafeBytes(of: &limit) { body(unsafe RawSpan(_unsafeBytes: $0)) }
    }
}

/// What user space asks of the kernel's limits (`struct weir_limit_order`): a map update would overwrite stamps between two hellos.
package enum LimitOrder: Sendable {
    case set(LimitKey, LimitEntry)
    /// The limit ends now; its stamps stay, and count in whatever limits this source next.
    case end(LimitKey)

    package func withBytes<Result>(_ body: (RawSpan) -> Result) -> Result {
        var order = weir_limit_order()
        let key: LimitKey
        switch self {
        case .set(let named, let entry):
            key = named
            order.per_second = UInt8(clamping: entry.perSecond)
            order.answer = entry.answer.rawValue
            order.origin = entry.origin.rawValue
            order.until_ns = entry.untilNanoseconds
        case .end(let named):
            key = named
            order.what = UInt8(WEIR_ORDER_END.rawValue)
        }
        order.key = key.raw
        return unsafe withUnsafeBytes(of: &order) { body(unsafe RawSpan(_unsafeBytes: $0)) }
    }

    /// An order to forget the entry with a map's own key if it has ended; no stamp of the last second is ever forgotten. The kernel
    /// looks again, under the entry's lock.
    package static func withForgetting<Result>(key: RawSpan, _ body: (RawSpan) -> Result) -> Result {
        var order = weir_limit_order()
        if key.byteCount >= LimitKey.size { order.key = unsafe key.unsafeLoadUnaligned(as: weir_limit_key.self) }
        order.what = UInt8(WEIR_ORDER_FORGET_ENDED.rawValue)
        return unsafe withUnsafeBytes(of: &order) { body(unsafe RawSpan(_unsafeBytes: $0)) }
    }

    /// An order to forget every entry that has nothing more to say. The answer is how many stay.
    package static func withMakingRoom<Result>(_ body: (RawSpan) -> Result) -> Result {
        var order = weir_limit_order()
        order.what = UInt8(WEIR_ORDER_MAKE_ROOM.rawValue)
        return unsafe withUnsafeBytes(of: &order) { body(unsafe RawSpan(_unsafeBytes: $0)) }
    }

    /// The keys of the limits that strangers share when the map is full (`make_shared_limits` of engine.c): one for each of the kernel's classes.
    package static let sharedKeys: [[UInt8]] = (0...UInt8(WEIR_CLASS_WIDE.rawValue)).map { limitClass in
        var key = [UInt8](repeating: 0, count: LimitKey.size)
        key[33] = limitClass
        return key
    }
}

/// A limit's key in the map.
package struct LimitKey: Hashable, Sendable {
    package var prefix: Prefix
    package var limitClass: LimitClass
    /// The one destination that it holds for; `nil` for all.
    package var towards: Address?

    package init(prefix: Prefix, limitClass: LimitClass, towards: Address? = nil) {
        self.prefix = prefix
        self.limitClass = limitClass
        self.towards = towards
    }

    package static var size: Int { MemoryLayout<weir_limit_key>.size }

    package init?(_ bytes: RawSpan) {
        guard bytes.byteCount >= Self.size else { return nil }
        // Long enough, and plain bytes.
        let key = unsafe bytes.unsafeLoadUnaligned(as: weir_limit_key.self)
        guard key.length <= 128, let limitClass = LimitClass(rawValue: key.limit_class) else { return nil }
        prefix = Prefix(Address(key.address), length: Int(key.length))
        self.limitClass = limitClass
        let towards = Address(key.towards)
        self.towards = towards == Address(high: 0, low: 0) ? nil : towards
    }

    fileprivate var raw: weir_limit_key {
        var key = weir_limit_key()
        key.address = prefix.address.bytes
        key.length = prefix.length
        key.limit_class = limitClass.rawValue
        if let towards { key.towards = towards.bytes }
        return key
    }

    package func withBytes<Result>(_ body: (RawSpan) -> Result) -> Result {
        var key = raw
        return unsafe withUnsafeBytes(of: &key) { body(unsafe RawSpan(_unsafeBytes: $0)) }
    }
}

extension Prefix {
    /// Calls `body` with the allow-list's key for this prefix.
    package func withAllowKey<Result>(_ body: (RawSpan) -> Result) -> Result {
        var key = weir_allow_key()
        key.prefix_length = UInt32(length)
        key.address = address.bytes
        return unsafe withUnsafeBytes(of: &key) { body(unsafe RawSpan(_unsafeBytes: $0)) }
    }
}

@testable import Envoy
import GRPC
import Testing
import Units
import Vocabulary

@Suite struct LimitedSourcesTests {
    private func time(_ seconds: Int64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }
    private func prefix(_ text: String) -> Prefix { Prefix(text)! }

    @Test("A list changes when a source comes or goes, not when its limit is renewed")
    func list() {
        var sources = LimitedSources()
        func set(_ text: String, _ limitClass: LimitClass, _ entry: LimitedSources.Entry?) -> Bool {
            sources.set(prefix(text), limitClass, entry)
        }
        func expire(_ seconds: Int64) -> Bool { sources.expire(at: time(seconds)) }
        let change1 = set("203.0.113.7/32", .all, .init(perSecond: 3, until: time(10)))
        #expect(change1)
        let change2 = set("203.0.113.7/32", .all, .init(perSecond: 3, until: time(20)))
        #expect(!change2)
        let change3 = set("203.0.113.7/32", .anomalous, .init(perSecond: 1, until: time(30)))
        #expect(change3, "it is in another list now")
        #expect(sources.limit(of: Address("203.0.113.7")!, isNameless: true, at: time(1))?.perSecond == 1)
        let change4 = expire(25)
        #expect(change4)
        #expect(sources.count == 1 && sources.nextEnd == time(30))
        let change5 = set("203.0.113.8/32", .anomalous, nil)
        #expect(!change5)
        let change6 = set("203.0.113.7/32", .anomalous, nil)
        #expect(change6)
        #expect(sources.count == 0)
        #expect(sources.limit(of: Address("203.0.113.7")!, isNameless: true, at: time(1)) == nil)
    }

    @Test("The narrowest block counts, in either family; the order is the same whatever came first")
    func narrowest() {
        var sources = LimitedSources(), other = LimitedSources()
        let all = ["203.0.113.0/24", "203.0.113.7/32", "2001:db8::/32", "2001:db8:1::/64", "10.0.0.0/8"].map(prefix)
        for prefix in all { _ = sources.set(prefix, .all, .init(perSecond: 3, until: time(10))) }
        for prefix in all.reversed() { _ = other.set(prefix, .all, .init(perSecond: 3, until: time(10))) }
        let list = sources.settled(), same = other.settled()
        #expect(list == same && Resources.make(list) == Resources.make(same))
        #expect(sources.limit(of: Address("203.0.113.7")!, isNameless: true, at: time(1))?.source == prefix("203.0.113.7/32"))
        #expect(sources.limit(of: Address("203.0.113.8")!, isNameless: true, at: time(1))?.source == prefix("203.0.113.0/24"))
        #expect(sources.limit(of: Address("2001:db8:1::9")!, isNameless: true, at: time(1))?.source == prefix("2001:db8:1::/64"))
        #expect(
            sources.limit(of: Address("2001:db9::9")!, isNameless: true, at: time(1)) == nil
                && sources.limit(of: Address("203.0.113.8")!, isNameless: true, at: time(10)) == nil)
    }

    @Test(
        "The same set has the same bytes and version, however it came about; another set has others",
        arguments: 1...20 as ClosedRange<UInt64>)
    func sameBytes(seed: UInt64) {
        var state = seed, sources = LimitedSources(), present: Set<Prefix> = [], versions: [String: Set<Prefix>] = [:]
        func random(_ bound: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % bound
        }
        let all = (0..<60).map { $0 % 3 == 2 ? prefix("2001:db8:\($0)::/\(48 + $0 % 17)") : prefix("203.0.\($0).0/\(24 + $0 % 9)") }
        let entry = LimitedSources.Entry(perSecond: 3, until: time(10))
        for _ in 0..<200 {
            // Some come and go between two pushes, some within one.
            for _ in 0...random(8) {
                let prefix = all[Int(random(60))]
                if present.remove(prefix) != nil {
                    _ = sources.set(prefix, .all, nil)
                } else {
                    present.insert(prefix)
                    _ = sources.set(prefix, .all, entry)
                }
            }
            var fresh = LimitedSources()
            for prefix in present { _ = fresh.set(prefix, .all, entry) }
            let list = sources.settled(), resources = Resources.make(list), expected = Resources.make(fresh.settled())
            #expect(list.all.prefixes == present.sorted() && resources == expected)
            let version = resources[Resources.http]?.version ?? ""
            #expect(versions[version, default: present] == present, "two lists, one version: seed \(seed)")
            versions[version] = present
        }
    }

    @Test("A limit of class anomalous is for nameless connections, one of class all for every connection")
    func classes() {
        var sources = LimitedSources()
        _ = sources.set(prefix("203.0.113.7/32"), .anomalous, .init(perSecond: 3, until: time(10)))
        _ = sources.set(prefix("203.0.113.0/24"), .all, .init(perSecond: 5, until: time(10)))
        func limit(_ text: String, _ isNameless: Bool) -> Prefix? {
            sources.limit(of: Address(text)!, isNameless: isNameless, at: time(1))?.source
        }
        #expect(limit("203.0.113.7", true) == prefix("203.0.113.7/32"))
        #expect(limit("203.0.113.7", false) == prefix("203.0.113.0/24"))
        #expect(limit("203.0.113.8", false) == prefix("203.0.113.0/24"))
        let lists = sources.settled()
        #expect(lists.anomalous.prefixes == [prefix("203.0.113.7/32")] && lists.all.prefixes == [prefix("203.0.113.0/24")])
        let both = Resources.make(lists)
        _ = sources.set(prefix("203.0.113.7/32"), .anomalous, nil)
        let all = Resources.make(sources.settled())
        for name in [Resources.http, Resources.network, Resources.networkNameless] { #expect(both[name] == all[name], "\(name)") }
        #expect(both[Resources.httpNameless] != all[Resources.httpNameless])
    }

    @Test("What does not fit is counted")
    func full() {
        var sources = LimitedSources(capacity: 2)
        for last in 1...3 { _ = sources.set(prefix("203.0.113.\(last)/32"), .all, .init(perSecond: 3, until: time(10))) }
        #expect(sources.count == 2 && sources.refused == 1)
    }
}

@Suite struct RateLimitTests {
    private func question(_ addresses: [String], key: String = "remote_address") -> [UInt8] {
        var writer = ProtobufWriter()
        writer.string(1, "weir")
        for address in addresses {
            writer.message(2) {
                $0.message(1) {
                    $0.string(1, key); $0.string(2, address)
                }
            }
        }
        return writer.bytes
    }

    @Test("Three in any second, to the nanosecond, however the asking is spread; of a block together")
    func sliding() throws {
        var sources = LimitedSources(), limits = RateLimits(), admitted: [UInt64] = []
        _ = sources.set(Prefix("203.0.113.0/24")!, .all, .init(perSecond: 3, until: Instant(nanoseconds: .max)))
        var state: UInt64 = 7, now: UInt64 = 5_000_000_000
        for number in 0..<3000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            now += state >> 36
            let (_, isOver) = try limits.answer(
                question(["203.0.113.\(number % 250)"]), sources, at: Instant(nanoseconds: 1), monotonic: now)
            if !isOver { admitted.append(now) }
        }
        #expect(admitted.count > 50)
        for index in admitted.indices.dropFirst(3) { #expect(admitted[index] - admitted[index - 3] >= 1_000_000_000) }
    }

    @Test("A limit of class anomalous holds where Envoy says that no server name was requested, and only there")
    func nameless() throws {
        var sources = LimitedSources(), limits = RateLimits()
        _ = sources.set(Prefix("203.0.113.7/32")!, .anomalous, .init(perSecond: 1, until: Instant(nanoseconds: .max)))
        func isOver(_ name: String?) throws -> Bool {
            var writer = ProtobufWriter()
            writer.message(2) { descriptor in
                descriptor.message(1) {
                    $0.string(1, "remote_address"); $0.string(2, "203.0.113.7")
                }
                if let name {
                    descriptor.message(1) {
                        $0.string(1, "server_name"); $0.string(2, name)
                    }
                }
            }
            return try limits.answer(writer.bytes, sources, at: Instant(nanoseconds: 1), monotonic: 1).isOver
        }
        for _ in 0..<3 { #expect(try !isOver("shop.example") && !isOver(nil)) }
        #expect(try !isOver("-") && isOver("-") && isOver(""))
    }

    @Test("Others, other keys, no addresses and what is no address pass; what is no message is an error")
    func others() throws {
        var sources = LimitedSources(), limits = RateLimits()
        _ = sources.set(Prefix("203.0.113.7/32")!, .all, .init(perSecond: 1, until: Instant(nanoseconds: .max)))
        func isOver(_ bytes: [UInt8]) throws -> Bool { try limits.answer(bytes, sources, at: Instant(nanoseconds: 1), monotonic: 1).isOver }
        for _ in 0..<3 {
            #expect(
                try !isOver(question(["203.0.113.8"])) && !isOver(question(["203.0.113.7"], key: "path")) && !isOver(question([]))
                    && !isOver(question(["x"])))
        }
        #expect(try !isOver(question(["203.0.113.7"])) && isOver(question(["203.0.113.7"])))
        #expect(throws: Malformed.self) { _ = try isOver([0x12, 0x7f]) }
        #expect(throws: Malformed.self) { _ = try isOver([0x07]) }
    }
}

@Suite struct ProtobufTests {
    @Test("Whatever bytes come, they are fields or malformed, and never a trap", arguments: 0..<2000 as Range<UInt64>)
    func garbage(seed: UInt64) {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        let bytes = (0..<Int(seed % 64)).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 40)
        }
        var reader = ProtobufReader(bytes[...]), fields = 0
        do { while try reader.next() != nil { fields += 1 } } catch {}
        #expect(fields <= bytes.count)
    }

    @Test("Numbers, texts and messages come back as they went")
    func round() throws {
        var writer = ProtobufWriter()
        writer.varint(1, .max)
        writer.string(2, "näme")
        writer.message(3) { $0.varint(4, 300) }
        writer.double(5, 1.5)
        writer.varint(6, 0)
        var reader = ProtobufReader(writer.bytes[...]), seen: [Int] = []
        while let (field, value) = try reader.next() {
            seen.append(field)
            switch value {
            case .varint(let number): #expect(number == .max)
            case .fixed64(let bits): #expect(Double(bitPattern: bits) == 1.5)
            default: #expect(field == 2 ? value.text == "näme" : value.bytes.map(Array.init) == [0x20, 0xac, 0x02])
            }
        }
        #expect(seen == [1, 2, 3, 5])
    }
}

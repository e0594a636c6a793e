import ArchiveCore
import Messages
import Testing
import Units

@Suite struct PlacesTests {
    @Test(
        "A name becomes a folder's on every file system",
        arguments: [
            ("eu-west.1", "eu-west.1"), ("EU West", "eu_west"), ("../../etc", ".._.._etc"), ("", "unnamed"), ("a=b/c%2f", "a_b_c_2f"),
            ("Straße", "stra__e"), ("x\u{0}\n", "x__"), (String(repeating: "n", count: 300), String(repeating: "n", count: 63))
        ])
    func cleaned(name: String, place: String) {
        #expect(Places.clean(name) == place)
        #expect(Places.clean(place) == place)
    }

    @Test("The first rule that fits a node gives its place; without one it is the cluster")
    func rules() {
        var places = Places(cluster: "main", rules: ["eu-*=eu", "*-edge-*=edge", "eu-west=never"].compactMap { Places.Rule($0) })
        #expect(
            ["eu-west", "eu-", "us-edge-1", "x-edge-", "us-1", "", "eu"].map { places.place(of: $0) }
                == ["eu", "eu", "edge", "edge", "main", "main", "main"])
    }

    @Test("What is no rule is refused", arguments: ["eu", "=eu", "eu-*=", "eu-*=../x", "eu-*=EU", "a=b=C"])
    func refused(rule: String) { #expect(Places.Rule(rule) == nil) }

    @Test("A node that calls itself something new each time makes a bounded number of places")
    func bounded() {
        var places = Places(cluster: "main", rules: [Places.Rule("*=*")!])
        let names = Set((0..<1000).map { places.place(of: "node-\($0)") })
        #expect(names.count == Places.most + 1)
        #expect(names.contains(Places.other))
        #expect(places.refused == 1000 - Places.most)
        #expect(places.place(of: "node-3") == "node-3")
    }

    @Test("Stars fit whatever they stand for, and a pattern of stars alone does not take for ever")
    func stars() {
        var places = Places(cluster: "c", rules: [Places.Rule("\(String(repeating: "a*", count: 30))b=x")!])
        #expect(places.place(of: String(repeating: "a", count: 5000)) == "c")
        #expect(places.place(of: String(repeating: "a", count: 30) + "b") == "x")
    }

    @Test("An event of a wrong clock belongs to the hour in which the broker had it")
    func hours() {
        let now = Instant(rfc3339: "2026-11-24T10:30:00Z")!
        func hour(_ text: String) -> String { TablePartition(place: "p", time: Instant(rfc3339: text)!, appended: now).hour }
        #expect(hour("2026-11-24T09:59:59.999999999Z") == "2026-11-24T09")
        #expect(hour("2026-11-20T00:00:00Z") == "2026-11-20T00")
        #expect(hour("2026-11-24T11:00:00Z") == "2026-11-24T11")
        #expect(hour("1970-01-01T00:00:00Z") == "2026-11-24T10")
        #expect(hour("2200-01-01T00:00:00Z") == "2026-11-24T10")
    }

    @Test(
        "A block's numbers are those of its addresses",
        arguments: ["203.0.113.64/27", "0.0.0.0/0", "10.0.0.1/32", "2001:db8::/32", "2001:db8:0:7::/64", "fe80::1/128", "::/0", "::/64"])
    func numbers(text: String) {
        let prefix = Prefix(text)!, numbers = prefix.archiveNumbers
        var chance = SplitMix64(1)
        for _ in 0..<200 {
            let inside = Address(
                high: prefix.address.high | chance.next() & ~Prefix(Address(high: .max, low: .max), length: min(64, Int(prefix.length)))
                    .address.high,
                low: prefix.address.low | chance.next() & ~Prefix(Address(high: .max, low: .max), length: Int(prefix.length)).address.low)
            #expect(prefix.contains(inside))
            #expect(numbers.contains(inside.archiveNumber), "\(inside)")
        }
        #expect(numbers.lowerBound >= 0)
        if prefix.contains(Address("203.0.113.65")!) { #expect(numbers.contains(Address("203.0.113.65")!.archiveNumber)) }
        if text == "203.0.113.64/27" { #expect(numbers.count == 32) }
    }
}

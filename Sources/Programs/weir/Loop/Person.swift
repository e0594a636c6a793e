/// Someone in the demonstration: where they come from, what they do, and what must become of them.
struct Person {
    enum Role { case wellBehaved, attacker, slowProbe }

    let address: String
    let who: String
    let role: Role
    /// The demonstration script's words.
    let action: [String]

    var isIPv6: Bool { address.contains(":") }

    static let server4 = "198.51.100.2"
    static let server6 = "2001:db8:0:100::2"
    static let name = "shop.example"

    static func everybody(postQuantum: Bool) -> [Person] {
        var all = [
            Person(address: "203.0.113.66", who: "attacker, no name", role: .attacker, action: ["attempt", server4, "", "50"]),
            Person(address: "2001:db8::66", who: "attacker, no name", role: .attacker, action: ["attempt", server6, "", "50"]),
            Person(address: "203.0.113.10", who: "client with a name", role: .wellBehaved, action: ["attempt", server4, name, "10"]),
            Person(address: "203.0.113.20", who: "slow probe, no name", role: .slowProbe, action: ["attempt", server4, "", "0.1"])
        ]
        all.append(
            postQuantum
                ? Person(address: "2001:db8::10", who: "browser, ML-KEM", role: .wellBehaved, action: ["post-quantum", server6, name, "5"])
                : Person(address: "2001:db8::10", who: "client with a name", role: .wellBehaved, action: ["attempt", server6, name, "5"]))
        return all
    }
}

/// What a client counted for itself.
struct ClientCount: Equatable {
    var attempted = 0
    var succeeded = 0
    var refused = 0
    /// Most handshakes that surely lay within one second.
    var most = 0
}

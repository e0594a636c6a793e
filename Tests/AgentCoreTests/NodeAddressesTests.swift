import AgentCore
import Detection
import Messages
import Testing
import Units

@Suite struct NodeAddressesTests {
    private func time(_ seconds: Int64) -> Instant { Instant(nanoseconds: (100_000 + seconds) * 1_000_000_000) }

    private func status(_ node: String, _ addresses: [String]) -> NodeStatus {
        var status = NodeStatus(
            node: node, time: time(0), started: time(-100), version: "1", mode: .enforce, interfaces: [], policyName: "p",
            policyVersion: "v", nextOffset: 0)
        status.addresses = addresses.map { Address($0)! }
        return status
    }

    private func believed(_ addresses: inout NodeAddresses, _ seconds: Int64 = 0, near networks: [String] = []) -> [String] {
        addresses.believed(at: time(seconds), near: networks.map { Prefix($0)! }).map(\.description)
    }

    @Test("Private addresses are believed, and those inside a network of this node's; no other address of the Internet is")
    func belief() {
        var addresses = NodeAddresses()
        let all = [
            "10.0.0.1", "172.31.255.1", "172.32.0.1", "192.168.7.7", "100.64.0.1", "100.128.0.1", "198.51.100.9", "8.8.8.8", "fd00::1",
            "fe80::1", "2001:db8::1", "2001:db8:1::1"
        ]
        addresses.take(status("a", all), heard: time(0), at: time(0))
        #expect(believed(&addresses) == ["10.0.0.1/32", "100.64.0.1/32", "172.31.255.1/32", "192.168.7.7/32", "fd00::1/128"])
        let near = believed(&addresses, near: ["198.51.100.0/24", "2001:db8:1::/64"])
        #expect(
            near == [
                "10.0.0.1/32", "100.64.0.1/32", "172.31.255.1/32", "192.168.7.7/32", "198.51.100.9/32", "2001:db8:1::1/128", "fd00::1/128"
            ])
    }

    @Test(
        "A node is forgotten with its tombstone, after an hour's silence, and when the topic is made anew; a clock ahead of ours gains nothing"
    )
    func forgotten() {
        var addresses = NodeAddresses()
        #expect(!addresses.hasNews)
        for (node, heard) in [("a", 0), ("b", 1_000), ("ahead", 900_000)] as [(String, Int64)] {
            addresses.take(status(node, ["10.0.0.\(node.utf8.count + (node == "b" ? 10 : 0))"]), heard: time(heard), at: time(1_000))
        }
        #expect(addresses.hasNews)
        #expect(believed(&addresses, 1_000) == ["10.0.0.1/32", "10.0.0.11/32", "10.0.0.5/32"].sorted { Prefix($0)! < Prefix($1)! })
        #expect(!addresses.hasNews)
        addresses.take(status("a", ["10.0.0.1"]), heard: time(0), at: time(1_000))
        #expect(!addresses.hasNews, "it said the same again")
        #expect(believed(&addresses, 3_601) == ["10.0.0.5/32", "10.0.0.11/32"])
        addresses.forget("b")
        #expect(addresses.hasNews && believed(&addresses, 3_601) == ["10.0.0.5/32"])
        #expect(believed(&addresses, 4_601) == [])
        addresses.take(status("old", ["10.0.0.9"]), heard: time(0), at: time(5_000))
        #expect(!addresses.hasNews && believed(&addresses, 5_000) == [], "a record of a node that is long gone")
        addresses.take(status("c", ["10.0.0.9"]), heard: time(5_000), at: time(5_000))
        addresses.forgetAll()
        #expect(addresses.hasNews && believed(&addresses, 5_000) == [])
    }

    @Test("One node has at most 16 addresses, all of them 4,096; nodes beyond the table are counted")
    func bounds() {
        var addresses = NodeAddresses()
        addresses.take(status("a", (1...40).map { "10.1.0.\($0)" }), heard: time(0), at: time(0))
        #expect(believed(&addresses).count == 16)
        for node in 0..<NodeAddresses.mostNodes {
            addresses.take(status("n\(node)", ["10.2.\(node / 250).\(node % 250)"]), heard: time(0), at: time(0))
        }
        #expect(addresses.unlisted == 1)
        #expect(believed(&addresses).count == NodeAddresses.mostAddresses)
    }

    @Test("The policy's allow.nodes switches it")
    func policy() {
        var known = KnownAddresses(), policy = Policy()
        known.nodes = [Prefix("10.0.0.1/32")!]
        #expect(AllowList(policy, known).contains(Address("10.0.0.1")!))
        policy.allow.nodes = false
        #expect(!AllowList(policy, known).contains(Address("10.0.0.1")!))
    }
}

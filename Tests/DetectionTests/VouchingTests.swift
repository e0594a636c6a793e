import Detection
import Testing
import Units

@Suite struct VouchingTests {
    private func vouching(_ targets: [(destinations: [String], names: [String])]) -> Policy.Vouching {
        var policy = Policy()
        policy.scaleOut.targets = targets.map { wanted in
            var target = Policy.Target(workload: "shop/web")
            target.destinations = wanted.destinations.map { Prefix($0)! }
            target.serverNames = wanted.names
            return target
        }
        return policy.vouching
    }

    @Test("Targets vouch for their destinations; one without destinations for all of them, unless it asks for a name")
    func targets() {
        let one = Prefix("198.51.100.2/32")!, block = Prefix("2001:db8::/32")!
        #expect(vouching([]) == .none)
        #expect(vouching([(["198.51.100.2/32"], [])]) == .destinations([one]))
        #expect(
            vouching([(["198.51.100.2/32"], ["shop.example"]), (["2001:db8::/32", "198.51.100.2/32"], [])]) == .destinations([block, one]))
        #expect(vouching([([], ["shop.example"])]) == .none)
        #expect(vouching([([], ["shop.example"]), (["198.51.100.2/32"], [])]) == .destinations([one]))
        #expect(vouching([([], []), (["198.51.100.2/32"], [])]) == .all)
    }
}

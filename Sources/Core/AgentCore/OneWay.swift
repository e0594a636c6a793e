package import Wire

/// Which interfaces carry connections to watched ports in one direction only. There the limiter cannot keep its promises
/// (docs/security.md).
package struct OneWay: Sendable {
    package enum Way: String, Sendable {
        /// Clients' data come in, and nothing of any server leaves.
        case inOnly = "in"
        /// Servers' data leave, and nothing of any client comes in.
        case outOnly = "out"
    }

    package struct Finding: Sendable, Equatable {
        package let interface: UInt32
        /// `nil`: it carries both again, or the other direction was found on another watched interface.
        package let way: Way?

        package init(interface: UInt32, way: Way?) {
            self.interface = interface
            self.way = way
        }
    }

    private struct Reading: Sendable {
        /// As it was when this interface was last judged.
        var counts: InterfaceCounts
        var way: Way?
    }

    /// So many segments with data one way, and none at all the other way, are no chance: a few belong to connections whose server
    /// does not answer.
    package static let threshold: UInt64 = 1_000

    private var readings: [UInt32: Reading] = [:]
    private var said: [UInt32: Way] = [:]

    package init() {}

    /// Where one direction is missing on all watched interfaces, by their numbers.
    package var interfaces: [(interface: UInt32, way: Way)] { said.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }

    /// What all watched interfaces have seen, of one moment. What is new since the last reading comes back, by the interfaces' numbers.
    package mutating func note(_ seen: [UInt32: InterfaceCounts]) -> [Finding] {
        readings = readings.filter { seen[$0.key] != nil }
        for (interface, counts) in seen { note(interface, counts) }
        let found = readings.compactMapValues(\.way), ways = Set(found.values)
        // Several ways to the Internet: what comes in by one leaves by another, and the probe sees both.
        let before = said
        said = ways.count == 1 ? found : [:]
        return Set(before.keys).union(said.keys).sorted().filter { before[$0] != said[$0] }.map { Finding(interface: $0, way: said[$0]) }
    }

    private mutating func note(_ interface: UInt32, _ counts: InterfaceCounts) {
        guard var last = readings[interface], counts.frames >= last.counts.frames else {
            // The first reading, or a counter began anew.
            readings[interface] = Reading(counts: counts)
            return
        }
        let fromClients = counts.fromClients > last.counts.fromClients, fromServers = counts.fromServers > last.counts.fromServers
        let clientPayloads = counts.clientPayloads &- last.counts.clientPayloads,
            serverPayloads = counts.serverPayloads &- last.counts.serverPayloads
        if fromClients, fromServers {
            last.way = nil
        } else if clientPayloads >= Self.threshold {
            last.way = .inOnly
        } else if serverPayloads >= Self.threshold {
            last.way = .outOnly
        } else {
            // Few are gathered until they say something.
            return
        }
        last.counts = counts
        readings[interface] = last
    }
}

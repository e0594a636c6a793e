internal import CVisits
internal import Glibc
internal import Linux

/// The parts of an honest crowd behind a bad link (`honest.py`, `Tests/AttackTests`), each a process in a namespace of its own.
enum Crowd {
    static let usage = """
            weir-bench serve CERTIFICATE KEY PORT,...    a TLS server; the second half of its ports asks for another group
            weir-bench visit TARGET SOURCE SOURCES COUNT AT_ONCE SECONDS PORT,...
                                                    so many visits of so many addresses; says how many succeeded
            weir-bench pump INTERFACE INTERFACE SEED LOSS REORDERING DUPLICATION
                                                    a bad link between two interfaces
        """

    /// False where the words are not of these.
    static func run(_ words: [String]) throws -> Bool {
        switch (words.first, words.count) {
        case ("serve", 4):
            guard let ports = ports(words[3]) else { return false }
            say("ready")
            guard unsafe weir_serve(words[1], words[2], ports, UInt32(ports.count)) == 0 else { throw Errno.current }
        case ("visit", 8):
            let numbers = words[3...6].compactMap { UInt32($0) }
            guard numbers.count == 4, numbers.allSatisfy({ $0 > 0 }), let ports = ports(words[7]) else { return false }
            try visit(words[1], words[2], numbers, ports)
        case ("pump", 7):
            let shares = words[4...6].compactMap { Double($0) }
            guard let seed = UInt64(words[3]), shares.count == 3 else { return false }
            say("ready")
            var link = weir_bad_link(loss: shares[0], reordering: shares[1], duplication: shares[2], seed: seed)
            guard unsafe weir_pump(words[1], words[2], &link) == 0 else { throw Errno.current }
        default: return false
        }
        return true
    }

    private static func visit(_ target: String, _ source: String, _ numbers: [UInt32], _ ports: [UInt16]) throws {
        var visited = weir_visited()
        // All of it lives as long as the call.
        let result = unsafe target.withCString { target in
            unsafe source.withCString { source in
                unsafe ports.withUnsafeBufferPointer { ports in
                    var visits = unsafe weir_visits(
                        target: target, source: source, sources: numbers[0], count: numbers[1], at_once: numbers[2], seconds: numbers[3],
                        ports: ports.baseAddress, port_count: UInt32(ports.count))
                    return unsafe weir_visit(&visits, &visited)
                }
            }
        }
        guard result == 0 else { throw Errno.current }
        say("{\"succeeded\": \(visited.succeeded), \"refused\": \(visited.refused), \"failed\": \(visited.failed)}")
    }

    private static func ports(_ text: String) -> [UInt16]? {
        let ports = text.split(separator: ",").map { UInt16($0) }
        return ports.isEmpty || ports.contains(nil) ? nil : ports.compactMap(\.self)
    }
}

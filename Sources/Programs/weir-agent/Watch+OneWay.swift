internal import AgentCore
internal import Log

extension Watch {
    /// They carry connections to watched ports in one direction only, and no other watched interface carries the other.
    var oneWay: [(name: String, way: OneWay.Way)] { directions.interfaces.map { (name(of: $0.interface), $0.way) } }

    func say(_ finding: OneWay.Finding, _ log: Log) {
        let interface = ("interface", name(of: finding.interface))
        switch finding.way {
        case .inOnly:
            log.write(
                .warning,
                "clients' data come in by this interface, and the servers' answers leave by no interface that is watched", [interface])
        case .outOnly:
            log.write(
                .warning,
                "servers' answers leave by this interface, and the clients' data come in by no interface that is watched", [interface])
        case nil: log.write(.info, "both directions of the interface's connections are seen again", [interface])
        }
    }
}

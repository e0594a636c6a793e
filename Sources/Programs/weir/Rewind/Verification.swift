internal import AgentCore
internal import Detection
internal import Fingerprints
internal import Messages
internal import Probe
internal import Units
internal import Vocabulary
internal import Wire

/// An event's verdict once more, from the bytes of its hello.
struct Verification {
    struct Finding {
        let name: String
        let said: [String]
        let found: [String]
        /// `nil`: the bytes do not tell.
        let agrees: Bool?
        var note: String?
    }

    private(set) var findings: [Finding] = []

    /// What a hello's bytes tell by themselves; all else is told by its way, by its source's past, or by the server.
    static let ofBytes = AnomalySet([
        .missingSNI, .emptySNI, .ipLiteralSNI, .invalidSNI, .unknownSNI, .alpnWithoutSNI, .alpnUnexpected, .alpnMalformed, .obsoleteVersion,
        .obsoleteSSL, .weakCiphersOnly, .absurdCiphers, .dheForcing, .compressionOffered, .fallbackSCSV, .malformedHello, .oversizedHello,
        .duplicateExtension, .pskNotLast, .fingerprintDenied
    ])

    /// - Parameter policy: `nil`: which one judged is not known, and no list of names or fingerprints is.
    init(_ event: ThrottleEvent, _ hello: [UInt8], _ policy: Policy?) {
        var handshake = Handshake()
        (handshake.transport, handshake.source, handshake.destination) = (event.transport, event.sourceAddress, event.destinationAddress)
        (handshake.sourcePort, handshake.destinationPort, handshake.fingerprint) = (event.sourcePort, event.destinationPort, 1)
        let judging = policy ?? Policy()
        var reader = HelloFactsReader(judging)
        var engine = NativeEngine(KernelPolicy(judging), enforcing: false)
        let (found, facts, version) = hello.withRawBytes(0..<hello.count) { bytes in
            var found = engine.glance(bytes)
            if let glance = HelloGlance(bytes) {
                let asked = found.intersection(AnomalySet(.missingSNI)).isEmpty
                found.formUnion(glance.anomalies(of: bytes, over: event.transport, under: NameLists(judging), nameIsAsked: asked))
            }
            switch reader.find(handshake, bytes, at: event.time) {
            case .nothing: break
            case .thisHello, .everyHello: found.formUnion(AnomalySet(.fingerprintDenied))
            }
            return (
                found, reader.facts(of: bytes, handshake), ClientHello(bytes).flatMap { ClientHello.name(ofVersion: $0.highestVersion) }
            )
        }
        add(anomalies: event, found, policy)
        let text: (String?) -> [String] = { $0.map { [$0] } ?? [] }
        compare("ja4", text(event.ja4), text(facts?.ja4))
        compare("ja3", text(event.ja3), text(facts?.ja3))
        compare("server_name", text(event.serverName), text(facts?.serverName))
        compare("alpn", event.alpn, facts?.alpn ?? [])
        compare("version", text(event.version), text(version))
        compare("groups", event.groups, facts?.groups ?? [])
        compare("key_shares", event.keyShares, facts?.keyShares ?? [])
    }

    private mutating func compare(_ name: String, _ said: [String], _ found: [String]) {
        findings.append(Finding(name: name, said: said, found: found, agrees: said == found))
    }

    /// What the bytes tell has to be in the event. What the event has besides may be another hello's of the same source, if it counts
    /// several.
    private mutating func add(anomalies event: ThrottleEvent, _ found: AnomalySet, _ policy: Policy?) {
        let wanted = policy.map { found.intersection($0.recorded) } ?? found
        let lists = policy == nil ? AnomalySet([.unknownSNI, .alpnUnexpected, .fingerprintDenied]) : AnomalySet()
        let told = wanted.intersection(Self.ofBytes)
        let claimed = event.anomalies.intersection(Self.ofBytes).subtracting(lists)
        let lacking = told.subtracting(event.anomalies), beyond = claimed.subtracting(told)
        let isWrong = !lacking.isEmpty || event.counts.seen <= 1 && !beyond.isEmpty
        var finding = Finding(
            name: "anomalies", said: event.anomalies.list.map(\.id), found: told.list.map(\.id), agrees: !isWrong)
        let others = event.anomalies.subtracting(told)
        func ids(_ set: AnomalySet) -> String { set.list.map(\.id).joined(separator: ", ") }
        if !lacking.isEmpty {
            finding.note =
                "the hello has \(ids(lacking)), and the event does not"
                + (policy == nil ? "; --policy FILE says whether they were looked for" : "")
        } else if isWrong {
            finding.note = "the event has \(ids(beyond)), and the hello does not"
        } else if !others.isEmpty {
            finding.note = "\(ids(others)): not by these bytes, but by the hello's way, by what its source did, or by its other hellos"
        }
        findings.append(finding)
    }
}

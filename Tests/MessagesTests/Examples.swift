import Detection
import Messages
import Units
import Vocabulary

/// The examples of docs/contracts: every member set.
enum Examples {
    static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    static func event() -> ThrottleEvent {
        var event = ThrottleEvent(
            id: "node-a:6f1c2a90:42", time: Instant(rfc3339: "2026-11-24T10:00:00.123456789Z")!, node: "node-a",
            sourceAddress: Address("203.0.113.7")!,
            sourcePrefix: Prefix("203.0.113.7/32")!, destinationAddress: Address("198.51.100.2")!, anomalies: AnomalySet(.missingSNI),
            severity: .high, traceID: trace)
        event.interface = "eth0"
        event.sourcePort = 40_123
        event.destinationPort = 443
        event.workload = "shop/web"
        event.version = "1.3"
        event.alpn = ["h2"]
        event.ja3 = "d41d8cd98f00b204e9800998ecf8427e"
        event.ja4 = "t13i1516h2_8daaf6152771_e5627efa2ab1"
        event.action = .limited
        event.limit = ThrottleEvent.Limit(
            limitClass: .anomalous, perSecond: 3, answer: .reset, until: Instant(rfc3339: "2026-11-24T10:10:00Z")!, enforced: true)
        event.counts = ThrottleEvent.Counts(since: Instant(rfc3339: "2026-11-24T09:59:59Z")!)
        (event.counts.seen, event.counts.suppressed, event.counts.reset) = (51, 48, 45)
        event.enforcedBy = .kernel
        (event.seenToDecided, event.seenToEnforced) = (14, 0)
        event.policyVersion = "sha256:1c9e"
        return event
    }

    static let eventText = """
        {"schema":"weir.dev/throttle-event/v1","id":"node-a:6f1c2a90:42","time":"2026-11-24T10:00:00.123456789Z","node":"node-a","interface":"eth0",\
        "direction":"ingress","source.address":"203.0.113.7","source.port":40123,"source.prefix":"203.0.113.7/32","destination.address":"198.51.100.2",\
        "destination.port":443,"network.transport":"tcp","workload":"shop/web","anomalies":["missing_sni"],"severity":"high","completeness":"complete",\
        "proof":"tracked","tls.client.server_name":null,"tls.client.version":"1.3","tls.client.alpn":["h2"],"tls.client.ja3":"d41d8cd98f00b204e9800998ecf8427e",\
        "tls.client.ja4":"t13i1516h2_8daaf6152771_e5627efa2ab1","action":"limited","limit":{"class":"anomalous","per_second":3,"answer":"reset",\
        "until":"2026-11-24T10:10:00Z","enforced":true},"counts":{"since":"2026-11-24T09:59:59Z","seen":51,"suppressed":48,"reset":45,"dropped":0},\
        "enforced_by":"kernel","latency_us":{"seen_to_decided":14,"seen_to_enforced":0},"policy":{"name":"default","version":"sha256:1c9e"},\
        "trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}
        """

    static func limit() -> Limit {
        var limit = Limit(
            key: Limit.Key("203.0.113.7/32|anomalous")!, perSecond: 3, answer: .reset, until: Instant(rfc3339: "2026-11-24T10:10:00Z")!,
            generation: 17,
            anomalies: AnomalySet(.missingSNI), traceID: trace)
        limit.eventsInWindow = 7
        limit.eventIDs = ["node-a:6f1c2a90:42"]
        return limit
    }

    static let limitText = """
        {"schema":"weir.dev/limit/v1","prefix":"203.0.113.7/32","class":"anomalous","per_second":3,"answer":"reset","until":"2026-11-24T10:10:00Z","step":0,\
        "scope":"cluster","origin":"controller","generation":17,"reason":{"anomalies":["missing_sni"],"events_in_window":7,"event_ids":["node-a:6f1c2a90:42"]},\
        "trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}
        """

    static func decision() -> ScaleDecision {
        ScaleDecision(
            workload: "shop/web", desiredReplicas: 5, previousReplicas: 4, mode: .enforce, sourcePrefix: Prefix("203.0.113.7/32")!,
            eventsInWindow: 13,
            windowSeconds: 300, moreThan: 12, sourcesOver: 1, until: Instant(rfc3339: "2026-11-24T10:15:00Z")!, generation: 3,
            traceID: trace)
    }

    static let decisionText = """
        {"schema":"weir.dev/scale-decision/v1","workload":"shop/web","desired_replicas":5,"previous_replicas":4,"mode":"enforce",\
        "reason":{"source.prefix":"203.0.113.7/32","events_in_window":13,"window_seconds":300,"more_than":12,"sources_over":1},"until":"2026-11-24T10:15:00Z",\
        "generation":3,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}
        """

    static func status() -> NodeStatus {
        var status = NodeStatus(
            node: "node-a", time: Instant(rfc3339: "2026-11-24T10:00:00.5Z")!, started: Instant(rfc3339: "2026-11-24T09:00:00Z")!,
            version: "0.1.0", mode: .enforce,
            interfaces: ["eth0"], policyName: "default", policyVersion: "sha256:1c9e", nextOffset: 42)
        status.addresses = [Address("10.0.0.7")!, Address("2001:db8::7")!]
        (status.held, status.lacking, status.refused) = (17, 1, 3)
        status.lacks = [NodeStatus.Lack(key: Limit.Key("203.0.113.7/32|all")!, reason: .allowed)]
        return status
    }

    static func bundledStatus() -> NodeStatus {
        var status = status(), bundles = NodeStatus.Bundles()
        let digest = "sha256:" + String(repeating: "0a", count: 32)
        bundles.running = NodeStatus.Bundle(name: "shop", sequence: 6, digest: digest, key: "f8f9e225f8229912", canaryPercent: 100)
        bundles.waiting = NodeStatus.Bundle(name: "shop", sequence: 7, digest: digest, key: "f8f9e225f8229912", canaryPercent: 10)
        bundles.refused = NodeStatus.Bundles.Refused(reason: "older", sequence: 5, digest: digest)
        status.bundles = bundles
        return status
    }

    static func notice() -> LossNotice {
        LossNotice(
            id: "node-a:6f1c2a90:loss:1", time: Instant(rfc3339: "2026-11-24T10:00:10Z")!, node: "node-a",
            since: Instant(rfc3339: "2026-11-24T10:00:00Z")!, until: Instant(rfc3339: "2026-11-24T10:00:10Z")!,
            losses: [
                LossNotice.Loss(what: .records, cause: "ring_full", count: 512),
                LossNotice.Loss(what: .events, cause: "spool_full", count: 7)
            ])
    }

    static let noticeText = """
        {"schema":"weir.dev/loss/v1","id":"node-a:6f1c2a90:loss:1","time":"2026-11-24T10:00:10Z","node":"node-a",\
        "since":"2026-11-24T10:00:00Z","until":"2026-11-24T10:00:10Z",\
        "losses":[{"what":"records","cause":"ring_full","count":512},{"what":"events","cause":"spool_full","count":7}]}
        """

    static let statusText = """
        {"schema":"weir.dev/node-status/v1","time":"2026-11-24T10:00:00.500000000Z","node":"node-a","started":"2026-11-24T09:00:00Z","version":"0.1.0","mode":"enforce",\
        "interfaces":["eth0"],"addresses":["10.0.0.7","2001:db8::7"],"policy":{"name":"default","version":"sha256:1c9e"},"limits":{"next_offset":42,"held":17,"lacking":1,\
        "lacks":[{"key":"203.0.113.7/32|all","reason":"allowed"}],"refused":3}}
        """
}

extension [UInt8] {
    var text: String { String(decoding: self, as: UTF8.self) }
}

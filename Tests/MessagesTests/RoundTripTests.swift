import Detection
import JSON
import Messages
import Testing
import Units
import Vocabulary

@Suite struct RoundTripTests {
    @Test("Messages are written member by member as the contract shows them")
    func written() {
        #expect(Examples.event().encoded().text == Examples.eventText)
        #expect(Examples.limit().encoded().text == Examples.limitText)
        #expect(Examples.decision().encoded().text == Examples.decisionText)
        #expect(Examples.status().encoded().text == Examples.statusText)
    }

    @Test("What was written is read back whole")
    func readBack() throws {
        var reader = MessageReader()
        #expect(try reader.throttleEvent(Examples.event().encoded().span.bytes) == Examples.event())
        #expect(try reader.limit(Examples.limit().encoded().span.bytes) == Examples.limit())
        let release = Examples.limit().released(at: Examples.limit().until)
        #expect(try release.isRelease && reader.limit(release.encoded().span.bytes) == release)
        #expect(try reader.scaleDecision(Examples.decision().encoded().span.bytes) == Examples.decision())
        #expect(try reader.nodeStatus(Examples.status().encoded().span.bytes) == Examples.status())
    }

    @Test("Marks of a rehearsal and of a refusal are written where they hold, and read back")
    func rehearsal() throws {
        var reader = MessageReader(), event = Examples.event(), limit = Examples.limit()
        (event.isRehearsal, limit.isRehearsal) = (true, true)
        (event.counts.wouldRefuse, limit.hasRefused) = (7, true)
        #expect(event.encoded().text.contains("\"rehearsal\":true") && limit.encoded().text.contains("\"rehearsal\":true"))
        #expect(try reader.throttleEvent(event.encoded().span.bytes) == event)
        #expect(try reader.limit(limit.encoded().span.bytes) == limit)
    }

    @Test("An event of which nothing optional is known is read back whole")
    func bare() throws {
        var event = Examples.event()
        (event.workload, event.version, event.ja3, event.ja4, event.limit, event.seenToDecided, event.seenToEnforced) = (
            nil, nil, nil, nil, nil, nil, nil
        )
        event.alpn = []
        var reader = MessageReader()
        #expect(try reader.throttleEvent(event.encoded().span.bytes) == event)
    }

    @Test("The proxy that named the source is said where there is one, and survives")
    func proxy() throws {
        var event = Examples.event()
        #expect(!event.encoded().text.contains("network.peer.address"))
        event.proxy = Address("10.0.0.9")
        #expect(event.encoded().text.contains("/32\",\"network.peer.address\":\"10.0.0.9\",\"destination.address\""))
        var reader = MessageReader()
        #expect(try reader.throttleEvent(event.encoded().span.bytes) == event)
    }

    @Test("Groups, shares, an encrypted hello and the Community ID are said where they are known, and survive")
    func keys() throws {
        var event = Examples.event(), reader = MessageReader()
        for name in ["community_id", "supported_groups", "key_shares", "ech"] { #expect(!event.encoded().text.contains(name)) }
        event.communityID = "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        event.groups = (0..<NamedGroup.mostTold).map { NamedGroup(UInt16(0x9000 + $0)).text }
        event.keyShares = ["X25519MLKEM768"]
        for use in EncryptedHello.Use.allCases {
            event.encryptedHello = use
            #expect(try reader.throttleEvent(event.encoded().span.bytes) == event)
        }
    }

    @Test("How far the proof reaches is said where it is not the whole source, and survives")
    func reach() throws {
        var event = Examples.event(), reader = MessageReader()
        event.reach = .destination
        #expect(event.encoded().text.contains("\"proof\":\"tracked\",\"reach\":\"destination\","))
        #expect(try reader.throttleEvent(event.encoded().span.bytes) == event)
    }

    @Test(
        "Any text a client may send as a name survives",
        arguments: ["a\"b\\c", "\u{0}\u{1}\n\r\t\u{1f}\u{7f}", "zażółć", "🜁\u{2028}", "\u{fffd}"])
    func escapes(name: String) throws {
        var event = Examples.event()
        event.serverName = name
        event.alpn = [name, ""]
        var reader = MessageReader()
        #expect(try reader.throttleEvent(event.encoded().span.bytes) == event)
    }

    @Test("Every value of every enumeration survives")
    func enumerations() throws {
        var reader = MessageReader()
        func check(_ change: (inout ThrottleEvent) -> Void) throws {
            var event = Examples.event()
            change(&event)
            #expect(try reader.throttleEvent(event.encoded().span.bytes) == event)
        }
        for value in Severity.allCases { try check { $0.severity = value } }
        for value in Direction.allCases { try check { $0.direction = value } }
        for value in Completeness.allCases { try check { $0.completeness = value } }
        for value in Proof.allCases { try check { $0.proof = value } }
        for value in ThrottleEvent.Action.allCases { try check { $0.action = value } }
        for value in ThrottleEvent.Enforcer.allCases { try check { $0.enforcedBy = value } }
        for value in LimitClass.allCases { try check { $0.limit?.limitClass = value } }
        for value in Answer.allCases { try check { $0.limit?.answer = value } }
        try check { $0.anomalies = AnomalySet(Anomaly.allCases) }
        try check { $0.anomalies = [] }
    }

    @Test("A notice of loss survives, is a CloudEvent of its own type, and no reader takes it for an event")
    func loss() throws {
        var reader = MessageReader()
        #expect(Examples.notice().encoded().text == Examples.noticeText)
        #expect(try reader.lossNotice(Examples.notice().encoded().span.bytes) == Examples.notice())
        #expect(throws: JSONError.self) { try reader.throttleEvent(Examples.notice().encoded().span.bytes) }
        #expect(throws: JSONError.self) { try reader.lossNotice(Examples.event().encoded().span.bytes) }
        let headers = Dictionary(uniqueKeysWithValues: Examples.notice().headers.map { ($0.name, $0.value) })
        #expect(headers["ce_type"] == "dev.weir.loss.v1" && headers["ce_id"] == "node-a:6f1c2a90:loss:1" && headers["traceparent"] == nil)
        #expect(Examples.notice().count(of: .records) == 512 && Examples.notice().count(of: .events) == 7)
    }

    @Test("A node's report survives with every reason and in either mode, and is a CloudEvent without a trace")
    func status() throws {
        var reader = MessageReader()
        for mode in [.observe, .enforce] as [Policy.Mode] {
            var status = Examples.status()
            status.mode = mode
            status.lacks = NodeStatus.Reason.allCases.map { NodeStatus.Lack(key: Limit.Key("2001:db8::/64|anomalous")!, reason: $0) }
            (status.interfaces, status.addresses) = ([], [])
            #expect(try reader.nodeStatus(status.encoded().span.bytes) == status)
        }
        let older = Examples.statusText.replacing(#""addresses":["10.0.0.7","2001:db8::7"],"#, with: "")
        #expect(
            try older != Examples.statusText && reader.nodeStatus(Array(older.utf8).span.bytes).addresses == [], "older agents write none")
        let headers = Dictionary(uniqueKeysWithValues: Examples.status().headers.map { ($0.name, $0.value) })
        #expect(
            headers["ce_type"] == "dev.weir.node-status.v1" && headers["ce_source"] == "node-a"
                && headers["ce_time"] == "2026-11-24T10:00:00.500000000Z")
        #expect(headers["traceparent"] == nil)
        var next = Examples.status()
        next.time = next.time + .seconds(1)
        #expect(headers["ce_id"] != next.headers.first { $0.name == "ce_id" }?.value)
    }

    @Test("A record is a CloudEvent, and its trace goes on")
    func cloudEvent() {
        let headers = Dictionary(uniqueKeysWithValues: Examples.event().headers.map { ($0.name, $0.value) })
        #expect(headers["ce_specversion"] == "1.0")
        #expect(headers["ce_id"] == "node-a:6f1c2a90:42")
        #expect(headers["ce_source"] == "node-a")
        #expect(headers["ce_type"] == "dev.weir.throttle-event.v1")
        #expect(headers["ce_time"] == "2026-11-24T10:00:00.123456789Z")
        #expect(headers["content-type"] == "application/json")
        let parent = headers["traceparent"]?.split(separator: "-").map(String.init) ?? []
        #expect(parent.count == 4 && parent[0] == "00" && parent[1] == Examples.trace && parent[2].utf8.count == 16 && parent[3] == "01")
        #expect(traceparent(traceID: Examples.trace, id: "a") == traceparent(traceID: Examples.trace, id: "a"))
        #expect(traceparent(traceID: Examples.trace, id: "a") != traceparent(traceID: Examples.trace, id: "b"))
        for wrong in ["", "4bf9", String(repeating: "0", count: 32), Examples.trace.uppercased()] {
            #expect(traceparent(traceID: wrong, id: "a") == nil)
        }
    }
}

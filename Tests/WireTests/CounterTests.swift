import CWire
import Linux
import Testing
import Vocabulary
import Wire

@Suite struct CounterTests {
    @Test("Swift's enumerations are the header's: each case has its constant's value, and none is missing")
    func sameAsHeader() {
        func same(_ pairs: [(swift: Int, header: Int)], _ name: String) {
            #expect(pairs.map(\.swift) == pairs.map(\.header), "\(name)")
            // The header's constants count from 0.
            #expect(Set(pairs.map(\.header)) == Set(0..<pairs.count), "\(name)")
        }
        same(Counter.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "Counter")
        same(IncompleteReason.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "IncompleteReason")
        same(Outcome.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "Outcome")
        same(Proof.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "Proof")
        same(Completeness.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "Completeness")
        same(Kind.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "Kind")
        same(Transport.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "Transport")
        same(Subtype.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "Subtype")
        same(Preamble.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "Preamble")
        same(Direction.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "Direction")
        same(Answer.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "Answer")
        same(LimitClass.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "LimitClass")
        same(LimitEntry.Origin.allCases.map { (Int($0.rawValue), Int(header($0).rawValue)) }, "LimitEntry.Origin")
        #expect(Counter.allCases.count == Int(WEIR_COUNT_COUNT.rawValue))
    }

    @Test("An anomaly has the header's number, and its id is the constant's name")
    func anomalies() throws {
        let root = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let text = try #require(File.read("\(root)/bpf/shared/include/weir/anomalies.h", limit: 1 << 20))
        let block = try #require(text.split(separator: "enum weir_anomaly {").dropFirst().first?.split(separator: "};").first)
        let constants = block.matches(of: /WEIR_([A-Z0-9_]+) = ([0-9]+),/).map { (name: $0.1.lowercased(), value: Int($0.2) ?? -1) }
        #expect(constants.map(\.name) == Anomaly.allCases.map(\.id) + ["anomaly_count"])
        #expect(constants.map(\.value) == Anomaly.allCases.map { Int($0.rawValue) } + [Anomaly.allCases.count])
    }

    @Test("Counters balance only when every verdict has a record or a loss, and one outcome")
    func balance() {
        func counters(_ pairs: [Counter: UInt64]) -> Counters { Counters(Counter.allCases.map { pairs[$0] ?? 0 }) }
        #expect(counters([:]).balance)
        #expect(counters([.seen: 3, .emitted: 2, .lost: 1, .passed: 1, .reset: 2]).balance)
        #expect(!counters([.seen: 3, .emitted: 2, .passed: 3]).balance)
        #expect(!counters([.seen: 3, .emitted: 3, .passed: 2]).balance)
    }

    // Each a switch, so that the compiler names a case that is missing here.

    private func header(_ value: Counter) -> weir_counter {
        switch value {
        case .frames: WEIR_COUNT_FRAMES
        case .quicTold: WEIR_COUNT_QUIC_TOLD
        case .quicLost: WEIR_COUNT_QUIC_LOST
        case .quicSmall: WEIR_COUNT_QUIC_SMALL
        case .quicAnswers: WEIR_COUNT_QUIC_ANSWERS
        case .quicProven: WEIR_COUNT_QUIC_PROVEN
        case .quicRetries: WEIR_COUNT_QUIC_RETRIES
        case .quicNegotiations: WEIR_COUNT_QUIC_NEGOTIATIONS
        case .quicCounted: WEIR_COUNT_QUIC_COUNTED
        case .quicRefused: WEIR_COUNT_QUIC_REFUSED
        case .quicOpened: WEIR_COUNT_QUIC_OPENED
        case .quicBad: WEIR_COUNT_QUIC_BAD
        case .quicJudged: WEIR_COUNT_QUIC_JUDGED
        case .quicLeft: WEIR_COUNT_QUIC_LEFT
        case .quicOverBudget: WEIR_COUNT_QUIC_OVER_BUDGET
        case .quicEvicted: WEIR_COUNT_QUIC_EVICTED
        case .quicOpeningNanoseconds: WEIR_COUNT_QUIC_OPENING_NS
        case .seen: WEIR_COUNT_SEEN
        case .emitted: WEIR_COUNT_EMITTED
        case .lost: WEIR_COUNT_LOST
        case .unproven: WEIR_COUNT_UNPROVEN
        case .allowed: WEIR_COUNT_ALLOWED
        case .passed: WEIR_COUNT_PASSED
        case .observed: WEIR_COUNT_OBSERVED
        case .admitted: WEIR_COUNT_ADMITTED
        case .reset: WEIR_COUNT_RESET
        case .dropped: WEIR_COUNT_DROPPED
        case .reflex: WEIR_COUNT_REFLEX
        case .limitsFull: WEIR_COUNT_LIMITS_FULL
        case .assembled: WEIR_COUNT_ASSEMBLED
        case .deepHeaders: WEIR_COUNT_DEEP_HEADERS
        case .resetFailed: WEIR_COUNT_RESET_FAILED
        case .held: WEIR_COUNT_ANSWERS_HELD
        case .evicted: WEIR_COUNT_EVICTED
        case .fragments: WEIR_COUNT_FRAGMENTS
        case .fragmentsLost: WEIR_COUNT_FRAGMENTS_LOST
        case .outOfStep: WEIR_COUNT_OUT_OF_STEP
        case .synData: WEIR_COUNT_SYN_DATA
        case .answers: WEIR_COUNT_ANSWERS
        case .answersCounted: WEIR_COUNT_ANSWERS_COUNTED
        case .answersRefused: WEIR_COUNT_ANSWERS_REFUSED
        case .answersUnseen: WEIR_COUNT_ANSWERS_UNSEEN
        case .refusedAgain: WEIR_COUNT_REFUSED_AGAIN
        case .outOfReach: WEIR_COUNT_OUT_OF_REACH
        case .shared: WEIR_COUNT_SHARED
        case .multipath: WEIR_COUNT_MULTIPATH
        case .unreadable: WEIR_COUNT_UNREADABLE
        case .translated: WEIR_COUNT_TRANSLATED
        case .tunnelsSealed: WEIR_COUNT_TUNNELS_SEALED
        case .tunnelsSplit: WEIR_COUNT_TUNNELS_SPLIT
        case .named: WEIR_COUNT_NAMED
        case .unnamed: WEIR_COUNT_UNNAMED
        }
    }

    private func header(_ value: IncompleteReason) -> weir_incomplete_reason {
        switch value {
        case .none: WEIR_REASON_NONE
        case .closed: WEIR_REASON_CLOSED
        case .timeout: WEIR_REASON_TIMEOUT
        case .tooLong: WEIR_REASON_TOO_LONG
        case .gaps: WEIR_REASON_GAPS
        case .capture: WEIR_REASON_CAPTURE
        case .reused: WEIR_REASON_REUSED
        case .noRoom: WEIR_REASON_NO_ROOM
        case .evicted: WEIR_REASON_EVICTED
        }
    }

    private func header(_ value: Outcome) -> weir_action {
        switch value {
        case .observed: WEIR_OBSERVED
        case .passed: WEIR_PASSED
        case .allowed: WEIR_ALLOWED
        case .admitted: WEIR_ADMITTED
        case .reset: WEIR_RESET
        case .dropped: WEIR_DROPPED
        }
    }

    private func header(_ value: Proof) -> weir_proof {
        switch value {
        case .unproven: WEIR_UNPROVEN
        case .tracked: WEIR_TRACKED
        case .socket: WEIR_SOCKET
        }
    }

    private func header(_ value: Completeness) -> weir_completeness {
        switch value {
        case .complete: WEIR_COMPLETE
        case .reassembled: WEIR_REASSEMBLED
        case .incomplete: WEIR_INCOMPLETE
        }
    }

    private func header(_ value: Kind) -> weir_kind {
        switch value {
        case .hello: WEIR_KIND_HELLO
        case .flow: WEIR_KIND_FLOW
        case .datagram: WEIR_KIND_DATAGRAM
        }
    }

    private func header(_ value: Transport) -> weir_transport {
        switch value {
        case .tcp: WEIR_TRANSPORT_TCP
        case .udp: WEIR_TRANSPORT_UDP
        }
    }

    private func header(_ value: Subtype) -> weir_subtype {
        switch value {
        case .none: WEIR_SUBTYPE_NONE
        case .http: WEIR_SUBTYPE_HTTP
        case .ssh: WEIR_SUBTYPE_SSH
        case .rdp: WEIR_SUBTYPE_RDP
        case .other: WEIR_SUBTYPE_OTHER
        }
    }

    private func header(_ value: Preamble) -> weir_preamble {
        switch value {
        case .none: WEIR_PREAMBLE_NONE
        case .proxy1: WEIR_PREAMBLE_PROXY1
        case .proxy2: WEIR_PREAMBLE_PROXY2
        case .connect: WEIR_PREAMBLE_CONNECT
        case .socks4: WEIR_PREAMBLE_SOCKS4
        case .socks5: WEIR_PREAMBLE_SOCKS5
        case .smtp: WEIR_PREAMBLE_SMTP
        case .imap: WEIR_PREAMBLE_IMAP
        case .pop3: WEIR_PREAMBLE_POP3
        case .ftp: WEIR_PREAMBLE_FTP
        case .ldap: WEIR_PREAMBLE_LDAP
        case .xmpp: WEIR_PREAMBLE_XMPP
        case .irc: WEIR_PREAMBLE_IRC
        case .postgresql: WEIR_PREAMBLE_POSTGRESQL
        case .mysql: WEIR_PREAMBLE_MYSQL
        case .rdp: WEIR_PREAMBLE_RDP
        }
    }

    private func header(_ value: Direction) -> weir_direction {
        switch value {
        case .ingress: WEIR_INGRESS
        case .egress: WEIR_EGRESS
        }
    }

    private func header(_ value: Answer) -> weir_answer {
        switch value {
        case .reset: WEIR_ANSWER_RESET
        case .drop: WEIR_ANSWER_DROP
        }
    }

    private func header(_ value: LimitClass) -> weir_class {
        switch value {
        case .anomalous: WEIR_CLASS_ANOMALOUS
        case .all: WEIR_CLASS_ALL
        }
    }

    private func header(_ value: LimitEntry.Origin) -> weir_origin {
        switch value {
        case .kernel: WEIR_ORIGIN_KERNEL
        case .agent: WEIR_ORIGIN_AGENT
        case .cluster: WEIR_ORIGIN_CLUSTER
        }
    }
}

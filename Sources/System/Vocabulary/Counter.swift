/// The probe's counters (`enum weir_counter`), by the names they have as metrics.
package enum Counter: Int, CaseIterable, Sendable {
    case frames, seen, emitted, lost, unproven, allowed, passed, observed, admitted, reset, dropped, reflex, limitsFull, assembled,
        deepHeaders
    case resetFailed, held, evicted, fragments, fragmentsLost, outOfStep, synData
    case answers, answersCounted, answersRefused, answersUnseen, refusedAgain, outOfReach, shared, multipath, unreadable, translated
    case quicTold, quicLost, quicSmall, quicAnswers, quicProven, quicRetries, quicNegotiations, quicCounted, quicRefused
    case tunnelsSealed, tunnelsSplit
    case named, unnamed
    case quicOpened, quicBad, quicJudged, quicLeft, quicOverBudget, quicEvicted, quicOpeningNanoseconds

    /// For people, as the metric's help.
    package var help: String {
        switch self {
        case .frames: "TCP frames on a watched port"
        case .seen: "verdicts reached; each is emitted or lost, and has one outcome"
        case .emitted: "verdicts written to the ring"
        case .lost: "verdicts that found the ring full"
        case .unproven: "verdicts about handshakes that nothing proves"
        case .allowed: "handshakes of allowed sources"
        case .passed: "handshakes that the limiter had nothing against"
        case .observed: "handshakes that no limiter looked at"
        case .admitted: "handshakes counted against a limit and within it"
        case .reset: "handshakes over a limit, answered by a reset"
        case .dropped: "handshakes over a limit, dropped"
        case .reflex: "limits that the kernel made or renewed itself"
        case .limitsFull: "limits that did not fit: strangers share one"
        case .assembled: "hellos that spanned segments"
        case .deepHeaders: "frames whose TCP header lies beyond what is read"
        case .resetFailed: "frames that could not be turned into a reset, and were dropped"
        case .held: "answers of Fast Open held back until their client was heard"
        case .evicted: "unfinished hellos whose memory newer ones took"
        case .fragments: "IP fragments of watched segments"
        case .fragmentsLost: "IP fragments that overlap a TCP header"
        case .outOfStep: "flows whose records after the hello could not be followed from the start"
        case .synData: "SYNs that bear data (TCP Fast Open)"
        case .answers: "first answers to clean hellos"
        case .answersCounted: "answers counted against a limit and within it"
        case .answersRefused: "answers over a limit: both sides were reset, and the answer did not leave"
        case .answersUnseen: "answers of connections that no table knew"
        case .refusedAgain: "later frames of refused connections, either way"
        case .outOfReach: "segments that can be no part of a hello, ignored"
        case .shared: "handshakes and answers counted against the limit that strangers share, the table being full"
        case .multipath: "SYNs whose Multipath TCP option was taken away"
        case .translated: "hellos seen once more, behind a translation of their server's address"
        case .quicTold: "QUIC clients' datagrams given to the agent to open"
        case .quicLost: "QUIC clients' datagrams that found their ring full"
        case .quicSmall: "Initials in datagrams under 1200 bytes, which servers discard"
        case .quicAnswers: "first answers of QUIC servers, to connections that are clean or, in observe mode, to all"
        case .quicCounted: "first answers of QUIC servers to connections not known to be clean, within the limit"
        case .quicRefused: "answers of QUIC servers over the limit: they did not leave"
        case .quicProven: "connection ids of QUIC servers that their clients bore: these clients are who they say"
        case .quicRetries: "Retry packets of QUIC servers"
        case .quicNegotiations: "version negotiations of QUIC servers"
        case .named: "PROXY headers of trusted proxies that named their client"
        case .unnamed: "other PROXY headers: they name nobody, or their sender is not in the policy's trust.proxies"
        case .quicOpened: "Initials that were opened in the packet: their tags are right"
        case .quicBad: "Initials of which the packet's opener made nothing: a wrong tag, or what no Initial may bear"
        case .quicJudged: "QUIC hellos that were judged in the packet"
        case .quicLeft: "QUIC datagrams that were not judged in the packet, but left to the agent"
        case .quicOverBudget: "strangers' Initials that were dropped, because the budget for opening them in the packet was spent"
        case .quicEvicted: "unfinished QUIC hellos whose memory newer ones took"
        case .quicOpeningNanoseconds: "processor time spent on opening Initials in the packet, in nanoseconds"
        case .unreadable: "frames dropped because their TCP header or hello cannot be read"
        case .tunnelsSealed: "tunnels' frames whose inside cannot be read: encrypted, compressed, or of an unknown form"
        case .tunnelsSplit: "tunnels' packets that came in IP fragments and were not looked into"
        }
    }

    package var id: String {
        switch self {
        case .frames: "frames"
        case .seen: "handshakes_seen"
        case .emitted: "records_emitted"
        case .lost: "records_lost"
        case .unproven: "handshakes_unproven"
        case .allowed: "handshakes_allowed"
        case .passed: "handshakes_passed"
        case .observed: "handshakes_observed"
        case .admitted: "handshakes_admitted"
        case .reset: "handshakes_reset"
        case .dropped: "handshakes_dropped"
        case .reflex: "limits_by_reflex"
        case .limitsFull: "limits_full"
        case .assembled: "hellos_assembled"
        case .deepHeaders: "headers_too_deep"
        case .resetFailed: "resets_failed"
        case .held: "answers_held"
        case .evicted: "assemblies_evicted"
        case .fragments: "fragments"
        case .fragmentsLost: "fragments_lost"
        case .outOfStep: "flows_out_of_step"
        case .synData: "syns_with_data"
        case .answers: "answers"
        case .answersCounted: "answers_counted"
        case .answersRefused: "answers_refused"
        case .answersUnseen: "answers_unseen"
        case .refusedAgain: "frames_of_refused"
        case .outOfReach: "segments_out_of_reach"
        case .shared: "limits_shared"
        case .multipath: "multipath_removed"
        case .unreadable: "frames_unreadable"
        case .translated: "handshakes_translated"
        case .quicTold: "quic_datagrams"
        case .quicLost: "quic_datagrams_lost"
        case .quicSmall: "quic_initials_small"
        case .quicAnswers: "quic_answers"
        case .quicProven: "quic_connections_proven"
        case .quicRetries: "quic_retries"
        case .quicNegotiations: "quic_negotiations"
        case .quicCounted: "quic_answers_counted"
        case .quicRefused: "quic_answers_refused"
        case .tunnelsSealed: "tunnels_sealed"
        case .tunnelsSplit: "tunnels_fragmented"
        case .quicOpened: "quic_initials_opened"
        case .quicBad: "quic_initials_bad"
        case .quicJudged: "quic_hellos_judged"
        case .quicLeft: "quic_datagrams_left"
        case .quicOverBudget: "quic_initials_over_budget"
        case .quicEvicted: "quic_hellos_evicted"
        case .quicOpeningNanoseconds: "quic_opening_nanoseconds"
        case .named: "proxy_headers_believed"
        case .unnamed: "proxy_headers_ignored"
        }
    }
}

/// One reading of all counters.
package struct Counters: Sendable, Equatable {
    private var values: [UInt64]

    package init(_ values: [UInt64] = []) {
        self.values = values + [UInt64](repeating: 0, count: max(0, Counter.allCases.count - values.count))
    }

    package subscript(counter: Counter) -> UInt64 { values[counter.rawValue] }

    /// Every verdict has a record or a loss, and exactly one outcome.
    package var balance: Bool {
        let outcomes: [Counter] = [.allowed, .passed, .observed, .admitted, .reset, .dropped]
        return self[.seen] == self[.emitted] + self[.lost] && self[.seen] == outcomes.reduce(0) { $0 + self[$1] }
    }
}

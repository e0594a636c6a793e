internal import CWire

/// What can be wrong with a handshake. The raw value is the bit in the record (`enum weir_anomaly`).
package enum Anomaly: UInt8, CaseIterable, Sendable, Hashable, Comparable {
    case missingSNI = 0
    case emptySNI = 1
    case ipLiteralSNI = 2
    case invalidSNI = 3
    case unknownSNI = 4
    case alpnWithoutSNI = 5
    case alpnUnexpected = 6
    case alpnMalformed = 7
    case sslv2Hello = 8
    case obsoleteVersion = 9
    case obsoleteSSL = 10
    case weakCiphersOnly = 11
    case absurdCiphers = 12
    case dheForcing = 13
    case compressionOffered = 14
    case fallbackSCSV = 15
    case notTLS = 16
    case badRecord = 17
    case malformedHello = 18
    case oversizedHello = 19
    case truncatedHello = 20
    case tinyFragments = 21
    case recordFragmentation = 22
    case overlapConflict = 23
    case duplicateExtension = 24
    case pskNotLast = 25
    case replayedHello = 26
    case clientHelloFlood = 27
    case connectNoHello = 28
    case slowHello = 29
    case handshakeIncomplete = 30
    case fatalAlertRate = 31
    case renegotiationFlood = 32
    case heartbleedProbe = 33
    case earlyCCS = 34
    case fingerprintDenied = 35
    case fingerprintChurn = 36
    case fingerprintSwarm = 37
    case tlsScan = 38
    case unjudgedHello = 39
    case unseenAnswer = 40
    case urgentData = 41

    /// The id in policies, events and docs.
    package var id: String {
        switch self {
        case .missingSNI: "missing_sni"
        case .emptySNI: "empty_sni"
        case .ipLiteralSNI: "ip_literal_sni"
        case .invalidSNI: "invalid_sni"
        case .unknownSNI: "unknown_sni"
        case .alpnWithoutSNI: "alpn_without_sni"
        case .alpnUnexpected: "alpn_unexpected"
        case .alpnMalformed: "alpn_malformed"
        case .sslv2Hello: "sslv2_hello"
        case .obsoleteVersion: "obsolete_version"
        case .obsoleteSSL: "obsolete_ssl"
        case .weakCiphersOnly: "weak_ciphers_only"
        case .absurdCiphers: "absurd_ciphers"
        case .dheForcing: "dhe_forcing"
        case .compressionOffered: "compression_offered"
        case .fallbackSCSV: "fallback_scsv"
        case .notTLS: "not_tls"
        case .badRecord: "bad_record"
        case .malformedHello: "malformed_hello"
        case .oversizedHello: "oversized_hello"
        case .truncatedHello: "truncated_hello"
        case .tinyFragments: "tiny_fragments"
        case .recordFragmentation: "record_fragmentation"
        case .overlapConflict: "overlap_conflict"
        case .duplicateExtension: "duplicate_extension"
        case .pskNotLast: "psk_not_last"
        case .replayedHello: "replayed_hello"
        case .clientHelloFlood: "client_hello_flood"
        case .connectNoHello: "connect_no_hello"
        case .slowHello: "slow_hello"
        case .handshakeIncomplete: "handshake_incomplete"
        case .fatalAlertRate: "fatal_alert_rate"
        case .renegotiationFlood: "renegotiation_flood"
        case .heartbleedProbe: "heartbleed_probe"
        case .earlyCCS: "early_ccs"
        case .fingerprintDenied: "fingerprint_denied"
        case .fingerprintChurn: "fingerprint_churn"
        case .fingerprintSwarm: "fingerprint_swarm"
        case .tlsScan: "tls_scan"
        case .unjudgedHello: "unjudged_hello"
        case .unseenAnswer: "unseen_answer"
        case .urgentData: "urgent_data"
        }
    }

    package init?(id: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.id == id }) else { return nil }
        self = found
    }

    package static func < (left: Anomaly, right: Anomaly) -> Bool { left.rawValue < right.rawValue }
}

package struct AnomalySet: OptionSet, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt64
    package init(rawValue: UInt64) { self.rawValue = rawValue }
    package init(_ anomaly: Anomaly) { rawValue = 1 << UInt64(anomaly.rawValue) }
    package init(_ anomalies: some Sequence<Anomaly>) { rawValue = anomalies.reduce(0) { $0 | 1 << UInt64($1.rawValue) } }

    package func contains(_ anomaly: Anomaly) -> Bool { rawValue >> UInt64(anomaly.rawValue) & 1 == 1 }

    /// In the order of the catalogue. Allocates: for messages and people, not for the loop.
    package var list: [Anomaly] {
        var list: [Anomaly] = []
        forEach { list.append($0) }
        return list
    }

    /// In the same order; what is no anomaly of ours is passed over.
    package func forEach(_ body: (Anomaly) -> Void) {
        var rest = rawValue
        while rest != 0 {
            if let anomaly = Anomaly(rawValue: numericCast(rest.trailingZeroBitCount)) { body(anomaly) }
            rest &= rest - 1
        }
    }
}

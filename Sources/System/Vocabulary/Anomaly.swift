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
    case quicBadInitial = 42
    case quicUnvalidatedFlood = 43
    case quicVersionUnknown = 44

    /// The id in policies, events and docs.
    package var id: String { row.id }
    /// The catalogue's own. Crowds behind one address flood and break off as well, so these count and limit where a policy asks.
    package var severity: Severity { row.severity }

    /// The catalogue. A switch, so that the compiler names an anomaly without a row, which nobody would ever record.
    private var row: (id: String, severity: Severity) {
        switch self {
        case .missingSNI: ("missing_sni", .high)
        case .emptySNI: ("empty_sni", .medium)
        case .ipLiteralSNI: ("ip_literal_sni", .low)
        case .invalidSNI: ("invalid_sni", .high)
        case .unknownSNI: ("unknown_sni", .medium)
        case .alpnWithoutSNI: ("alpn_without_sni", .medium)
        case .alpnUnexpected: ("alpn_unexpected", .low)
        case .alpnMalformed: ("alpn_malformed", .medium)
        case .sslv2Hello: ("sslv2_hello", .high)
        case .obsoleteVersion: ("obsolete_version", .medium)
        case .obsoleteSSL: ("obsolete_ssl", .high)
        case .weakCiphersOnly: ("weak_ciphers_only", .high)
        case .absurdCiphers: ("absurd_ciphers", .medium)
        case .dheForcing: ("dhe_forcing", .high)
        case .compressionOffered: ("compression_offered", .low)
        case .fallbackSCSV: ("fallback_scsv", .info)
        case .notTLS: ("not_tls", .medium)
        case .badRecord: ("bad_record", .high)
        case .malformedHello: ("malformed_hello", .high)
        case .oversizedHello: ("oversized_hello", .medium)
        case .truncatedHello: ("truncated_hello", .low)
        case .tinyFragments: ("tiny_fragments", .medium)
        case .recordFragmentation: ("record_fragmentation", .medium)
        case .overlapConflict: ("overlap_conflict", .high)
        case .duplicateExtension: ("duplicate_extension", .high)
        case .pskNotLast: ("psk_not_last", .medium)
        case .replayedHello: ("replayed_hello", .high)
        case .clientHelloFlood: ("client_hello_flood", .medium)
        case .connectNoHello: ("connect_no_hello", .low)
        case .slowHello: ("slow_hello", .low)
        case .handshakeIncomplete: ("handshake_incomplete", .medium)
        case .fatalAlertRate: ("fatal_alert_rate", .medium)
        case .renegotiationFlood: ("renegotiation_flood", .high)
        case .heartbleedProbe: ("heartbleed_probe", .critical)
        case .earlyCCS: ("early_ccs", .high)
        case .fingerprintDenied: ("fingerprint_denied", .high)
        case .fingerprintChurn: ("fingerprint_churn", .medium)
        case .fingerprintSwarm: ("fingerprint_swarm", .high)
        case .tlsScan: ("tls_scan", .medium)
        case .unjudgedHello: ("unjudged_hello", .high)
        case .unseenAnswer: ("unseen_answer", .medium)
        case .urgentData: ("urgent_data", .high)
        case .quicBadInitial: ("quic_bad_initial", .medium)
        case .quicUnvalidatedFlood: ("quic_unvalidated_flood", .medium)
        case .quicVersionUnknown: ("quic_version_unknown", .low)
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

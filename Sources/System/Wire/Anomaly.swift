internal import CWire

/// What can be wrong with a handshake. The raw value is the bit in the record (`enum weir_anomaly`).
package enum Anomaly: UInt8, CaseIterable, Sendable, Hashable, Comparable {
    case missingSNI = 0
    case emptySNI = 1
    case ipLiteralSNI = 2
    case obsoleteVersion = 3
    case notTLS = 4
    case malformedHello = 5

    /// The id in policies, events and docs.
    package var id: String {
        switch self {
        case .missingSNI: "missing_sni"
        case .emptySNI: "empty_sni"
        case .ipLiteralSNI: "ip_literal_sni"
        case .obsoleteVersion: "obsolete_version"
        case .notTLS: "not_tls"
        case .malformedHello: "malformed_hello"
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
    package var list: [Anomaly] { Anomaly.allCases.filter(contains) }
}

/// info and low are recorded; medium counts as an anomaly; high and critical limit. critical is a rank of its own for whoever reads
/// or filters.
package enum Severity: UInt8, CaseIterable, Sendable, Comparable {
    case info, low, medium, high, critical

    package var id: String {
        switch self {
        case .info: "info"
        case .low: "low"
        case .medium: "med"
        case .high: "high"
        case .critical: "critical"
        }
    }

    package init?(id: some StringProtocol) {
        guard let found = Self.allCases.first(where: { $0.id == id }) else { return nil }
        self = found
    }

    package static func < (left: Severity, right: Severity) -> Bool { left.rawValue < right.rawValue }
}

// The record's small enumerations. Raw values are those of bpf/shared/include/weir/wire.h; WireTests compares them.

package enum Completeness: UInt8, CaseIterable, Sendable {
    case complete, reassembled, incomplete

    package var id: String {
        switch self {
        case .complete: "complete"
        case .reassembled: "reassembled"
        case .incomplete: "incomplete"
        }
    }
}

package enum IncompleteReason: UInt8, CaseIterable, Sendable {
    case none, closed, timeout, tooLong, gaps, capture, reused, noRoom

    package var id: String? {
        switch self {
        case .none: nil
        case .closed: "closed"
        case .timeout: "timeout"
        case .tooLong: "too_long"
        case .gaps: "gaps"
        case .capture: "capture"
        case .reused: "reused"
        case .noRoom: "no_room"
        }
    }
}

/// How sure it is that the source address is who it says.
package enum Proof: UInt8, CaseIterable, Sendable, Comparable {
    case unproven, tracked, socket

    package var id: String {
        switch self {
        case .unproven: "unproven"
        case .tracked: "tracked"
        case .socket: "socket"
        }
    }

    package static func < (left: Proof, right: Proof) -> Bool { left.rawValue < right.rawValue }
}

package enum Direction: UInt8, CaseIterable, Sendable {
    case ingress, egress

    package var id: String { self == .ingress ? "ingress" : "egress" }
}

/// What became of a handshake.
package enum Outcome: UInt8, CaseIterable, Sendable {
    case observed, passed, allowed, admitted, reset, dropped

    package var isRefused: Bool { self == .reset || self == .dropped }
}

/// What is sent to whoever is over the limit.
package enum Answer: UInt8, CaseIterable, Sendable {
    case reset, drop

    package var id: String { self == .reset ? "reset" : "drop" }
    package init?(id: some StringProtocol) {
        switch id {
        case "reset": self = .reset
        case "drop": self = .drop
        default: return nil
        }
    }
}

/// What of a source a limit applies to.
package enum LimitClass: UInt8, CaseIterable, Sendable {
    case anomalous, all

    package var id: String { self == .anomalous ? "anomalous" : "all" }
    package init?(id: some StringProtocol) {
        switch id {
        case "anomalous": self = .anomalous
        case "all": self = .all
        default: return nil
        }
    }
}

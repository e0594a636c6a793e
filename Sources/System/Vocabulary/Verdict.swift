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
    case none, closed, timeout, tooLong, gaps, capture, reused, noRoom, evicted

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
        case .evicted: "evicted"
        }
    }
}

/// What a record tells of.
package enum Kind: UInt8, CaseIterable, Sendable {
    /// A ClientHello, or first client bytes that are none.
    case hello
    /// Something that its flow did besides.
    case flow
    /// No verdict: a QUIC client's datagram, to be opened.
    case datagram
}

/// What a hello came over.
package enum Transport: UInt8, CaseIterable, Sendable {
    case tcp
    /// QUIC (RFC 9000).
    case udp

    /// As OpenTelemetry's `network.transport`.
    package var id: String {
        switch self {
        case .tcp: "tcp"
        case .udp: "udp"
        }
    }
}

/// What first client bytes are that are no TLS.
package enum Subtype: UInt8, CaseIterable, Sendable {
    case none, http, ssh, rdp, other

    package var id: String? {
        switch self {
        case .none: nil
        case .http: "http"
        case .ssh: "ssh"
        case .rdp: "rdp"
        case .other: "other"
        }
    }
}

/// What stood before the hello in the client's bytes.
package enum Preamble: UInt8, CaseIterable, Sendable {
    case none, proxy1, proxy2, connect, socks4, socks5
    // The talk of protocols that become TLS when their client asks for it.
    case smtp, imap, pop3, ftp, ldap, xmpp, irc, postgresql, mysql, rdp

    package static let upgrades: [Preamble] = [.smtp, .imap, .pop3, .ftp, .ldap, .xmpp, .irc, .postgresql, .mysql, .rdp]

    package var id: String? {
        switch self {
        case .none: nil
        case .proxy1: "proxy_v1"
        case .proxy2: "proxy_v2"
        case .connect: "http_connect"
        case .socks4: "socks4"
        case .socks5: "socks5"
        case .smtp: "smtp"
        case .imap: "imap"
        case .pop3: "pop3"
        case .ftp: "ftp"
        case .ldap: "ldap"
        case .xmpp: "xmpp"
        case .irc: "irc"
        case .postgresql: "postgresql"
        case .mysql: "mysql"
        case .rdp: "rdp"
        }
    }
}

/// What was around the frame.
package struct Tunnels: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let ip = Tunnels(rawValue: 1), gre = Tunnels(rawValue: 2), erspan = Tunnels(rawValue: 4), vxlan = Tunnels(rawValue: 8),
        geneve = Tunnels(rawValue: 16), pppoe = Tunnels(rawValue: 32), mpls = Tunnels(rawValue: 64), gtp = Tunnels(rawValue: 128)

    package var ids: [String] {
        ([
            (.pppoe, "pppoe"), (.mpls, "mpls"), (.ip, "ipip"), (.gre, "gre"), (.erspan, "erspan"), (.vxlan, "vxlan"),
            (.geneve, "geneve"), (.gtp, "gtp")
        ] as [(Tunnels, String)]).filter { contains($0.0) }.map(\.1)
    }
}

/// What a flow did that is an anomaly only when its source does it often.
package struct Notes: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// No client record for ten seconds after the hello.
    package static let silent = Notes(rawValue: 1)
    /// A fatal alert in plain text.
    package static let fatalAlert = Notes(rawValue: 2)
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

/// How far a handshake's proof reaches (`enum weir_reach` of bpf/shared/include/weir/wire.h).
package enum Reach: UInt8, CaseIterable, Sendable {
    /// A local socket answered, or a destination that the policy vouches for: others may act on it.
    case source
    /// Anybody behind this node may have answered: it limits the source towards this destination, on this node.
    case destination

    package var id: String {
        switch self {
        case .source: "source"
        case .destination: "destination"
        }
    }
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

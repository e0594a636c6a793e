/// A group that a client offers to agree on a key in (IANA's registry "TLS Supported Groups").
package struct NamedGroup: Sendable, Hashable {
    package let number: UInt16
    package init(_ number: UInt16) { self.number = number }

    /// How a computer with quantum bits fares with it.
    package enum Strength: Sendable, Equatable {
        case classical
        /// ML-KEM (FIPS 203), alone or with a curve (draft-ietf-tls-ecdhe-mlkem, draft-ietf-tls-mlkem).
        case postQuantum
        /// Kyber before it was standardised: today's servers do not take it.
        case draft
    }

    package var isGREASE: Bool { ClientHello.isGREASE(number) }

    package var strength: Strength {
        switch number {
        case 0x0200...0x0202, 0x11eb...0x11ed: .postQuantum
        case 0x6399, 0x639a, 0xfe30, 0xfe31: .draft
        default: .classical
        }
    }

    /// IANA's name; `nil` for what has none, and for the numbers that hardly anybody sends.
    package var name: StaticString? {
        switch number {
        case 0x0015: "secp224r1"
        case 0x0016: "secp256k1"
        case 0x0017: "secp256r1"
        case 0x0018: "secp384r1"
        case 0x0019: "secp521r1"
        case 0x001a: "brainpoolP256r1"
        case 0x001b: "brainpoolP384r1"
        case 0x001c: "brainpoolP512r1"
        case 0x001d: "x25519"
        case 0x001e: "x448"
        case 0x001f: "brainpoolP256r1tls13"
        case 0x0020: "brainpoolP384r1tls13"
        case 0x0021: "brainpoolP512r1tls13"
        case 0x0029: "curveSM2"
        case 0x0100: "ffdhe2048"
        case 0x0101: "ffdhe3072"
        case 0x0102: "ffdhe4096"
        case 0x0103: "ffdhe6144"
        case 0x0104: "ffdhe8192"
        case 0x0200: "MLKEM512"
        case 0x0201: "MLKEM768"
        case 0x0202: "MLKEM1024"
        case 0x11eb: "SecP256r1MLKEM768"
        case 0x11ec: "X25519MLKEM768"
        case 0x11ed: "SecP384r1MLKEM1024"
        case 0x6399: "X25519Kyber768Draft00"
        case 0x639a: "SecP256r1Kyber768Draft00"
        default: nil
        }
    }

    /// The name, or the number as `0x001d`.
    package var text: String {
        if let name { return "\(name)" }
        let digits = String(number, radix: 16)
        return "0x" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
    }

    /// So many of a hello's are told; a hello may list thousands.
    package static let mostTold = 32
}

/// What a client's hello says about agreeing on a key that no quantum computer finds out later.
package enum QuantumReadiness: String, Sendable, CaseIterable {
    /// It sends a key share of a post-quantum group: one round trip.
    case share
    /// It offers such a group without a share: a server that wants it asks again (HelloRetryRequest).
    case offered
    /// It knows a draft of such a group alone.
    case draft
    /// TLS 1.3 with groups of before.
    case classical
    /// No TLS 1.3, where there are no such groups.
    case older

    /// - Parameters:
    ///   - version: the highest offered, as on the wire.
    package init(version: UInt16, groups: NamedGroup.Strength, shares: NamedGroup.Strength) {
        self =
            version < 0x0304
            ? .older : shares == .postQuantum ? .share : groups == .postQuantum ? .offered : groups == .draft ? .draft : .classical
    }
}

extension NamedGroup.Strength {
    /// The better of both.
    package mutating func raise(to other: NamedGroup.Strength) {
        if other == .postQuantum || self == .classical { self = other }
    }
}

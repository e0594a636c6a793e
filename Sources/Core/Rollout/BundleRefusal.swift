/// Why a node does not take a bundle. What runs stays.
package struct BundleRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    /// As metrics, reports and log lines name it.
    package enum Reason: String, Sendable, CaseIterable {
        case unsigned
        case unknownKey = "unknown_key"
        case badSignature = "bad_signature"
        /// Its sequence is not above the last one that this node took of the key.
        case older
        case belowFloor = "below_floor"
        case expired
        case notParseable = "not_parseable"
        case tooLarge = "too_large"
        /// More keys than a node remembers.
        case tooManyKeys = "too_many_keys"
    }

    package let reason: Reason
    /// The rest of the line.
    package let detail: String

    package init(_ reason: Reason, _ detail: String) {
        self.reason = reason
        self.detail = detail
    }

    package var description: String { detail }
}

internal import Detection
internal import Messages
internal import Units
internal import Vocabulary

/// What single detections take besides severity and limit.
extension Policy {
    static func parameters(of anomaly: Anomaly) -> [String] {
        switch anomaly {
        case .unknownSNI: ["serverNames"]
        case .alpnUnexpected: ["protocols"]
        case .clientHelloFlood: ["rate", "burst"]
        case .fatalAlertRate: ["perMinute"]
        case .handshakeIncomplete: ["percent", "atLeast"]
        case .fingerprintDenied: ["ja3", "ja4"]
        case .fingerprintChurn, .fingerprintSwarm, .tlsScan: ["moreThan"]
        default: []
        }
    }

    mutating func read(parametersOf anomaly: Anomaly, _ members: Members) throws(PolicyError) {
        let distinct = 1...Thresholds.mostDistinct
        if let field = members["serverNames"] {
            for element in try field.elements(0...4096) { lists.servedNames.append(try element.serverNamePattern()) }
        }
        if let field = members["protocols"] {
            for element in try field.elements(0...64) { lists.protocols.append(try element.text()) }
        }
        if let field = members["rate"] { thresholds.helloRate = try field.integer(1...1_000_000) }
        if let field = members["burst"] { thresholds.helloBurst = try field.integer(1...1_000_000) }
        if let field = members["perMinute"] { thresholds.alertsPerMinute = try field.integer(1...100_000) }
        if let field = members["percent"] { thresholds.incompletePercent = try field.integer(1...99) }
        if let field = members["atLeast"] { thresholds.incompleteLeast = try field.integer(1...100_000) }
        if let field = members["moreThan"] {
            switch anomaly {
            case .fingerprintChurn: thresholds.fingerprints = try field.integer(distinct)
            case .tlsScan: thresholds.destinations = try field.integer(distinct)
            default: thresholds.swarm = try field.integer(1...1_000_000)
            }
        }
        for (name, kind) in [("ja3", DeniedFingerprint.Kind.ja3), ("ja4", .ja4)] {
            guard let field = members[name] else { continue }
            for element in try field.elements(0...4096) { lists.denied.append(try DeniedFingerprint(element, kind)) }
        }
    }
}

extension Policy.DeniedFingerprint {
    init(_ field: Field, _ kind: Kind) throws(PolicyError) {
        let members = try field.members(["value", "until"])
        let value = try members.required("value")
        self.init(kind, try value.text())
        guard Self.isWellFormed(self.value, kind) else {
            throw value.error(
                kind == .ja3
                    ? "\(quoted(self.value)); a JA3 is 32 hex digits"
                    : "\(quoted(self.value)); a JA4 looks like t13d1516h2_8daaf6152771_e5627efa2ab1")
        }
        if let field = members["until"] {
            let text = try field.text()
            guard let instant = Instant(rfc3339: text) else {
                throw field.error("\(quoted(text)); a time is written as 2027-01-01T00:00:00Z")
            }
            until = instant
        }
    }

    private static func isWellFormed(_ text: String, _ kind: Kind) -> Bool {
        func isHex(_ part: some StringProtocol) -> Bool { part.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) } }
        if kind == .ja3 { return text.utf8.count == 32 && isHex(text) }
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        return parts.count == 3 && parts[0].utf8.count == 10 && (parts[0].hasPrefix("t") || parts[0].hasPrefix("q"))
            && parts.dropFirst().allSatisfy { $0.utf8.count == 12 && isHex($0) }
    }
}

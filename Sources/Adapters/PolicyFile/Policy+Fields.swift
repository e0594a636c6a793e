internal import Detection
internal import Spelling
internal import Units
internal import Vocabulary

// The longest limit, window or cooldown that may be asked for: everything that is imposed ends.
private let year = Duration.seconds(365 * 86_400)

extension Policy {
    init(_ root: Field) throws(PolicyError) {
        self.init()
        let top = try root.members(["apiVersion", "kind", "metadata", "spec"])
        _ = try top.required("apiVersion").choice([("weir.dev/v1alpha1", ())])
        _ = try top.required("kind").choice([("ThrottlePolicy", ())])
        if let field = try top["metadata"]?.members(["name"])["name"] { name = try field.name() }
        let spec = try top.required("spec").members([
            "mode", "ports", "upgrades", "proof", "capture", "decap", "detections", "prefixes", "escalation", "allow", "scaleOut", "trust",
            "quic"
        ])
        if let field = spec["mode"] { mode = try field.choice(Mode.allCases.map { ($0.rawValue, $0) }) }
        if let field = spec["ports"] { ports = try field.ports(1...1024) }
        if let field = spec["upgrades"] { try read(upgradesFrom: field) }
        if let field = spec["proof"] { proof = try field.choice([("tracked", .tracked), ("socket", .socket), ("none", .unproven)]) }
        if let field = spec["capture"] { capture = try field.choice(Capture.allCases.map { ($0.rawValue, $0) }) }
        if let field = spec["decap"] { decap = try field.boolean() }
        if let field = spec["detections"] { try read(detectionsFrom: field) }
        if let field = spec["prefixes"] { prefixes = try PrefixLengths(field) }
        if let field = spec["escalation"] { escalation = try field.escalation() }
        if let field = spec["allow"] { allow = try Allow(field) }
        if let field = spec["scaleOut"] { scaleOut = try ScaleOut(field) }
        if let field = spec["quic"] { quic = try QUIC(field) }
        if let field = spec["trust"] { trust = try Trust(field) }
    }

    /// A port speaks one protocol, and is watched.
    private mutating func read(upgradesFrom field: Field) throws(PolicyError) {
        let members = try field.members(Preamble.upgrades.compactMap(\.id), called: "protocol")
        for kind in Preamble.upgrades {
            guard let id = kind.id, let member = members[id] else { continue }
            for port in try member.ports(1...Policy.mostUpgrades) {
                guard upgrades[port] == nil else { throw member.error("\(port) is another protocol's already") }
                guard upgrades.count < Policy.mostUpgrades else { throw member.error("more than \(Policy.mostUpgrades) ports") }
                upgrades[port] = kind
                if !ports.contains(port) { ports.append(port) }
            }
        }
    }

    private mutating func read(detectionsFrom field: Field) throws(PolicyError) {
        let members = try field.members(Anomaly.allCases.map(\.id), called: "detection")
        for anomaly in Anomaly.allCases {
            guard let member = members[anomaly.id] else { continue }
            let fields = try member.members(["enabled", "severity", "limit"] + Self.parameters(of: anomaly))
            try read(parametersOf: anomaly, fields)
            let rule = try Rule(fields, standard: detections[anomaly] ?? Rule(severity: .medium))
            detections[anomaly] = try fields["enabled"]?.boolean() ?? true ? rule : nil
        }
    }
}

extension Policy.Rule {
    /// Severities from high on limit by themselves; below, only a `limit` that is written out does.
    init(_ members: Members, standard: Policy.Rule) throws(PolicyError) {
        let severity = try members["severity"]?.choice(Severity.allCases.map { ($0.id, $0) }) ?? standard.severity
        self.init(severity: severity, limit: severity >= .high ? Policy.LimitRule() : nil)
        if let field = members["limit"] { limit = try Policy.LimitRule(field) }
    }
}

extension Policy.LimitRule {
    init(_ field: Field) throws(PolicyError) {
        self.init()
        let members = try field.members(["perSecond", "for", "class", "answer"])
        if let field = members["perSecond"] { perSecond = try field.integer(1...255) }
        if let field = members["for"] { duration = try field.duration(.seconds(1)...year) }
        if let field = members["class"] { limitClass = try field.choice(LimitClass.allCases.map { ($0.id, $0) }) }
        if let field = members["answer"] { answer = try field.choice(Answer.allCases.map { ($0.id, $0) }) }
    }
}

extension Policy.QUIC {
    init(_ field: Field) throws(PolicyError) {
        self.init()
        let members = try field.members(["enabled", "ports", "inPacket", "budget", "answer"])
        if let field = members["enabled"] { enabled = try field.boolean() }
        if let field = members["ports"] { ports = try field.ports(1...Self.mostPorts) }
        if let field = members["inPacket"] { inPacket = try field.boolean() }
        if let field = members["budget"] { budget = try field.percent(1...100) }
        // UDP has nothing that both sides take for an end: there is no other answer.
        if let field = members["answer"] { _ = try field.choice([("drop", ())]) }
    }
}

extension Policy.PrefixLengths {
    init(_ field: Field) throws(PolicyError) {
        self.init()
        let members = try field.members(["ipv4", "ipv6"])
        if let field = members["ipv4"] { ipv4 = try field.integer(1...32) }
        if let field = members["ipv6"] { ipv6 = try field.integer(1...128) }
    }
}

extension Policy.Allow {
    init(_ field: Field) throws(PolicyError) {
        self.init()
        let members = try field.members(["cidrs", "nodes", "kubelet", "pods"])
        if let field = members["cidrs"] { cidrs = try field.prefixes() }
        if let field = members["nodes"] { nodes = try field.boolean() }
        if let field = members["kubelet"] { kubelet = try field.boolean() }
        if let field = members["pods"] { pods = try field.boolean() }
    }
}

extension Policy.Trust {
    init(_ field: Field) throws(PolicyError) {
        self.init()
        let members = try field.members(["newSources", "newLimits", "nodes", "operators", "proxies"])
        if let field = members["newSources"] { newSources = try field.integer(1...1_000_000) }
        if let field = members["newLimits"] { newLimits = try field.integer(1...1_000_000) }
        if let field = members["nodes"] { nodes = try field.integer(1...16) }
        if let field = members["proxies"] { proxies = try field.prefixes() }
        guard let field = members["operators"] else { return }
        let fields = try field.members(["ipv4", "ipv6", "perSecond"])
        if let field = fields["ipv4"] { operators.ipv4 = try field.integer(1...32) }
        if let field = fields["ipv6"] { operators.ipv6 = try field.integer(1...128) }
        if let field = fields["perSecond"] { operatorsPerSecond = try field.integer(1...255) }
    }
}

extension Policy.ScaleOut {
    init(_ field: Field) throws(PolicyError) {
        self.init()
        let members = try field.members(["window", "moreThan", "targets"])
        if let field = members["window"] { window = try field.duration(.seconds(1)...(.seconds(86_400))) }
        if let field = members["moreThan"] { moreThan = try field.integer(0...1_000_000) }
        guard let field = members["targets"] else { return }
        for element in try field.elements(0...256) { targets.append(try Policy.Target(element)) }
        let destinations = targets.reduce(0) { $0 + $1.destinations.count }
        guard destinations <= Policy.mostDestinations else {
            throw field.error("\(destinations) destinations; at most \(Policy.mostDestinations)")
        }
    }
}

extension Policy.Target {
    init(_ field: Field) throws(PolicyError) {
        let members = try field.members(["match", "workload", "min", "max", "step", "cooldown", "budgetPerHour"])
        self.init(workload: try members.required("workload").workload())
        if let match = try members["match"]?.members(["ports", "destinations", "serverNames"]) {
            if let field = match["ports"] { ports = try field.ports(0...1024) }
            if let field = match["destinations"] { destinations = try field.prefixes() }
            if let field = match["serverNames"] {
                for element in try field.elements(0...1024) { serverNames.append(try element.serverNamePattern()) }
            }
        }
        if let field = members["min"] { min = try field.integer(0...10_000) }
        if let field = members["max"] { max = try field.integer(1...10_000) }
        if let field = members["step"] { step = try field.integer(1...1000) }
        if let field = members["cooldown"] { cooldown = try field.duration(.seconds(0)...(.seconds(86_400))) }
        if let field = members["budgetPerHour"] { budgetPerHour = try field.integer(1...3600) }
        guard min <= max else { throw (members["min"] ?? members["max"] ?? field).error("min \(min) is above max \(max)") }
    }
}

extension Field {
    fileprivate func ports(_ count: ClosedRange<Int>) throws(PolicyError) -> [UInt16] {
        var ports: [UInt16] = []
        for element in try elements(count) {
            let port = UInt16(try element.integer(1...65_535))
            guard !ports.contains(port) else { throw element.error("\(port) is here twice") }
            ports.append(port)
        }
        return ports
    }

    fileprivate func prefixes() throws(PolicyError) -> [Prefix] {
        var prefixes: [Prefix] = []
        for element in try elements(0...1024) { prefixes.append(try element.prefix()) }
        return prefixes
    }

    fileprivate func escalation() throws(PolicyError) -> [Duration] {
        var steps: [Duration] = []
        for element in try elements(1...16) {
            let step = try element.duration(.seconds(1)...year)
            if let last = steps.last, step < last {
                throw element.error("\(step.text) is shorter than the \(last.text) before it; an escalation climbs")
            }
            steps.append(step)
        }
        return steps
    }

    fileprivate func name() throws(PolicyError) -> String {
        let text = try text()
        guard isLabel(text, upTo: 253, dots: true) else { throw error("\(quoted(text)); a name has lower-case letters, digits, - and .") }
        return text
    }

    fileprivate func workload() throws(PolicyError) -> String {
        let text = try text()
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, isLabel(parts[0], upTo: 63), isLabel(parts[1], upTo: 253, dots: true) else {
            throw error("\(quoted(text)); a workload is namespace/name, such as shop/web")
        }
        return text
    }

    /// `shop.example` or `*.shop.example`, in the letters that travel in a hello.
    func serverNamePattern() throws(PolicyError) -> String {
        let text = try text()
        let labels = (text.hasPrefix("*.") ? text.dropFirst(2) : text[...]).split(separator: ".", omittingEmptySubsequences: false)
        guard text.utf8.count <= 253, labels.allSatisfy({ isLabel($0.lowercased(), upTo: 63, underscore: true) }) else {
            throw error("\(quoted(text)); a server name is shop.example, or *.shop.example for all below it (xn-- for other scripts)")
        }
        return text
    }

    private func isLabel(_ text: some StringProtocol, upTo limit: Int, dots: Bool = false, underscore: Bool = false) -> Bool {
        (1...limit).contains(text.utf8.count) && text.first != "-" && text.last != "-"
            && text.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || $0 == UInt8(ascii: "-")
                    || (dots && $0 == UInt8(ascii: ".")) || (underscore && $0 == UInt8(ascii: "_"))
            }
    }
}

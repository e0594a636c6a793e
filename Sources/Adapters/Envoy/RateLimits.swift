internal import GRPC
internal import Units

/// envoy.service.ratelimit.v3.RateLimitService: exactly so many in any sliding second, for sources that are limited; everybody else passes.
struct RateLimits {
    static let domain = "weir", address = "remote_address", serverName = "server_name"
    /// Envoy's formatter writes a dash where there is no value.
    static let noName = "-"

    /// Times of a source's last admissions.
    private var admissions: [Prefix: [Int64]] = [:]
    private static let most = 100_000
    private static let second: Int64 = 1_000_000_000

    /// RateLimitRequest: domain 1, descriptors 2 { entries 1 { key 1, value 2 } }. RateLimitResponse: overall_code 1 (OK 1, OVER_LIMIT 2).
    mutating func answer(_ bytes: [UInt8], _ sources: LimitedSources, at now: Instant, monotonic: UInt64) throws(Malformed) -> (
        response: [UInt8], isOver: Bool
    ) {
        var isOver = false
        for (address, isNameless) in try Self.connections(bytes) {
            guard let (source, perSecond) = sources.limit(of: address, isNameless: isNameless, at: now) else { continue }
            if !admit(source, perSecond, at: Int64(clamping: monotonic)) { isOver = true }
        }
        var writer = ProtobufWriter(capacity: 8)
        writer.varint(1, isOver ? 2 : 1)
        return (writer.bytes, isOver)
    }

    private mutating func admit(_ source: Prefix, _ perSecond: Int, at now: Int64) -> Bool {
        if admissions.count >= Self.most { admissions = admissions.filter { now - ($0.value.last ?? 0) < Self.second } }
        var times = admissions.removeValue(forKey: source) ?? []
        times.removeAll { now - $0 >= Self.second }
        let isAdmitted = times.count < perSecond
        if isAdmitted { times.append(now) }
        if !times.isEmpty { admissions[source] = times }
        return isAdmitted
    }

    /// Each descriptor's address, and whether it says that no server name was requested. One that says nothing of names is not nameless.
    private static func connections(_ bytes: [UInt8]) throws(Malformed) -> [(Address, isNameless: Bool)] {
        var connections: [(Address, isNameless: Bool)] = [], request = ProtobufReader(bytes[...])
        while let (field, value) = try request.next() {
            guard field == 2, let descriptor = value.bytes else { continue }
            var entries = ProtobufReader(descriptor), addresses: [Address] = [], isNameless = false
            while let (field, value) = try entries.next() {
                guard field == 1, let entry = value.bytes else { continue }
                var parts = ProtobufReader(entry), key = "", text = ""
                while let (field, value) = try parts.next() {
                    if field == 1 { key = value.text ?? "" }
                    if field == 2 { text = value.text ?? "" }
                }
                if key == Self.address, addresses.count < 16, let address = Address(text) { addresses.append(address) }
                if key == serverName { isNameless = text.isEmpty || text == noName }
            }
            for address in addresses where connections.count < 16 { connections.append((address, isNameless)) }
        }
        return connections
    }
}

package import Units

/// The headers that make a Kafka record a CloudEvent 1.0 (Kafka protocol binding, binary mode), and W3C Trace Context's `traceparent`.
///
/// - Parameters:
///   - id: unique within `source`; the same record written twice carries the same.
///   - source: the node, or the controller's group.
///   - traceID: 32 lower-case hexadecimal digits; anything else leaves `traceparent` out.
package func cloudEventHeaders(id: String, source: String, type: String, time: Instant, traceID: String) -> [(name: String, value: String)]
{
    var headers = [
        (name: "ce_specversion", value: "1.0"), (name: "ce_id", value: id), (name: "ce_source", value: source),
        (name: "ce_type", value: type),
        (name: "ce_time", value: time.rfc3339), (name: "content-type", value: "application/json")
    ]
    if let parent = traceparent(traceID: traceID, id: id) { headers.append((name: "traceparent", value: parent)) }
    return headers
}

/// `00-<trace>-<span>-01`. The span is a function of the record's id, so a record written twice stays one span.
package func traceparent(traceID: String, id: String) -> String? {
    guard traceID.utf8.count == 32, traceID.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }),
        traceID.utf8.contains(where: { $0 != 48 })
    else { return nil }
    let span = String(max(fingerprint(of: id.utf8), 1), radix: 16)
    return "00-\(traceID)-\(String(repeating: "0", count: 16 - span.utf8.count))\(span)-01"
}

/// FNV-1a, 64 bits, with a last mix: the same in every process, which `Hasher` is not.
package func fingerprint(of bytes: some Sequence<UInt8>) -> UInt64 {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    hash = (hash ^ hash >> 32) &* 0xd6e8_feb8_6659_fd93
    return hash ^ hash >> 32
}

package import Parquet

/// The columns of the archive's table, in order. A row is a record of a topic; what a kind of record lacks is null.
///
/// Columns may be added at the end and are never renamed: old files have the fewer ones.
package enum ArchiveColumn: Int, CaseIterable, Sendable {
    case kind, time, appended, partition, offset, id, node
    case sourcePrefix, sourceAddress, sourceNumber, sourcePort, proxy, destinationAddress, destinationPort, transport, workload
    case interface, direction, anomalies, severity, completeness, proof, reach
    case serverName, tlsVersion, alpn, ja3, ja4
    case action, limitClass, limitPerSecond, limitAnswer, limitUntil, limitEnforced
    case since, seen, suppressed, reset, dropped, wouldRefuse, enforcedBy, seenToDecided, seenToEnforced
    case policyName, policyVersion, rehearsal
    case origin, generation, step, released, hasRefused, eventsInWindow, eventIDs
    case desiredReplicas, previousReplicas, mode, windowSeconds, moreThan, sourcesOver
    case lost, traceID

    /// As readers of the table see it.
    package var name: String { declaration.name }
    package var type: ColumnKind { declaration.type }

    private var declaration: (name: String, type: ColumnKind) {
        switch self {
        case .kind: ("kind", .text)
        case .time: ("time", .timestamp)
        case .appended: ("appended", .timestamp)
        case .partition: ("log_partition", .int32)
        case .offset: ("log_offset", .int64)
        case .id: ("id", .text)
        case .node: ("node", .text)
        case .sourcePrefix: ("source_prefix", .text)
        case .sourceAddress: ("source_address", .text)
        case .sourceNumber: ("source_number", .int64)
        case .sourcePort: ("source_port", .int32)
        case .proxy: ("proxy_address", .text)
        case .destinationAddress: ("destination_address", .text)
        case .destinationPort: ("destination_port", .int32)
        case .transport: ("transport", .text)
        case .workload: ("workload", .text)
        case .interface: ("interface", .text)
        case .direction: ("direction", .text)
        case .anomalies: ("anomalies", .text)
        case .severity: ("severity", .text)
        case .completeness: ("completeness", .text)
        case .proof: ("proof", .text)
        case .reach: ("reach", .text)
        case .serverName: ("server_name", .text)
        case .tlsVersion: ("tls_version", .text)
        case .alpn: ("alpn", .text)
        case .ja3: ("ja3", .text)
        case .ja4: ("ja4", .text)
        case .action: ("action", .text)
        case .limitClass: ("limit_class", .text)
        case .limitPerSecond: ("limit_per_second", .int32)
        case .limitAnswer: ("limit_answer", .text)
        case .limitUntil: ("until", .timestamp)
        case .limitEnforced: ("limit_enforced", .boolean)
        case .since: ("since", .timestamp)
        case .seen: ("seen", .int64)
        case .suppressed: ("suppressed", .int64)
        case .reset: ("reset", .int64)
        case .dropped: ("dropped", .int64)
        case .wouldRefuse: ("would_refuse", .int64)
        case .enforcedBy: ("enforced_by", .text)
        case .seenToDecided: ("seen_to_decided_us", .int64)
        case .seenToEnforced: ("seen_to_enforced_us", .int64)
        case .policyName: ("policy_name", .text)
        case .policyVersion: ("policy_version", .text)
        case .rehearsal: ("rehearsal", .boolean)
        case .origin: ("origin", .text)
        case .generation: ("generation", .int64)
        case .step: ("step", .int32)
        case .released: ("released", .boolean)
        case .hasRefused: ("has_refused", .boolean)
        case .eventsInWindow: ("events_in_window", .int64)
        case .eventIDs: ("event_ids", .text)
        case .desiredReplicas: ("desired_replicas", .int32)
        case .previousReplicas: ("previous_replicas", .int32)
        case .mode: ("mode", .text)
        case .windowSeconds: ("window_seconds", .int64)
        case .moreThan: ("more_than", .int64)
        case .sourcesOver: ("sources_over", .int64)
        case .lost: ("lost", .text)
        case .traceID: ("trace_id", .text)
        }
    }
}

/// What a row is a record of.
package enum ArchiveKind: String, CaseIterable, Sendable {
    case event, limit, decision
    /// A limit that a tombstone ended.
    case ended
    /// A node's notice that it has lost something (`LossNotice`).
    case loss
}

package enum ArchiveSchema {
    package static let fields: [Field] = ArchiveColumn.allCases.map { .value($0.name, $0.type) }
    /// Columns that are the folders' names, in this order.
    package static let partitions = ["place", "hour"]
}

internal import GRPC

/// What is pushed to Envoy: two extension configs (envoy.config.core.v3.TypedExtensionConfig), each a `name` and a `typed_config`.
///
/// `listed` is an HTTP filter that only marks (RBAC with shadow rules); a limiter that never changes stands behind it. Pushing a limiter itself would
/// reset its buckets at each change. `weir_tls` is a network filter for TLS passthrough: nothing while nobody is limited, else one that asks our
/// rate-limit service.
package enum Resources {
    /// The same bytes have the same version on every replica.
    package struct Resource: Sendable, Equatable {
        package let bytes: [UInt8]
        package let version: String
    }

    package static let typeURL = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
    package static let http = "listed", network = "weir_tls"
    package static let names = [http, network]

    /// - Parameter cluster: Envoy's own name for us, of which the network filter asks.
    package static func make(_ list: SourceList, cluster: String = "weir") -> [String: Resource] {
        [http: listed(list), network: passthrough(isLimiting: !list.prefixes.isEmpty, cluster: cluster)]
    }

    private static func typed(_ name: String, _ type: String, _ value: [UInt8]) -> (inout ProtobufWriter) -> Void {
        { writer in
            writer.string(1, name)
            writer.message(2) { any in
                any.string(1, "type.googleapis.com/" + type)
                any.data(2, value)
            }
        }
    }

    private static func config(_ name: String, _ type: String, _ value: [UInt8]) -> Resource {
        var writer = ProtobufWriter(capacity: value.count + 128)
        typed(name, type, value)(&writer)
        return Resource(bytes: writer.bytes, version: String(fnv(writer.bytes[...]), radix: 16))
    }

    private static func action(_ name: String, denies: Bool) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.string(1, name)
        writer.varint(2, denies ? 1 : 0)
        return writer.bytes
    }

    /// envoy.extensions.filters.http.rbac.v3.RBAC with a shadow matcher over the source's address.
    private static func listed(_ list: SourceList) -> Resource {
        var around = Envelope(around: list.bytes.count)
        if !list.prefixes.isEmpty {
            // A tree without addresses would be refused.
            around.after { $0.message(2) { $0.message(2, typed("denied", "envoy.config.rbac.v3.Action", action("denied", denies: true))) } }
            around.wrap(1)                                      // range_matchers
            around.wrap("addresses", "xds.type.matcher.v3.IPMatcher")
            around.wrap(4)                                      // custom_match
            around.before { $0.message(1, typed("source", "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput", [])) }
            around.wrap(2)                                      // matcher_tree
        }
        around.after { $0.message(3) { $0.message(2, typed("allowed", "envoy.config.rbac.v3.Action", action("allowed", denies: false))) } }
        around.wrap(5)                                          // shadow_matcher
        around.before { $0.string(3, "weir_") }                 // shadow_rules_stat_prefix
        around.wrap(http, "envoy.extensions.filters.http.rbac.v3.RBAC")
        // The list's hash is kept up with the list: reading two megabytes byte by byte would cost more than all the rest.
        return Resource(bytes: around.head + list.bytes + around.tail, version: String(fnv((around.head + around.tail)[...]) &+ list.hash, radix: 16))
    }

    /// envoy.extensions.filters.network.ratelimit.v3.RateLimit that asks us, or an RBAC that has no rules.
    private static func passthrough(isLimiting: Bool, cluster: String) -> Resource {
        var filter = ProtobufWriter()
        guard isLimiting else {
            filter.string(3, "weir_tls")                        // stat_prefix
            return config(network, "envoy.extensions.filters.network.rbac.v3.RBAC", filter.bytes)
        }
        filter.string(1, "weir_tls")                            // stat_prefix
        filter.string(2, RateLimits.domain)
        filter.message(3) { descriptor in
            descriptor.message(1) { entry in
                entry.string(1, RateLimits.key)
                entry.string(2, "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")
            }
        }
        filter.message(4) { $0.varint(2, 50_000_000) }          // timeout: Duration.nanos
        filter.message(6) { service in                          // rate_limit_service
            service.message(2) { grpc in grpc.message(1) { $0.string(1, cluster) } }
            service.varint(4, 2)                                // transport_api_version: V3
        }
        return config(network, "envoy.extensions.filters.network.ratelimit.v3.RateLimit", filter.bytes)
    }
}

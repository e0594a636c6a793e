internal import GRPC
package import Wire

/// What is pushed to Envoy: two extension configs (envoy.config.core.v3.TypedExtensionConfig), each a `name` and a `typed_config`.
///
/// `listed` is an HTTP filter that only marks (RBAC with shadow rules); a limiter that never changes stands behind it. Pushing a limiter itself would
/// reset its buckets at each change. `weir_tls` is a network filter for TLS passthrough: nothing while nobody is limited, else one that asks our
/// rate-limit service.
package enum Resources {
    package static let typeURL = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
    package static let http = "listed", network = "weir_tls"
    package static let names = [http, network]

    /// - Parameter cluster: Envoy's own name for us, of which the network filter asks.
    package static func make(_ prefixes: [Prefix], cluster: String = "weir") -> [String: [UInt8]] {
        [http: listed(prefixes), network: passthrough(isLimiting: !prefixes.isEmpty, cluster: cluster)]
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

    private static func config(_ name: String, _ type: String, _ value: [UInt8]) -> [UInt8] {
        var writer = ProtobufWriter(capacity: value.count + 128)
        typed(name, type, value)(&writer)
        return writer.bytes
    }

    private static func action(_ name: String, denies: Bool) -> [UInt8] {
        var writer = ProtobufWriter()
        writer.string(1, name)
        writer.varint(2, denies ? 1 : 0)
        return writer.bytes
    }

    /// envoy.extensions.filters.http.rbac.v3.RBAC with a shadow matcher over the source's address.
    private static func listed(_ prefixes: [Prefix]) -> [UInt8] {
        var rbac = ProtobufWriter(capacity: prefixes.count * 32 + 512)
        rbac.string(3, "weir_")
        rbac.message(5) { matcher in
            if !prefixes.isEmpty {
                // A tree without addresses would be refused.
                matcher.message(2) { tree in
                    tree.message(1, typed("source", "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput", []))
                    var matcher = ProtobufWriter(capacity: prefixes.count * 32)
                    matcher.message(1) { range in
                        for prefix in prefixes {
                            range.message(1) { cidr in
                                cidr.string(1, prefix.address.description)
                                let length = prefix.address.isIPv4 ? Int(prefix.length) - 96 : Int(prefix.length)
                                cidr.message(2) { $0.varint(1, UInt64(max(0, length))) }
                            }
                        }
                        range.message(2) { $0.message(2, typed("denied", "envoy.config.rbac.v3.Action", action("denied", denies: true))) }
                    }
                    tree.message(4, typed("addresses", "xds.type.matcher.v3.IPMatcher", matcher.bytes))
                }
            }
            matcher.message(3) { $0.message(2, typed("allowed", "envoy.config.rbac.v3.Action", action("allowed", denies: false))) }
        }
        return config(http, "envoy.extensions.filters.http.rbac.v3.RBAC", rbac.bytes)
    }

    /// envoy.extensions.filters.network.ratelimit.v3.RateLimit that asks us, or an RBAC that has no rules.
    private static func passthrough(isLimiting: Bool, cluster: String) -> [UInt8] {
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

/// The same bytes have the same version on every replica (FNV-1a, 64 bits).
func versionOf(_ bytes: [UInt8]) -> String {
    String(bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 16)
}

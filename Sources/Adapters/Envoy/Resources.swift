internal import GRPC

/// What is pushed to Envoy: extension configs (envoy.config.core.v3.TypedExtensionConfig), each a `name` and a `typed_config`.
///
/// `listed` is an HTTP filter that only marks (RBAC with shadow rules); a limiter that never changes stands behind it. Pushing a limiter itself would
/// reset its buckets at each change. `weir_tls` is a network filter for TLS passthrough: nothing while nobody is limited, else one that asks our
/// rate-limit service.
///
/// A listener without tls_inspector knows no requested server name. So these two know the sources of class `all` only.
/// `listed_nameless` and `weir_tls_nameless` are for listeners with tls_inspector: there class `anomalous` limits connections that
/// request no server name.
package enum Resources {
    /// The same bytes have the same version on every replica.
    package struct Resource: Sendable, Equatable {
        package let bytes: [UInt8]
        package let version: String
    }

    package static let typeURL = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
    package static let http = "listed", network = "weir_tls"
    package static let httpNameless = "listed_nameless", networkNameless = "weir_tls_nameless"
    package static let names = [http, network, httpNameless, networkNameless]

    /// - Parameter cluster: Envoy's own name for us, of which the network filter asks.
    package static func make(_ lists: LimitedSources.Lists, cluster: String = "weir") -> [String: Resource] {
        let isAll = !lists.all.prefixes.isEmpty, isAny = isAll || !lists.anomalous.prefixes.isEmpty
        return [
            http: marking(http, lists.all, nameless: SourceList()),
            network: passthrough(network, isLimiting: isAll, asksNames: false, cluster: cluster),
            httpNameless: marking(httpNameless, lists.all, nameless: lists.anomalous),
            networkNameless: passthrough(networkNameless, isLimiting: isAny, asksNames: true, cluster: cluster)
        ]
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

    /// xds.type.matcher.v3.Matcher.OnMatch with an RBAC action.
    private static func action(denies: Bool) -> (inout ProtobufWriter) -> Void {
        let name = denies ? "denied" : "allowed"
        var action = ProtobufWriter()
        action.string(1, name)
        action.varint(2, denies ? 1 : 0)
        return { [bytes = action.bytes] in $0.message(2, typed(name, "envoy.config.rbac.v3.Action", bytes)) }
    }

    /// A matcher's bytes and a hash of them. The hash of a list is kept up with the list: reading two megabytes byte by byte would
    /// cost more than all the rest.
    private typealias Hashed = (bytes: [UInt8], hash: UInt64)

    /// xds.type.matcher.v3.Matcher: a source of the list is given to `onMatch`, every other one to `otherwise`.
    private static func matcher(_ list: SourceList, onMatch: @escaping (inout ProtobufWriter) -> Void, otherwise: Hashed) -> Hashed {
        var around = Envelope(around: list.bytes.count)
        around.after { $0.message(2, onMatch) }
        around.wrap(1)  // range_matchers
        around.wrap("addresses", "xds.type.matcher.v3.IPMatcher")
        around.wrap(4)  // custom_match
        around.before { $0.message(1, typed("source", "envoy.extensions.matching.common_inputs.network.v3.SourceIPInput", [])) }
        around.wrap(2)  // matcher_tree
        let hash = fnv((around.head + around.tail)[...]) &+ list.hash &+ otherwise.hash &* 3
        around.after { $0.data(3, otherwise.bytes) }  // on_no_match
        return (around.head + list.bytes + around.tail, hash)
    }

    /// xds.type.matcher.v3.RegexMatcher: google_re2 1, regex 2.
    private static func notEmpty(_ matcher: inout ProtobufWriter) {
        matcher.message(1) { _ in }
        matcher.string(2, ".+")
    }

    /// xds.type.matcher.v3.Matcher.OnMatch: denied if no server name was requested. Envoy gives no value for a name that is empty.
    private static func ifNameless(_ onMatch: inout ProtobufWriter) {
        onMatch.message(1) { matcher in
            matcher.message(1) { list in
                list.message(1) { field in
                    field.message(1) { predicate in  // predicate
                        predicate.message(1) { single in  // single_predicate
                            single.message(1, typed("name", "envoy.extensions.matching.common_inputs.network.v3.ServerNameInput", []))
                            single.message(2) { value in value.message(5, notEmpty) }  // value_match: safe_regex
                        }
                    }
                    field.message(2, action(denies: false))
                }
            }
            matcher.message(3, action(denies: true))
        }
    }

    /// envoy.extensions.filters.http.rbac.v3.RBAC with a shadow matcher over the source's address, and over the server name for the
    /// second list.
    private static func marking(_ name: String, _ list: SourceList, nameless: SourceList) -> Resource {
        var allowed = ProtobufWriter(), top = ProtobufWriter()
        action(denies: false)(&allowed)
        top.data(3, allowed.bytes)  // on_no_match
        var otherwise: Hashed = (allowed.bytes, 0), found: Hashed = (top.bytes, 0)
        // A tree without addresses would be refused.
        if !nameless.prefixes.isEmpty {
            found = matcher(nameless, onMatch: ifNameless, otherwise: otherwise)
            var inner = ProtobufWriter(capacity: list.prefixes.isEmpty ? 0 : found.bytes.count + 16)
            if !list.prefixes.isEmpty { inner.data(1, found.bytes) }
            otherwise = (inner.bytes, found.hash)
        }
        // Class `all` is asked first: a narrower source of the other list must not hide it.
        if !list.prefixes.isEmpty { found = matcher(list, onMatch: action(denies: true), otherwise: otherwise) }
        var around = Envelope(around: found.bytes.count)
        around.wrap(5)  // shadow_matcher
        around.before { $0.string(3, "weir_") }  // shadow_rules_stat_prefix
        around.wrap(name, "envoy.extensions.filters.http.rbac.v3.RBAC")
        return Resource(
            bytes: around.head + found.bytes + around.tail,
            version: String(fnv((around.head + around.tail)[...]) &+ found.hash, radix: 16))
    }

    /// envoy.extensions.filters.network.ratelimit.v3.RateLimit that asks us, or an RBAC that has no rules.
    private static func passthrough(_ name: String, isLimiting: Bool, asksNames: Bool, cluster: String) -> Resource {
        var filter = ProtobufWriter()
        guard isLimiting else {
            filter.string(3, "weir_tls")  // stat_prefix
            return config(name, "envoy.extensions.filters.network.rbac.v3.RBAC", filter.bytes)
        }
        filter.string(1, "weir_tls")  // stat_prefix
        filter.string(2, RateLimits.domain)
        filter.message(3) { descriptor in
            descriptor.message(1) { entry in
                entry.string(1, RateLimits.address)
                entry.string(2, "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")
            }
            guard asksNames else { return }
            descriptor.message(1) { entry in
                entry.string(1, RateLimits.serverName)
                entry.string(2, "%REQUESTED_SERVER_NAME%")
            }
        }
        filter.message(4) { $0.varint(2, 50_000_000) }  // timeout: Duration.nanos
        filter.message(6) { service in  // rate_limit_service
            service.message(2) { grpc in grpc.message(1) { $0.string(1, cluster) } }
            service.varint(4, 2)  // transport_api_version: V3
        }
        return config(name, "envoy.extensions.filters.network.ratelimit.v3.RateLimit", filter.bytes)
    }
}

#!/bin/bash
# One TLS handshake of Envoy as a client: envoy.sh ENVOY [NAME]. It takes a connection here and passes it on in TLS.
set -euo pipefail
sni=${2:+"sni: $2,"}
config="
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 7000}}
    filter_chains: [{filters: [{name: envoy.filters.network.tcp_proxy, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: out, cluster: out}}]}]
  clusters:
  - name: out
    connect_timeout: 2s
    load_assignment: {cluster_name: out, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 198.51.100.2, port_value: 443}}}}]}]}
    transport_socket: {name: envoy.transport_sockets.tls, typed_config: {'@type': type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext, $sni common_tls_context: {alpn_protocols: [h2]}}}
"
setsid "$1" --config-yaml "$config" --concurrency 1 --log-level off --disable-hot-restart --base-id 77 &
# The whole group, for the wheel's command starts another, and at once: it would take the next one's connections.
group=$!
trap 'kill -9 -- -$group' EXIT
until (exec 3<>/dev/tcp/127.0.0.1/7000 && read -rt 1 <&3) 2>/dev/null; do [ $? -gt 128 ] && break; read -rt 0.1 <> <(:) || true; done

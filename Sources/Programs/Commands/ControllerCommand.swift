package import Arguments

/// weir-controller's command line.
package struct ControllerOptions: Service {
    package let grpc = Option(
        "grpc", .endpoint, "where Envoy (ADS, ECDS, RLS) and KEDA (external scaler) ask", standard: "127.0.0.1:9742")
    package let externalMetrics = Option(
        "external-metrics", .endpoint, "where an HPA's external metrics answer (external.metrics.k8s.io), over the TLS that is given")
    package let kubernetes = Option(
        flag: "kubernetes", "in a pod: patch the Deployments' scale, and never limit what the API server calls nodes and their pods")
    package let rehearsals = Option(
        flag: "rehearsals", "act on the events of rehearsals (weir replay --kafka) as well; without it they are counted and ignored")
    package let otlp = Option(
        "otlp", .url, "tell an OpenTelemetry receiver of each detection's way (OTLP by HTTP), as http://collector:4318")
    package let otlpHeaders = Option(
        "otlp-headers", .file, "with --otlp: header lines for it, such as an Authorization that nobody else may read")
    package let otlpAuthority = Option(
        "otlp-ca", .file,
        "with --otlp: who may have signed the receiver's certificate (PEM), instead of the system's authorities")
    package let certificate = Option(
        "tls-cert", .file, "serve gRPC and external metrics over TLS with this certificate chain (PEM)")
    package let key = Option("tls-key", .file, "and this private key (PEM)")
    package let clientAuthority = Option(
        "tls-client-ca", .file, "and only to clients whose certificate this authority signed (PEM)")
    package let startupTrace = startupTraceOption
    package let insecure = Option(
        flag: "insecure", "serve gRPC and external metrics without TLS beyond loopback, where a mesh or a NetworkPolicy protects them")
    package let policy = PolicyOptions()
    package let service = ServiceOptions(listen: "127.0.0.1:9741")
}

package let controllerCommand = Command(
    "weir-controller", "spread limits to every node, and ask for instances", ControllerOptions(),
    examples: [
        ("weir-controller --policy policy.yaml --kafka broker:9092", "decide, and tell Kafka"),
        (
            "weir-controller ... --grpc 0.0.0.0:9742 --tls-cert tls.crt --tls-key tls.key --tls-client-ca ca.crt",
            "and Envoys, and KEDA, with certificates"
        )
    ]
) { $0 }

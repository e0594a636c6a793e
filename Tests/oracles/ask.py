"""What replicas of the controller answer over gRPC, by Python's gRPC and protobuf.

usage: python3 ask.py PORT... -- WORKLOAD...; one line for each port, a JSON object: the answer to a new Envoy, byte by byte, and KEDA's of each workload.
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
import threading

cut = sys.argv.index("--")
PORTS, WORKLOADS = sys.argv[1:cut], sys.argv[cut + 1:]
TYPE = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"

with tempfile.TemporaryDirectory(prefix="weir-ask-") as home:
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{os.path.dirname(os.path.abspath(__file__))}", f"--python_out={home}", "weir_peers.proto"], check=True)
    sys.path.insert(0, home)
    import grpc                 # noqa: E402
    import weir_peers_pb2 as pb  # noqa: E402


def addresses(answer):
    """The sources that Envoy is to limit, in whatever they do or where they request no name; what it is to do with them stands in the bytes."""
    configs = [pb.NamedConfig.FromString(resource.value) for resource in answer.resources]
    matcher, found = pb.ShadowList.FromString(next(c for c in configs if c.name == "listed_nameless").typed_config.value).shadow_matcher, []
    while matcher.HasField("matcher_tree"):
        rows = pb.IpTable.FromString(matcher.matcher_tree.custom_match.typed_config.value).range_matchers
        found += [f"{c.address_prefix}/{c.prefix_len.value}" for row in rows for c in row.ranges]
        matcher = matcher.on_no_match.matcher
    return sorted(found)


def ask(port):
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        discover = channel.stream_stream("/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", pb.Ask.SerializeToString, pb.Answer.FromString)
        answered = threading.Event()

        def question():
            yield pb.Ask(node=pb.Proxy(id="oracle"), resource_names=["listed_nameless", "weir_tls_nameless"], type_url=TYPE)
            answered.wait()    # an Envoy's stream stays open

        answer = next(discover(question(), timeout=20))
        answered.set()
        scaler = lambda method, kind: channel.unary_unary(f"/externalscaler.ExternalScaler/{method}", lambda m: m.SerializeToString(), kind.FromString)
        wanted = []
        for workload in WORKLOADS:
            namespace, name = workload.split("/")
            one = pb.ScaledObjectRef(name=name, namespace=namespace)
            value = scaler("GetMetrics", pb.Values)(pb.Request(scaledObjectRef=one, metricName="weir-replicas"), timeout=20).metricValues[0]
            active = scaler("IsActive", pb.Active)(one, timeout=20).result
            wanted.append(f"{workload} {value.metricName} {value.metricValue} {value.metricValueFloat} {'active' if active else 'idle'}")
    return {"version": answer.version_info, "resources": [base64.b64encode(r.SerializeToString()).decode() for r in answer.resources], "sources": addresses(answer), "wanted": wanted}


for port in PORTS:
    print(json.dumps(ask(port)))

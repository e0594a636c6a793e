"""How long until everybody knows: 200 attacks on one node; when its neighbours' kernels, an Envoy, KEDA and the decisions topic have it.

usage (by `make bench-cluster`): unshare -n python3 cluster.py PROGRAMS [mock|noida|apache]
Three agents, each with an interface of its own, one controller, one broker process, one Envoy, all on this machine's two cores.
"""
import datetime
import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import lab

PROGRAMS, BROKER = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "noida"
HOME = tempfile.TemporaryDirectory(prefix="weir-cluster-")
COUNT, NODES = 200, ("a", "b", "c")

subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{lab.ROOT}/Tests/oracles", f"--python_out={HOME.name}", "weir_peers.proto"], check=True)
sys.path.insert(0, HOME.name)
import grpc                  # noqa: E402
import weir_peers_pb2 as pb  # noqa: E402


def start(*words, **options): return lab.start(HOME.name, *words, **options)
def wait(what, condition, seconds=40): return lab.wait(HOME.name, what, condition, seconds)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def frame(source, destination, ports, sequence, acknowledged, flags, payload=b""):
    tcp = struct.pack("!HHIIBBHHH", *ports, sequence, acknowledged, 0x50, flags, 65535, 0, 0) + payload
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, source, destination)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip + tcp


def hello(number):
    body = b"\3\3" + struct.pack("!Q", number) + os.urandom(24) + b"\0" + b"\0\4\x13\1\x13\2" + b"\1\0" + b"\0\7\0\x2b\0\3\2\3\4"
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + struct.pack("!H", len(message)) + message


def quantiles(values):
    values = sorted(values)
    return f"{1000 * values[len(values) // 2]:6.1f} ms p50 {1000 * values[min(len(values) - 1, int(len(values) * 0.99))]:6.1f} ms p99 {1000 * values[-1]:6.1f} ms at most   ({len(values)})" if values else "nothing arrived"


def main():
    lab.begin(PROGRAMS)
    for node in NODES:
        subprocess.run(f"ip link add {node}0 type veth peer name {node}1 && ip link set {node}0 up && ip link set {node}1 up", shell=True, check=True)
    targets = "\n".join(f"    - {{workload: shop/w{n}, min: 1, max: 9, match: {{destinations: [198.51.100.{n + 1}/32]}}}}" for n in range(COUNT + 1))
    open(f"{HOME.name}/policy.yaml", "w").write(
        "apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: bench}\nspec:\n  mode: enforce\n  allow: {nodes: false, kubelet: false}\n"
        f"  detections: {{tls_scan: {{enabled: false}}, fingerprint_swarm: {{enabled: false}}}}\n  scaleOut:\n    moreThan: 0\n    targets:\n{targets}\n")
    kafka = lab.broker(HOME.name, PROGRAMS, BROKER)
    # A mock cluster does not wake a long poll.
    open(f"{HOME.name}/kafka.conf", "w").write(f"bootstrap.servers={kafka}\nfetch.wait.max.ms=5\n" if BROKER == "mock" else f"bootstrap.servers={kafka}\n")
    common = ["--policy", f"{HOME.name}/policy.yaml", "--kafka-config", f"{HOME.name}/kafka.conf"]
    start(f"{PROGRAMS}/weir-controller", *common, "--listen", "127.0.0.1:9741", "--grpc", "127.0.0.1:9742")
    wait("the controller", lambda: lab.get(9741, "/readyz"))
    for index, node in enumerate(NODES):
        start(f"{PROGRAMS}/weir-agent", *common, "--interface", f"{node}0", "--node", node, "--listen", f"127.0.0.1:{9800 + index}")
        wait(f"agent {node}", lambda: lab.get(9800 + index, "/readyz"))
    start(f"{lab.VENV}/envoy", "-c", f"{lab.ROOT}/manifests/envoy/bootstrap.yaml", "--log-level", "error", "--concurrency", "1")
    upstream = socket.create_server(("127.0.0.1", 8080), backlog=256)
    def serve(connection):
        while connection.recv(4096):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    threading.Thread(target=lambda: [threading.Thread(target=serve, args=(upstream.accept()[0],), daemon=True).start() for _ in iter(int, 1)], daemon=True).start()
    wait("Envoy", lambda: socket.socket().connect_ex(("127.0.0.1", 10000)) == 0)

    channel = grpc.insecure_channel("127.0.0.1:9742")
    keda, sent = {}, {}
    def listen(number):
        stream = channel.unary_stream("/externalscaler.ExternalScaler/StreamIsActive", pb.ScaledObjectRef.SerializeToString, pb.Active.FromString)(pb.ScaledObjectRef(name=f"w{number}", namespace="shop"))
        def read():
            try:
                for _ in stream:
                    keda.setdefault(number, time.time() - sent.get(number, time.time()))
            except grpc.RpcError:
                pass    # the end
        threading.Thread(target=read, daemon=True).start()
    for number in range(COUNT + 1):
        listen(number)
    decided, heard = {}, {}
    def follow(topic, times, number):
        tail = start(f"{PROGRAMS}/weir", "tail", topic, "--from-beginning", "--format", "json", "--kafka-config", f"{HOME.name}/kafka.conf", stdout=subprocess.PIPE, text=True)
        def read():
            for line in tail.stdout:
                arrived, which = time.time(), number(json.loads(line))
                times.setdefault(which, arrived - sent[which])
        threading.Thread(target=read, daemon=True).start()
    follow("decisions", decided, lambda record: int(record["workload"].rsplit("w", 1)[1]))
    follow("events", heard, lambda record: int(record["destination.address"].rsplit(".", 1)[1]) - 1)
    wait("the streams", lambda: f"keda_streams {COUNT + 1}" in (lab.get(9741, "/metrics") or ""))
    wait("the nodes' reports", lambda: all(lab.metric("reports_delivered_total", 9800 + index, "weir_agent_") for index in range(len(NODES))))
    wait("partitions", lambda: "partitions assigned" in open(f"{HOME.name}/log").read())

    wire, back, envoy = socket.socket(socket.AF_PACKET, socket.SOCK_RAW), socket.socket(socket.AF_PACKET, socket.SOCK_RAW), {}
    wire.bind(("a1", 0))
    back.bind(("a0", 0))

    def attack(number):
        source, destination = socket.inet_aton(f"127.1.{number // 200}.{number % 200 + 1}"), socket.inet_aton(f"198.51.100.{number + 1}")
        back.send(frame(destination, source, (443, 40000), 5000, 1001, 0x12))
        wire.send(frame(source, destination, (40000, 443), 1001, 5001, 0x10))
        sent[number] = time.time()
        wire.send(frame(source, destination, (40000, 443), 1001, 5001, 0x18, hello(number)))
        connection = http.client.HTTPConnection("127.0.0.1", 10000, timeout=5, source_address=(socket.inet_ntoa(source), 0))
        while time.time() - sent[number] < 3:
            connection.request("GET", "/")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 429:
                envoy[number] = time.time() - sent[number]
                break
        connection.close()
    # The first finds readers and connections that are only being made: told apart.
    attack(0)
    wait("the first", lambda: all(0 in times for times in (keda, decided, heard)), 20)
    for number in range(1, COUNT + 1):
        attack(number)
        time.sleep(0.02)
    wait("the rest", lambda: len(keda) == len(decided) == len(heard) == COUNT + 1, 20)
    first = [1000 * times.pop(0, 3) for times in (envoy, keda, decided, heard)]
    status = [json.loads(lab.get(9800 + index, "/status"))["seen_to_limited_here_ns"] for index in range(3)]
    print(f"{COUNT} attacks on node a, broker: {BROKER}; from the hello on the wire to")
    print(f"  the event (one way; the rest two){quantiles(list(heard.values()))}")
    for node, figures in list(zip(NODES, status))[1:]:
        print(f"  the limit in node {node}'s kernel   {figures['p50'] / 1e6:6.1f} ms p50 {figures['p99'] / 1e6:6.1f} ms p99   ({figures['count']})")
    print(f"  429 at Envoy                  {quantiles(list(envoy.values()))}")
    print(f"  KEDA's stream message         {quantiles(list(keda.values()))}")
    print(f"  the scale decision, read      {quantiles(list(decided.values()))}")
    print(f"  before these the first of all: 429 {first[0]:.0f} ms, KEDA {first[1]:.0f} ms, decision {first[2]:.0f} ms, event {first[3]:.0f} ms")


if BROKER not in lab.BROKERS:
    lab.refuse(f"`{BROKER}`: one of {', '.join(lab.BROKERS)} is expected")
code = 0
try:
    main()
except BaseException as error:
    print(f"{type(error).__name__}: {error}")
    code = 1
finally:
    sys.stdout.flush()
    lab.end()
    # Its threads wait for streams that nobody ends.
    os._exit(code)

"""The real controller, a real Envoy, and clients of both, in a network namespace of its own.

usage: unshare -n python3 stage.py CONTROLLER SCENARIO; prints one JSON object of what was observed.
"""
import concurrent.futures
import datetime
import http.client
import json
import os
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

CONTROLLER, SCENARIO = sys.argv[1:3]
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WEIR = os.path.join(os.path.dirname(CONTROLLER), "weir")
ENVOY = os.path.join(os.path.dirname(sys.executable), "envoy")
HOME = tempfile.TemporaryDirectory(prefix="weir-envoy-")
TYPE = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
processes = []

subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}/Tests/oracles", f"--python_out={HOME.name}", "weir_peers.proto"], check=True)
sys.path.insert(0, HOME.name)
import grpc                 # noqa: E402
import weir_peers_pb2 as pb  # noqa: E402


def wait(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    logs = "".join(said(name)[-1500:] for name in os.listdir(HOME.name) if name in ("controller", "again", "second", "envoy"))
    raise SystemExit(f"{SCENARIO}: not within {seconds} s: {what}\n{logs}")


def start(*words, log="log", **options):
    process = subprocess.Popen(words, stderr=open(f"{HOME.name}/{log}", "ab"), **options)
    processes.append(process)
    return process


def said(log): return open(f"{HOME.name}/{log}").read()


def broker():
    return start(WEIR, "broker", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True).stdout.readline().strip()


def policy(target="shop/web"):
    path = f"{HOME.name}/policy.yaml"
    open(path, "w").write(f"apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {{name: stage}}\nspec:\n  mode: enforce\n  scaleOut: {{targets: [{{workload: {target}, min: 2, max: 9}}]}}\n")
    return path


class Controller:
    def __init__(self, bootstrap, *options, port=9742, listen=9741, log="controller"):
        self.port, self.listen, self.log = port, listen, log
        self.process = start(CONTROLLER, "--kafka", bootstrap, "--policy", policy(), "--listen", f"127.0.0.1:{listen}", "--grpc", f"127.0.0.1:{port}", *options, stdout=subprocess.DEVNULL, log=log)

    def ready(self):
        wait("the controller", lambda: self.get("/readyz") or self.process.poll() is not None)
        return self

    def get(self, path):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.listen}{path}", timeout=2).read().decode()
        except OSError:
            return None

    def metric(self, name):
        return next((int(float(line.split()[-1])) for line in (self.get("/metrics") or "").splitlines() if line.startswith(f"weir_controller_{name} ")), 0)

    def kill(self):
        self.process.kill()
        self.process.wait()

    @property
    def memory(self):
        return next(int(line.split()[1]) for line in open(f"/proc/{self.process.pid}/status") if line.startswith("VmRSS"))


def service():
    class Answer(socketserver.BaseRequestHandler):
        def handle(self):
            while self.request.recv(4096):
                self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    class Threads(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads, request_queue_size = True, True, 256
    server = Threads(("127.0.0.1", 8080), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def envoy(change=lambda text: text):
    path = f"{HOME.name}/bootstrap.yaml"
    open(path, "w").write(change(open(f"{ROOT}/manifests/envoy/bootstrap.yaml").read()))
    process = start(ENVOY, "-c", path, "--log-level", "warning", "--concurrency", "1", stdout=subprocess.DEVNULL, log="envoy")
    wait("Envoy", lambda: get("127.0.0.1") == 200)
    return process


def get(source):
    """One request from this address: its status, or 0."""
    connection = http.client.HTTPConnection("127.0.0.1", 10000, timeout=3, source_address=(source, 0))
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def through(source, port=10001, said=b"GET / HTTP/1.1\r\n\r\n"):
    """One connection through a passthrough port: did it reach the service?"""
    s = socket.socket()
    try:
        s.settimeout(3)
        s.bind((source, 0))
        s.connect(("127.0.0.1", port))
        s.sendall(said)
        return bool(s.recv(100))
    except OSError:
        return False
    finally:
        s.close()


def hammer(ask, source, until):
    """Asks until told to stop; when each that passed began and ended, and how many were asked."""
    spans, asked = [], 0
    while not until.is_set():
        before = time.monotonic()
        passed = ask(source)
        asked += 1
        if passed in (200, True):
            spans.append((before, time.monotonic()))
    return spans, asked


def most_in_a_second(spans):
    """What surely lay within one second: the last had ended less than one after the first began."""
    return max([sum(1 for after in spans if after[0] >= first[0] and after[1] - first[0] < 1.0) for first in spans], default=0)


def weir(*words):
    done = subprocess.run([WEIR, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    if done.returncode:
        raise SystemExit(f"weir {' '.join(words)}: {done.stdout}{done.stderr}")


def limit(kafka, prefix, seconds=600): weir("limits", "add", prefix, "--for", f"{seconds}s", "--kafka", kafka)
def release(kafka, prefix): weir("limits", "release", prefix, "--kafka", kafka)


class Subscriber:
    """An xDS client of our own, by Python's protobuf."""

    def __init__(self, port=9742, names=("listed_nameless", "weir_tls_nameless"), method="/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", credentials=None):
        target = f"127.0.0.1:{port}"
        self.channel = grpc.secure_channel(target, credentials, [("grpc.ssl_target_name_override", "weir-controller")]) if credentials else grpc.insecure_channel(target)
        self.asks, self.answers = [], []
        self.go = threading.Condition()
        self.names = names
        self.ask()
        stream = self.channel.stream_stream(method, pb.Ask.SerializeToString, pb.Answer.FromString)(self.requests())
        def read():
            try:
                for answer in stream:
                    self.answers.append(answer)
            except grpc.RpcError as error:
                self.error = error
        threading.Thread(target=read, daemon=True).start()

    def ask(self, nonce="", error=None):
        ask = pb.Ask(node=pb.Proxy(id="oracle"), resource_names=self.names, type_url=TYPE, response_nonce=nonce)
        if error:
            ask.error_detail.message = error
        with self.go:
            self.asks.append(ask)
            self.go.notify()

    def requests(self):
        while True:
            with self.go:
                while not self.asks:
                    self.go.wait()
                ask = self.asks.pop(0)
            if ask is None:
                return
            yield ask

    def latest(self, count): return wait(f"answer {count}", lambda: len(self.answers) >= count and self.answers[-1])
    def acknowledge(self): self.ask(self.answers[-1].nonce)


def listed(answer):
    """The lists, unpacked message by message: the sources of class all, and those that are limited where they request no name."""
    found = {}
    for resource in answer.resources:
        config = pb.NamedConfig.FromString(resource.value)
        kind = config.typed_config.type_url.rsplit(".", 1)[-1]
        if config.name.startswith("listed"):
            shadow = pb.ShadowList.FromString(config.typed_config.value)
            found["prefix"], matcher = shadow.shadow_rules_stat_prefix, shadow.shadow_matcher
            found["addresses"], found["nameless"] = [], []
            while matcher.HasField("matcher_tree"):
                for row in pb.IpTable.FromString(matcher.matcher_tree.custom_match.typed_config.value).range_matchers:
                    found["nameless" if row.on_match.HasField("matcher") else "addresses"] += [f"{c.address_prefix}/{c.prefix_len.value}" for c in row.ranges]
                if not matcher.on_no_match.HasField("matcher"):
                    break
                matcher = matcher.on_no_match.matcher
            found["else"] = pb.Act.FromString(matcher.on_no_match.action.typed_config.value).action
        else:
            found["network"] = kind
            if kind == "RateLimit":
                network = pb.NetworkLimit.FromString(config.typed_config.value)
                found["asks"] = [network.domain, network.descriptors[0].entries[0].key, network.rate_limit_service.grpc_service.envoy_grpc.cluster_name, network.timeout.nanos, network.rate_limit_service.transport_api_version]
    return found


def http_list():
    """A listed source passes three times in any second while others are pushed five times a second; everybody else is untouched."""
    service()
    kafka = broker()
    controller = Controller(kafka).ready()
    envoy()
    free = [get("127.0.0.7") for _ in range(20)]
    limit(kafka, "127.0.0.7")
    wait("the limit", lambda: 429 in [get("127.0.0.7") for _ in range(3)])
    until = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        attacker, neighbour = pool.submit(hammer, get, "127.0.0.7", until), pool.submit(hammer, get, "127.0.0.8", until)
        producer = Producer(kafka, "security-throttle-limits")
        for number in range(20):
            producer.send(f"10.0.0.{number + 1}/32|all", limit_record(f"10.0.0.{number + 1}/32", limit_class="all", origin="operator"))
            time.sleep(0.2)    # five pushes a second are what is tried
        wait("the twenty", lambda: controller.metric("listed_sources") == 21)
        until.set()
        spans, asked = attacker.result()
        others, others_asked = neighbour.result()
    pushes = controller.metric("xds_pushes_total")
    release(kafka, "127.0.0.7")
    wait("the release", lambda: all(get("127.0.0.7") == 200 for _ in range(10)))
    return {"free": free.count(200), "most": most_in_a_second(spans), "passed": len(spans), "asked": asked, "others": len(others), "others_asked": others_asked, "pushes": pushes,
            "refused": controller.metric("xds_refused_total"), "listed": controller.metric("listed_sources"), "streams": controller.metric("xds_streams")}


def away():
    """Envoy starts without the controller; keeps its limits while that is down; and hears from it soon after it is back."""
    service()
    kafka = broker()
    envoy()
    without = [get("127.0.0.7") for _ in range(20)].count(200)
    controller = Controller(kafka).ready()
    limit(kafka, "127.0.0.7")
    wait("the limit", lambda: 429 in [get("127.0.0.7") for _ in range(3)])
    controller.kill()
    down = [get("127.0.0.7") for _ in range(20)]
    limit(kafka, "127.0.0.9")
    controller = Controller(kafka, log="again").ready()
    wait("the limit that was set meanwhile", lambda: 429 in [get("127.0.0.9") for _ in range(3)])
    # An empty list said before the topic was read would have let everything through for a moment.
    after = [get("127.0.0.7") for _ in range(20)]
    return {"without": without, "down": down.count(429), "after": after.count(429), "refused": controller.metric("xds_refused_total")}


def passthrough():
    """TLS passed through: the network filter asks our rate-limit service, which counts any sliding second."""
    service()
    kafka = broker()
    controller = Controller(kafka).ready()
    envoy()
    free = [through("127.0.0.7") for _ in range(20)].count(True)
    limit(kafka, "127.0.0.7")
    wait("the limit", lambda: False in [through("127.0.0.7") for _ in range(5)])
    until = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        attacker, neighbour = pool.submit(hammer, through, "127.0.0.7", until), pool.submit(hammer, through, "127.0.0.8", until)
        wait("nine admissions", lambda: controller.metric("rls_asked_total") - controller.metric("rls_over_limit_total") > 0 and time.monotonic() - began > 3) if (began := time.monotonic()) else None
        until.set()
        spans, asked = attacker.result()
        others, others_asked = neighbour.result()
    release(kafka, "127.0.0.7")
    wait("the release", lambda: all(through("127.0.0.7") for _ in range(10)))
    return {"free": free, "most": most_in_a_second(spans), "passed": len(spans), "asked": asked, "others": len(others), "others_asked": others_asked, "over": controller.metric("rls_over_limit_total"), "refused": controller.metric("xds_refused_total")}


def hello(name):
    """A ClientHello's bytes, with or without a server name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sent = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return sent.read()


def passed_on(source, name, port=10001):
    """Did the service behind a passthrough port answer to this hello?"""
    return through(source, port, hello(name))


def secure(source, name):
    """One request over TLS that Envoy ends: its status, or 0."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", 10443), timeout=3, source_address=(source, 0)) as raw, context.wrap_socket(raw, server_hostname=name) as s:
            s.sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
            return int(s.recv(100).split()[1])
    except (OSError, IndexError):
        return 0


def more_listeners(text):
    """bootstrap.yaml with a listener that ends TLS, made from `http` as its comments say, and a passthrough without tls_inspector."""
    first, second, end = text.index("  - name: http\n"), text.index("  - name: passthrough\n"), text.index("  clusters:\n")
    https, blind = text[first:second], text[second:end]
    https = https.replace("# listener_filters:", "listener_filters:").replace("# transport_socket:", "transport_socket:").replace("name: listed\n", "name: listed_nameless\n").replace("name: http\n", "name: https\n", 1)
    https = https.replace("10000", "10443").replace("filename: server.", f"filename: {HOME.name}/server.")
    blind = "".join(line for line in blind.splitlines(True) if "listener_filters:" not in line).replace("10001", "10002").replace("name: passthrough", "name: blind").replace("weir_tls_nameless", "weir_tls")
    return text[:first] + https + blind + text[first:]


def anomaly():
    """A limit of class anomalous hits nameless connections where tls_inspector runs, and nothing where it does not; one of class all hits all of them."""
    certificates()
    service()
    kafka = broker()
    controller = Controller(kafka).ready()
    envoy(more_listeners)
    producer = Producer(kafka, "security-throttle-limits")
    producer.send("127.0.0.7/32|anomalous", limit_record("127.0.0.7/32"))
    wait("the list", lambda: 429 in [secure("127.0.0.7", None) for _ in range(5)])
    wait("the limit of the passthrough", lambda: False in [passed_on("127.0.0.7", None) for _ in range(5)])
    spans = {"ended": [], "passed": []}
    for _ in range(20):
        for kind, ask in (("ended", secure), ("passed", passed_on)):
            before = time.monotonic()
            if ask("127.0.0.7", None) in (200, True):
                spans[kind].append((before, time.monotonic()))
    tried = {"named": lambda: secure("127.0.0.7", "shop.example"), "named_passed": lambda: passed_on("127.0.0.7", "shop.example"), "plain": lambda: get("127.0.0.7"),
             "blind": lambda: passed_on("127.0.0.7", None, 10002), "blind_named": lambda: passed_on("127.0.0.7", "shop.example", 10002)}
    neighbour = [secure("127.0.0.8", None) for _ in range(20)] + [passed_on("127.0.0.8", None) for _ in range(20)]
    anomalous = {name: sum(1 for _ in range(20) if ask() in (200, True)) for name, ask in tried.items()}
    # A block of class all around the narrower source of class anomalous.
    limit(kafka, "127.0.0.0/29")
    for name, ask in tried.items():
        wait(f"{name} to be limited", lambda: any(ask() not in (200, True) for _ in range(5)))
    outside = [secure("127.0.0.9", "shop.example") for _ in range(20)].count(200)
    release(kafka, "127.0.0.0/29")
    wait("the release", lambda: all(ask() in (200, True) for ask in tried.values() for _ in range(5)))
    return {"most_ended": most_in_a_second(spans["ended"]), "most_passed": most_in_a_second(spans["passed"]), "refused_ended": 20 - len(spans["ended"]), "refused_passed": 20 - len(spans["passed"]),
            "neighbour": sum(1 for status in neighbour if status in (200, True)), "anomalous": anomalous, "outside": outside, "refused": controller.metric("xds_refused_total")}


def protobuf():
    """What is pushed, by another's protobuf; two replicas say the same; limits end by themselves; a refusal is kept and not repeated."""
    kafka = broker()
    first, second = Controller(kafka).ready(), Controller(kafka, port=9743, listen=9751, log="second").ready()
    here, there = Subscriber(), Subscriber(port=9743, method="/envoy.service.extension.v3.ExtensionConfigDiscoveryService/StreamExtensionConfigs")
    empty = listed(here.latest(1))
    here.acknowledge()
    there.latest(1)
    there.acknowledge()
    for prefix in ["203.0.113.9", "198.51.100.0/24", "2001:db8:7::/64"]:
        limit(kafka, prefix)
    Producer(kafka, "security-throttle-limits").send("192.0.2.77/32|anomalous", limit_record("192.0.2.77/32"))
    limit(kafka, "192.0.2.1", seconds=3)
    def all_four(subscriber):
        if subscriber.answers and len(listed(subscriber.answers[-1]).get("addresses", [])) == 4 and listed(subscriber.answers[-1])["nameless"]:
            return subscriber.answers[-1]
        if subscriber.answers: subscriber.acknowledge()
        return None
    four, same = wait("four sources", lambda: all_four(here)), wait("the other's", lambda: all_four(there))
    found = listed(four)
    there.acknowledge()
    # Refused: it keeps what it had, and what is the same is not sent again.
    count = len(here.answers)
    here.ask(four.nonce, error="no thanks")
    wait("the refusal", lambda: first.metric("xds_refused_total") == 1)
    repeated = len(here.answers) - count
    three = wait("the end of one", lambda: len(listed(here.answers[-1])["addresses"]) == 3 and here.answers[-1])
    return {"empty": empty, "found": found, "same": four.version_info == same.version_info and [r.value for r in four.resources] == [r.value for r in same.resources], "repeated": repeated,
            "three": sorted(listed(three)["addresses"]), "log": "no thanks" in said("controller")}


def keda():
    """KEDA's client, by Python's protobuf: wanted replicas, transitions, and what there is not."""
    kafka = broker()
    controller = Controller(kafka).ready()
    channel = grpc.insecure_channel("127.0.0.1:9742")
    def unary(method, answer): return channel.unary_unary(f"/externalscaler.ExternalScaler/{method}", lambda m: m.SerializeToString(), answer.FromString)
    web = pb.ScaledObjectRef(name="web", namespace="shop")
    by_metadata = pb.ScaledObjectRef(name="so", namespace="keda", scalerMetadata={"workload": "shop/web"})
    def metrics(reference): return unary("GetMetrics", pb.Values)(pb.Request(scaledObjectRef=reference, metricName="weir-replicas")).metricValues[0]
    spec = unary("GetMetricSpec", pb.Specs)(web).metricSpecs[0]
    pushed = []
    stream = channel.unary_stream("/externalscaler.ExternalScaler/StreamIsActive", pb.ScaledObjectRef.SerializeToString, pb.Active.FromString)(by_metadata)
    threading.Thread(target=lambda: [pushed.append(message.result) for message in stream], daemon=True).start()
    wait("the stream", lambda: controller.metric("keda_streams") == 1)
    before = (metrics(web).metricValue, unary("IsActive", pb.Active)(web).result)
    # Thirteen events of one source: what an attacked node would have said.
    events = []
    for number in range(14):
        stamp = now()
        events.append({"schema": "weir.dev/throttle-event/v1", "id": f"node:1:{number}", "time": stamp, "node": "node", "interface": "eth0", "direction": "ingress", "source.address": "203.0.113.7", "source.port": 4000 + number,
                       "source.prefix": "203.0.113.7/32", "destination.address": "198.51.100.2", "destination.port": 443, "network.transport": "tcp", "workload": "shop/web", "anomalies": ["missing_sni"], "severity": "high",
                       "completeness": "complete", "proof": "tracked", "tls.client.server_name": None, "tls.client.version": "1.3", "tls.client.alpn": [], "tls.client.ja3": None, "tls.client.ja4": None, "action": "none", "limit": None,
                       "counts": {"since": stamp, "seen": 5, "suppressed": 4, "reset": 2, "dropped": 0}, "enforced_by": "none", "latency_us": {"seen_to_decided": 1, "seen_to_enforced": None},
                       "policy": {"name": "stage", "version": "builtin"}, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"})
    producer = Producer(kafka, "security-throttle-events")
    for event in events:
        producer.send("203.0.113.7/32", json.dumps(event))
    wait("the decision", lambda: metrics(web).metricValue == 3)
    wait("the push", lambda: pushed == [True])
    missing = None
    try:
        metrics(pb.ScaledObjectRef(name="nothing", namespace="nowhere"))
    except grpc.RpcError as error:
        missing = error.code().name
    garbage = None
    try:
        channel.unary_unary("/externalscaler.ExternalScaler/IsActive", lambda b: b, lambda b: b)(b"\xff\xff\xff\xff")
    except grpc.RpcError as error:
        garbage = error.code().name
    unreleased = None
    try:
        unary("StreamMetricSpec", pb.Specs)(web)
    except grpc.RpcError as error:
        unreleased = error.code().name
    second = Controller(kafka, port=9743, listen=9751, log="second").ready()
    other = grpc.insecure_channel("127.0.0.1:9743").unary_unary("/externalscaler.ExternalScaler/GetMetrics", lambda m: m.SerializeToString(), pb.Values.FromString)(pb.Request(scaledObjectRef=web)).metricValues[0]
    return {"spec": [spec.metricName, spec.targetSize, spec.targetSizeFloat], "before": before[0], "idle": not before[1], "after": metrics(by_metadata).metricValue, "float": metrics(web).metricValueFloat, "active": unary("IsActive", pb.Active)(web).result,
            "pushed": pushed, "missing": missing, "garbage": garbage, "unreleased": unreleased, "replica": other.metricValue}


class Producer:
    """By the C library that Weir uses too; there is no other producer on the machine."""

    def __init__(self, kafka, topic):
        import ctypes
        self.c, self.k = ctypes, ctypes.CDLL("librdkafka.so.1")
        for function in (self.k.rd_kafka_conf_new, self.k.rd_kafka_new, self.k.rd_kafka_topic_new):
            function.restype = ctypes.c_void_p
        error = ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(self.k.rd_kafka_conf_new())
        for name, value in (("bootstrap.servers", kafka), ("linger.ms", "0"), ("log_level", "0")):
            self.k.rd_kafka_conf_set(conf, name.encode(), value.encode(), error, 512)
        self.handle = ctypes.c_void_p(self.k.rd_kafka_new(0, conf, error, 512))
        self.topic = ctypes.c_void_p(self.k.rd_kafka_topic_new(self.handle, topic.encode(), None))

    def send(self, key, value):
        # The partition would be the key's; here it only has to be one.
        value, key, size = value.encode(), key.encode(), self.c.c_size_t
        if self.k.rd_kafka_produce(self.topic, 0, 2, value, size(len(value)), key, size(len(key)), None) or self.k.rd_kafka_flush(self.handle, 10000):
            raise SystemExit("a record was not delivered")


def now(ahead=0):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=ahead)).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def limit_record(prefix, generation=1, seconds=600, per_second=3, limit_class="anomalous", origin="controller"):
    """As another node's controller says it, or an operator, who alone may limit all."""
    return json.dumps({"schema": "weir.dev/limit/v1", "prefix": prefix, "class": limit_class, "per_second": per_second, "answer": "reset", "until": now(seconds), "step": 0, "scope": "cluster", "origin": origin,
                       "generation": generation, "has_refused": True, "reason": {"anomalies": ["missing_sni"], "events_in_window": 7, "event_ids": []}, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"})


def certificates():
    def sh(command): subprocess.run(command, shell=True, check=True, cwd=HOME.name, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt")
    for name in ("server", "client"):
        sh(f"openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=weir-controller -keyout {name}.key -out {name}.csr")
        open(f"{HOME.name}/ext", "w").write("subjectAltName=DNS:weir-controller\n")
        sh(f"openssl x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out {name}.crt")


def mutual():
    """With certificates: Envoy has one and is told; who has none, or speaks plain text, is told nothing."""
    certificates()
    service()
    kafka = broker()
    home = HOME.name
    controller = Controller(kafka, "--tls-cert", f"{home}/server.crt", "--tls-key", f"{home}/server.key", "--tls-client-ca", f"{home}/ca.crt").ready()
    def secured(text):
        lines, on, in_clusters = [], False, False
        for line in text.splitlines():
            in_clusters = in_clusters or line == "  clusters:"
            on = on or in_clusters and "# transport_socket:" in line
            lines.append(line.replace("    # ", "    ", 1) if on else line)
        return "\n".join(lines).replace("filename: tls.crt", f"filename: {home}/client.crt").replace("filename: tls.key", f"filename: {home}/client.key").replace("filename: ca.crt", f"filename: {home}/ca.crt")
    envoy(secured)
    limit(kafka, "127.0.0.7")
    wait("the limit", lambda: 429 in [get("127.0.0.7") for _ in range(3)])
    def read(name): return open(f"{home}/{name}", "rb").read()
    def is_told(credentials):
        subscriber = Subscriber(credentials=credentials)
        try:
            grpc.channel_ready_future(subscriber.channel).result(timeout=1.5)
            return bool(wait("an answer", lambda: subscriber.answers, 3))
        except grpc.FutureTimeoutError:
            return False
        finally:
            subscriber.channel.close()
    return {"with": is_told(grpc.ssl_channel_credentials(read("ca.crt"), read("client.key"), read("client.crt"))), "without": is_told(grpc.ssl_channel_credentials(read("ca.crt"))), "plain": is_told(None)}


def hostile():
    """Peers that send garbage, stall, flood, ask for what there is not, and vanish: the others are served, and memory stays."""
    service()
    kafka = broker()
    controller = Controller(kafka).ready()
    envoy()
    producer = Producer(kafka, "security-throttle-limits")
    for number in range(3):
        producer.send(f"10.9.0.{number + 1}/32|anomalous", limit_record(f"10.9.0.{number + 1}/32"))
    # What must never reach the list: no address, another one's key, an end long ago, no JSON at all.
    for key, value in (("10.9.1.1/33|anomalous", limit_record("10.9.1.1/33")), ("10.9.1.2/32|anomalous", limit_record("10.9.1.3/32")), ("10.9.1.4/32|anomalous", limit_record("10.9.1.4/32", seconds=-60)),
                       ("10.9.1.5/32|anomalous", limit_record("10.9.1.5/32").replace("10.9.1.5", "10.9.1.555")), ("10.9.1.6/32|anomalous", "{" * 5000), ("nonsense", "")):
        producer.send(key, value)
    wait("the list", lambda: controller.metric("listed_sources") == 3)
    before = controller.memory
    for number in range(100):
        s = socket.create_connection(("127.0.0.1", 9742))
        s.sendall(os.urandom(400))
        if number % 2:
            s.close()
    # Streams that ask and never read what is pushed, by the hundred.
    stalled = [Subscriber() for _ in range(100)]
    wait("the stalled", lambda: controller.metric("xds_streams") >= 100)
    channel = grpc.insecure_channel("127.0.0.1:9742")
    raw = lambda method: channel.unary_unary(method, lambda b: b, lambda b: b)
    codes = {}
    def code(name, call):
        try:
            call()
            codes[name] = "OK"
        except grpc.RpcError as error:
            codes[name] = error.code().name
    code("garbage", lambda: raw("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")(b"\x0f\xff\xff"))
    code("nothing", lambda: raw("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")(b""))
    code("unknown", lambda: raw("/envoy.service.ratelimit.v3.RateLimitService/Nonsense")(b""))
    code("huge", lambda: raw("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")(b"\x12" + b"\x00" * (2 << 20)))
    stream = channel.stream_stream("/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", lambda b: b, lambda b: b)
    code("stream", lambda: list(stream(iter([b"\x08"]))))
    other = pb.Ask(type_url="type.googleapis.com/envoy.config.cluster.v3.Cluster", resource_names=["x"])
    code("another type", lambda: list(stream(iter([other.SerializeToString()]), timeout=1)))
    for _ in range(2000):
        raw("/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit")(pb.Query(domain="weir", descriptors=[pb.Labels(entries=[pb.Label(key="remote_address", value="10.9.0.1")])]).SerializeToString())
    limit(kafka, "127.0.0.7")
    wait("the limit", lambda: 429 in [get("127.0.0.7") for _ in range(3)])
    for subscriber in stalled:
        subscriber.channel.close()
    wait("the stalled to go", lambda: controller.metric("xds_streams") <= 2)
    return {"codes": codes, "grown": controller.memory - before, "alive": controller.process.poll() is None, "over": controller.metric("rls_over_limit_total"), "malformed": controller.metric("grpc_malformed_total"), "listed": controller.metric("listed_sources"), "refused": controller.metric("xds_refused_total")}


def wrong():
    """What is said of options that cannot be."""
    certificates()
    home, results = HOME.name, {}
    s = socket.create_server(("127.0.0.1", 9742))
    for name, options in {"taken": ["--grpc", "127.0.0.1:9742"], "half": ["--tls-cert", f"{home}/server.crt"], "no file": ["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "no key": ["--tls-cert", f"{home}/server.crt", "--tls-key", f"{home}/policy.yaml"],
                          "open": ["--grpc", "0.0.0.0:9742"], "open six": ["--grpc", "[::]:9742"], "named": ["--grpc", "weir.example:9742"], "insecure": ["--grpc", "0.0.0.0:9742", "--insecure"], "metrics": ["--external-metrics", "0.0.0.0:9743"], "metrics insecure": ["--external-metrics", "[::]:9743", "--insecure", "--grpc", "127.0.0.1:9742"],
                          "other key": ["--grpc", "127.0.0.1:0", "--tls-cert", f"{home}/server.crt", "--tls-key", f"{home}/client.key"]}.items():
        policy()
        done = subprocess.run([CONTROLLER, "--kafka", "127.0.0.1:1", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        results[name] = {"code": done.returncode, "error": done.stderr.decode()}
    return results


try:
    subprocess.run("ip link set lo up && ip addr add 10.0.0.1/8 dev lo", shell=True, check=True)
    observed = globals()[SCENARIO]()
    print(json.dumps(observed))
except BaseException as error:
    print(f"{type(error).__name__}: {error}")
finally:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
    sys.stdout.flush()
    os._exit(0 if "observed" in globals() else 1)

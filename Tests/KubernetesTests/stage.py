"""The real controller in what looks to it like a pod, a stand-in API server (api.py), and kubectl as a client of both.

usage: unshare -n -m python3 stage.py CONTROLLER SCENARIO; prints one JSON object of what was observed.
"""
import datetime
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

CONTROLLER, SCENARIO = sys.argv[1:3]
HERE = os.path.dirname(os.path.abspath(__file__))
WEIR = os.path.join(os.path.dirname(CONTROLLER), "weir")
HOME = tempfile.TemporaryDirectory(prefix="weir-kubernetes-")
TOKEN, ACCOUNT = "a-token-that-rotates", "/var/run/secrets/kubernetes.io/serviceaccount"
processes = []


def wait(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise SystemExit(f"{SCENARIO}: not within {seconds} s: {what}\n{open(HOME.name + '/log').read()[-3000:]}")


def start(*words, **options):
    process = subprocess.Popen(words, stderr=open(f"{HOME.name}/log", "ab"), **options)
    processes.append(process)
    return process


def sh(command): subprocess.run(command, shell=True, check=True, cwd=HOME.name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def certificates():
    sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt")
    for name in ("server", "client"):
        sh(f"openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=system:aggregator -keyout {name}.key -out {name}.csr")
        open(f"{HOME.name}/ext", "w").write("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        sh(f"openssl x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out {name}.crt")
    sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stranger -keyout stranger.key -out stranger.crt")


def account(token=TOKEN, authority="ca.crt"):
    os.makedirs(ACCOUNT, exist_ok=True)
    open(f"{ACCOUNT}/token", "w").write(token + "\n")
    open(f"{ACCOUNT}/namespace", "w").write("weir")
    sh(f"cp {authority} {ACCOUNT}/ca.crt")


def policy(mode="enforce", extra=""):
    path = f"{HOME.name}/policy.yaml"
    open(path, "w").write(f"apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {{name: stage}}\nspec:\n  mode: {mode}\n  scaleOut: {{window: 6s, moreThan: 3, targets: [{{workload: shop/web, min: 2, max: 9, step: 1, cooldown: 1s}}]}}\n{extra}")
    return path


def broker(): return start(WEIR, "broker", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True).stdout.readline().strip()


def api(conflicts=0):
    process = start(sys.executable, f"{HERE}/api.py", "6443", f"{HOME.name}/server.crt", f"{HOME.name}/server.key", TOKEN, str(conflicts), stdout=subprocess.PIPE, text=True)
    process.stdout.readline()


def controller(kafka, *options, mode="enforce"):
    environment = {**os.environ, "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}
    process = start(CONTROLLER, "--kafka", kafka, "--policy", policy(mode), "--listen", "127.0.0.1:9741", "--grpc", "127.0.0.1:0", *options, env=environment, stdout=subprocess.DEVNULL)
    wait("the controller", lambda: get("/readyz") or process.poll() is not None)
    wait("its partitions", lambda: "partitions assigned" in said())
    return process


def said(): return open(f"{HOME.name}/log").read()


def get(path):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:9741{path}", timeout=2).read().decode()
    except OSError:
        return None


def kubectl(*words, config="config"):
    done = subprocess.run(["kubectl", "--kubeconfig", f"{HOME.name}/{config}", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30, env={**os.environ, "HOME": HOME.name})
    return (done.stdout or done.stderr).strip()


def kubeconfig(name, server, certificate=None):
    user = {"token": TOKEN} if not certificate else {"client-certificate": f"{HOME.name}/{certificate}.crt", "client-key": f"{HOME.name}/{certificate}.key"}
    json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
               "clusters": [{"name": "k", "cluster": {"server": server, "certificate-authority": f"{HOME.name}/ca.crt"}}], "users": [{"name": "u", "user": user}]}, open(f"{HOME.name}/{name}", "w"))


def replicas(): return int(kubectl("-n", "shop", "get", "deployment", "web", "-o", "jsonpath={.spec.replicas}") or 0)


def now(): return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


class Events:
    """What attacked nodes would have said."""

    def __init__(self, kafka):
        import ctypes
        self.c, self.k = ctypes, ctypes.CDLL("librdkafka.so.1")
        for function in (self.k.rd_kafka_conf_new, self.k.rd_kafka_new, self.k.rd_kafka_topic_new):
            function.restype = ctypes.c_void_p
        conf, error = ctypes.c_void_p(self.k.rd_kafka_conf_new()), ctypes.create_string_buffer(512)
        for name, value in (("bootstrap.servers", kafka), ("linger.ms", "0"), ("log_level", "0")):
            self.k.rd_kafka_conf_set(conf, name.encode(), value.encode(), error, 512)
        self.handle = ctypes.c_void_p(self.k.rd_kafka_new(0, conf, error, 512))
        self.topic = ctypes.c_void_p(self.k.rd_kafka_topic_new(self.handle, b"security-throttle-events", None))
        self.number = 0

    def send(self, count, source="203.0.113.7"):
        size = self.c.c_size_t
        for _ in range(count):
            self.number += 1
            event = {"schema": "weir.dev/throttle-event/v1", "id": f"node:1:{self.number}", "time": now(), "node": "node", "interface": "eth0", "direction": "ingress", "source.address": source, "source.port": 4000,
                     "source.prefix": f"{source}/32", "destination.address": "198.51.100.2", "destination.port": 443, "network.transport": "tcp", "workload": "shop/web", "anomalies": ["missing_sni"], "severity": "high",
                     "completeness": "complete", "proof": "tracked", "tls.client.server_name": None, "tls.client.version": "1.3", "tls.client.alpn": [], "tls.client.ja3": None, "tls.client.ja4": None, "action": "limited",
                     "limit": {"class": "anomalous", "per_second": 3, "answer": "reset", "until": (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=600)).strftime("%Y-%m-%dT%H:%M:%SZ"), "enforced": True},
                     "counts": {"since": now(), "seen": 5, "suppressed": 4, "reset": 2, "dropped": 0}, "enforced_by": "kernel", "latency_us": {"seen_to_decided": 1, "seen_to_enforced": 0},
                     "policy": {"name": "stage", "version": "builtin"}, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
            value, key = json.dumps(event).encode(), f"{source}/32".encode()
            if self.k.rd_kafka_produce(self.topic, 0, 2, value, size(len(value)), key, size(len(key)), None) or self.k.rd_kafka_flush(self.handle, 10000):
                raise SystemExit("an event was not delivered")


def scale():
    """Out through conflicts, never in while somebody else has more, and back to what it was when all is calm."""
    api(conflicts=2)
    account()
    kubeconfig("config", "https://127.0.0.1:6443")
    before = replicas()
    kafka = broker()
    process = controller(kafka, "--kubernetes")
    events = Events(kafka)
    events.send(4)
    wait("the scale-out", lambda: replicas() == 3)
    first = replicas()
    wait("calm", lambda: replicas() == 2, 60)
    # An operator has scaled further by hand: nobody scales that in, neither now nor afterwards.
    by_hand = kubectl("-n", "shop", "scale", "deployment/web", "--replicas=7")
    events.send(5)
    wait("the second decision", lambda: said().count("scale decision workload=shop/web") >= 2 or said().count(" scale decision ") >= 2)
    wait("its end", lambda: said().count("scale decision over") >= 2, 60)
    # A node of the cluster, as the API server names it, is never limited.
    events.send(2, source="192.0.2.10")
    wait("the node's events", lambda: 'decision="limit_allowed"} 2' in (get("/metrics") or ""))
    return {"before": before, "first": first, "by_hand": by_hand, "after": replicas(), "log": said().count("weir-controller: scaled"), "alive": process.poll() is None}


def restarted():
    """A controller is killed while what it scaled out stands; the next one brings it back, before the decision has ended or after."""
    api()
    account()
    kubeconfig("config", "https://127.0.0.1:6443")
    kafka = broker()
    for round in (0, 1):
        process = controller(kafka, "--kubernetes") if not round else process
        Events(kafka).send(5, source=f"203.0.113.{7 + round}")
        wait("the scale-out", lambda: replicas() == 3)
        process.kill()
        process.wait()
        if not round:      # three windows: the decision is over, and nobody is there
            over = time.monotonic() + 19
            wait("its end", lambda: time.monotonic() > over)
        open(f"{HOME.name}/log", "w").close()
        process = controller(kafka, "--kubernetes")
        wait("the way back", lambda: replicas() == 2, 60)
    return {"left": json.loads(kubectl("get", "--raw", "/api/v1/namespaces/weir/configmaps/weir-scaled"))["data"]}


def observed():
    """Who observes scales nothing."""
    api()
    account()
    kubeconfig("config", "https://127.0.0.1:6443")
    kafka = broker()
    controller(kafka, "--kubernetes", mode="observe")
    Events(kafka).send(5)
    wait("the decision", lambda: "mode=observe" in said() and "scale decision" in said())
    wait("a look", lambda: get("/metrics"))
    return {"replicas": replicas()}


def refused():
    """A token that is not valid, and an authority that did not sign: said in one line, tried again, and nothing breaks."""
    api()
    account(token="wrong")
    kubeconfig("config", "https://127.0.0.1:6443")
    kafka = broker()
    process = controller(kafka, "--kubernetes")
    Events(kafka).send(5)
    # Times and trace ids have a 401 in them now and then.
    def refusals(): return [line.split("not scaled")[1][:120] for line in said().splitlines() if "not scaled" in line and "401;" in line.split("not scaled")[1]]
    wait("the refusal", refusals)
    account()      # the kubelet has renewed it
    wait("the scale-out", lambda: replicas() == 3, 40)
    account(authority="stranger.crt")
    Events(kafka).send(5, source="203.0.113.8")
    return {"token": refusals()[0], "alive": process.poll() is None}


def metrics():
    """kubectl as a client of the external metrics API: with the aggregator's certificate, with another's, and with none."""
    kafka = broker()
    home = HOME.name
    controller(kafka, "--external-metrics", "127.0.0.1:6444", "--tls-cert", f"{home}/server.crt", "--tls-key", f"{home}/server.key", "--tls-client-ca", f"{home}/ca.crt")
    kubeconfig("aggregator", "https://127.0.0.1:6444", "client")
    kubeconfig("stranger", "https://127.0.0.1:6444", "stranger")
    base = "/apis/external.metrics.k8s.io/v1beta1"
    def raw(path, config="aggregator"): return kubectl("get", "--raw", path, config=config)
    def value(selector): return [item["value"] for item in json.loads(raw(f"{base}/namespaces/shop/weir-replicas?labelSelector={selector}"))["items"]]
    idle = value("workload%3Dweb")
    Events(kafka).send(5)
    busy = wait("the decision", lambda: value("workload%3Dweb") == ["3"] and value("workload%3Dweb"))
    items = json.loads(raw(f"{base}/namespaces/shop/weir-replicas"))
    def status(certificate):
        context = ssl.create_default_context(cafile=f"{home}/ca.crt")
        if certificate: context.load_cert_chain(f"{home}/{certificate}.crt", f"{home}/{certificate}.key")
        try:
            return urllib.request.urlopen(f"https://127.0.0.1:6444{base}", context=context, timeout=5).status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0
    return {"idle": idle, "busy": busy, "other": value("workload%3Dnothing"), "elsewhere": json.loads(raw(f"{base}/namespaces/default/weir-replicas"))["items"], "kind": items["kind"], "labels": items["items"][0]["metricLabels"],
            "groups": json.loads(raw("/apis"))["groups"][0]["name"], "resources": json.loads(raw(base))["resources"][0]["name"], "unknown": raw(f"{base}/namespaces/shop/nonsense"), "selector": raw(f"{base}/namespaces/shop/weir-replicas?labelSelector=a%21%3Db"),
            "with": status("client"), "stranger": status("stranger"), "without": status(None)}


def wrong():
    """Outside a pod, or with half of what a pod has: one line and an exit code."""
    policy()
    results = {}
    def run(name, environment):
        done = subprocess.run([CONTROLLER, "--kafka", "127.0.0.1:1", "--grpc", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--kubernetes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20, env={**os.environ, **environment})
        results[name] = {"code": done.returncode, "error": done.stderr.decode()}
    run("outside", {})
    run("no account", {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"})
    return results


try:
    # The account's folder is of this mount namespace alone.
    subprocess.run("mount --make-rprivate / && mkdir -p /run/secrets /var/run/secrets && mount -t tmpfs none /var/run/secrets && ip link set lo up", shell=True, check=True)
    certificates()
    result = globals()[SCENARIO]()
    print(json.dumps(result))
except BaseException as error:
    print(f"{type(error).__name__}: {error}")
finally:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
    sys.stdout.flush()
    os._exit(0 if "result" in globals() else 1)

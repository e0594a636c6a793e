"""A node and a client in namespaces of their own, a real TLS server, the real agent, real clients.

usage: unshare -n python3 stage.py AGENT SCENARIO; prints one JSON object of what was observed.
"""
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

AGENT, SCENARIO = sys.argv[1:3]
SERVER, SERVER6, CLIENT, CLIENT6, PORT = "198.51.100.2", "2001:db8:1::2", "203.0.113.66", "2001:db8::66", 443
HOME = tempfile.TemporaryDirectory(prefix="weir-stage-")
VENV = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.deps/venv/bin/python3")
PYTHON = os.environ.get("WEIR_PYTHON") or (VENV if os.path.exists(VENV) else sys.executable)
PORTS = iter(range(19750, 19800))
processes = []


def sh(command, **options):
    return subprocess.run(command, shell=True, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def wait(what, condition, seconds=15):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise SystemExit(f"{SCENARIO}: not within {seconds} s: {what}")


def policy(mode="enforce", extra=""):
    path = f"{HOME.name}/policy.yaml"
    with open(path + ".new", "w") as file:
        file.write(f"apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {{name: stage}}\nspec:\n  mode: {mode}\n{extra}")
    os.rename(path + ".new", path)
    return path


def link(name, number, client_namespace):
    sh(f"ip link add {name} type veth peer name {name}c netns {client_namespace}")
    sh(f"ip link set {name} up && ip addr add {SERVER}/32 dev {name} && ip addr add {SERVER6}/128 dev {name} nodad")
    sh(f"ip route add 203.0.113.0/24 dev {name} metric {number}; ip -6 route add 2001:db8::/64 dev {name} metric {number}")


class Client:
    """The other namespace; whatever runs in it goes through nsenter."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        processes.append(self.holder)
        mine = os.readlink("/proc/self/ns/net")
        wait("a namespace", lambda: os.path.exists(f"/proc/{self.holder.pid}/ns/net") and os.readlink(f"/proc/{self.holder.pid}/ns/net") != mine)
        self.enter = ["nsenter", "-t", str(self.holder.pid), "-n"]

    def sh(self, command):
        return sh(" ".join(self.enter) + f" sh -c '{command}'")

    def run(self, *words, timeout=10, stdin=b""):
        try:
            return subprocess.run([*self.enter, *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
        except subprocess.TimeoutExpired:
            return None

    def handshakes(self, sources, count, name=None, server=SERVER, timeout=3.0):
        """Handshakes one after the other from each source; spans of those that succeeded."""
        code = f"""
import json, socket, ssl, time
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
result = {{}}
for turn in range({count}):
    for source in {sources!r}:
        entry = result.setdefault(source, {{"attempted": 0, "spans": []}})
        before = time.monotonic(); entry["attempted"] += 1
        try:
            raw = socket.create_connection(({server!r}, {PORT}), timeout={timeout}, source_address=(source, 0))
            context.wrap_socket(raw, server_hostname={name!r}).close()
            entry["spans"].append((before, time.monotonic()))
        except OSError:
            pass
print(json.dumps(result))
"""
        done = self.run(sys.executable, "-c", code, timeout=120)
        return json.loads(done.stdout)


def most_in_a_second(spans):
    """Handshakes that surely lay within one second: the last had ended less than one after the first began."""
    return max([sum(1 for after in spans if after[0] >= first[0] and after[1] - first[0] < 1.0) for first in spans], default=0)


class Agent:
    def __init__(self, *options, listen=None, ready=True):
        self.port = listen or next(PORTS)
        self.log = open(f"{HOME.name}/agent-{self.port}.log", "w+b")
        self.process = subprocess.Popen([AGENT, "--listen", f"127.0.0.1:{self.port}", *options], stderr=self.log, stdout=self.log)
        processes.append(self.process)
        if ready:
            wait("the agent", lambda: self.get("/readyz") is not None or self.process.poll() is not None)

    def get(self, path):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2).read().decode()
        except OSError:
            return None

    @property
    def status(self):
        return json.loads(self.get("/status"))

    def settled(self, seen):
        wait(f"{seen} handshakes", lambda: sum(row["handshakes"] for row in self.status["sources"]) >= seen)
        return self.status

    @property
    def said(self):
        return open(self.log.name).read()

    def capabilities(self):
        return next(line.split()[1] for line in open(f"/proc/{self.process.pid}/status") if line.startswith("CapEff"))

    def stop(self):
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        return {"code": self.process.wait(20), "milliseconds": int((time.monotonic() - began) * 1000)}


def serve():
    sh(f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stage -keyout {HOME.name}/key.pem -out {HOME.name}/cert.pem 2>/dev/null")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{HOME.name}/cert.pem", f"{HOME.name}/key.pem")

    def answer(connection):
        try:
            connection.settimeout(5)
            tls = context.wrap_socket(connection, server_side=True)
            if tls.recv(1024):
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            tls.close()
        except OSError:
            connection.close()

    def listen(family, address):
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, PORT))
        listener.listen(256)
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    for family, address in ((socket.AF_INET, SERVER), (socket.AF_INET6, SERVER6)):
        threading.Thread(target=listen, args=(family, address), daemon=True).start()


def stage(name="inner", others=0):
    sh("ip link set lo up")
    client = Client()
    link(name, 1, client.holder.pid)
    more = "".join(f"ip addr add 203.0.113.{100 + i}/24 dev {name}c; " for i in range(others))
    client.sh(f"ip link set lo up; ip link set {name}c up; ip addr add {CLIENT}/24 dev {name}c; {more} ip addr add {CLIENT6}/64 dev {name}c nodad; "
              f"ip route add {SERVER}/32 dev {name}c; ip -6 route add {SERVER6}/128 dev {name}c")
    serve()
    wait("the server", lambda: client.run("bash", "-c", f"exec 3<>/dev/tcp/{SERVER}/{PORT}", timeout=2).returncode == 0)
    return client


def row(status, address):
    return next((r for r in status["sources"] if r["address"] == address), None)


def stopped():
    client = stage(others=20)
    agent = Agent("--interface", "inner", "--policy", policy())
    agent.process.send_signal(signal.SIGSTOP)
    one = client.handshakes([CLIENT], 60)
    many = client.handshakes([f"203.0.113.{100 + i}" for i in range(20)], 6)
    named = client.handshakes([CLIENT], 5, name="shop.example")
    agent.process.send_signal(signal.SIGCONT)
    status = agent.settled(60 + 120 + 5)
    return {"most": max(most_in_a_second(e["spans"]) for e in (one | many).values()), "admitted": len(one[CLIENT]["spans"]), "named": len(named[CLIENT]["spans"]),
            "balance": status["balance"], "counters": status["counters"], "capabilities": agent.capabilities(), "stop": agent.stop()}


def clients():
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy())
    tls = f"{SERVER}:{PORT}"
    named = {
        "openssl": client.run("openssl", "s_client", "-connect", tls, "-servername", "shop.example").returncode,
        "curl": client.run("curl", "-sk", "--resolve", f"shop.example:{PORT}:{SERVER}", f"https://shop.example:{PORT}/").returncode,
        "gnutls": client.run("gnutls-cli", "--insecure", "-p", str(PORT), "--sni-hostname", "shop.example", SERVER).returncode,
    }
    nameless = [client.run("openssl", "s_client", "-connect", tls, "-noservername").returncode for _ in range(6)]
    again = client.run("curl", "-sk", "--resolve", f"shop.example:{PORT}:{SERVER}", f"https://shop.example:{PORT}/").returncode
    six = client.handshakes([CLIENT6], 12, server=SERVER6)[CLIENT6]
    client.sh("ethtool -K innerc tso off gso off")
    browser = client.run(PYTHON, "-c", f"""
from curl_cffi import Curl, CurlOpt
c = Curl(); c.impersonate("chrome131"); c.setopt(CurlOpt.URL, b"https://shop.example/"); c.setopt(CurlOpt.RESOLVE, ["shop.example:{PORT}:{SERVER}"])
c.setopt(CurlOpt.SSL_VERIFYPEER, 0); c.setopt(CurlOpt.SSL_VERIFYHOST, 0); c.setopt(CurlOpt.CONNECT_ONLY, 1); c.perform(); print("ok")""")
    status = agent.settled(3 + 6 + 1 + 12)
    return {"named": named, "nameless": nameless, "again": again, "six": {"most": most_in_a_second(six["spans"]), "admitted": len(six["spans"])},
            "browser": browser.stdout.decode()[-200:], "assembled": status["counters"]["hellos_assembled"], "status": status["balance"]}


def observe():
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy("observe"))
    got = client.handshakes([CLIENT], 12)
    status = agent.settled(12)
    return {"succeeded": len(got[CLIENT]["spans"]), "refused": row(status, CLIENT)["refused"], "anomalous": row(status, CLIENT)["anomalous"], "said": agent.said, "counters": status["counters"]}


def drop():
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy(extra="  detections: {missing_sni: {severity: high, limit: {perSecond: 1, for: 10m, answer: drop}}}\n"))
    got = client.handshakes([CLIENT], 4, timeout=0.7)
    status = agent.settled(4)
    return {"most": most_in_a_second(got[CLIENT]["spans"]), "succeeded": len(got[CLIENT]["spans"]), "counters": status["counters"]}


def forged():
    client = stage(others=1)
    agent = Agent("--interface", "inner", "--policy", policy())
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x06\x13\x01\x13\x02\x13\x03" + b"\x01\x00" + b"\x00\x00"
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    hello = b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message
    segment = struct.pack(">HHIIBBHHH", 40000, PORT, 1, 1, 0x50, 0x18, 65535, 0, 0) + hello
    code = f"import socket; s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP); s.bind(('203.0.113.100', 0)); [s.sendto({segment!r}, ({SERVER!r}, 0)) for _ in range(20)]"
    client.run(sys.executable, "-c", code)
    wait("the forged hello", lambda: agent.status["counters"]["handshakes_unproven"] > 0)
    before = agent.status
    # The innocent's own first three are admitted, as anybody's.
    got = client.handshakes(["203.0.113.100"], 3)
    return {"unproven": before["counters"]["handshakes_unproven"], "limits": before["counters"]["limits_by_reflex"], "events": before["events"], "succeeded": len(got["203.0.113.100"]["spans"])}


def clsact():
    client = stage()
    options = ("--interface", "inner", "--policy", policy(), "--attach", "clsact")
    agent = Agent(*options)
    first = client.handshakes([CLIENT], 8)
    agent.process.kill()
    agent.process.wait()
    left = sh("tc filter show dev inner ingress")
    agent = Agent(*options)
    second = client.handshakes([CLIENT], 8)
    how = agent.status["attach"]
    filters = sh("tc filter show dev inner ingress").count("weir") + sh("tc filter show dev inner ingress").count("limiter")
    stop = agent.stop()
    return {"attach": how, "most": max(most_in_a_second(g[CLIENT]["spans"]) for g in (first, second)), "left_by_kill": "limiter" in left, "filters": filters, "stop": stop,
            "after": sh("tc filter show dev inner ingress; tc filter show dev inner egress")}


def late():
    client = stage()
    agent = Agent("--interface", "inner", "--interface", "late*", "--policy", policy())
    sh(f"ip link add late0 type veth peer name late0c netns {client.holder.pid} && ip link set late0 up")
    wait("late0", lambda: "late0" in agent.status["interfaces"])
    capabilities = agent.capabilities()
    sh("ip link del late0")
    wait("late0 to go", lambda: "late0" not in agent.status["interfaces"])
    return {"capabilities": capabilities, "interfaces": agent.status["interfaces"], "said": agent.said, "stop": agent.stop()}


def reload():
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy("observe"))
    before = client.handshakes([CLIENT], 6)
    policy("enforce")
    wait("enforce", lambda: agent.status["mode"] == "enforce")
    during = client.handshakes([CLIENT], 12)
    policy("enforce", "  portz: [443]\n")
    wait("the refusal", lambda: "portz" in agent.said)
    mode = agent.status["mode"]
    policy("observe")
    wait("observe", lambda: agent.status["mode"] == "observe")
    after = client.handshakes([CLIENT], 6)
    return {"before": len(before[CLIENT]["spans"]), "during": most_in_a_second(during[CLIENT]["spans"]), "after": len(after[CLIENT]["spans"]), "mode": mode,
            "refusal": [line for line in agent.said.splitlines() if "portz" in line], "balance": agent.status["balance"], "stop": agent.stop()}


def away():
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy(), "--kafka", "127.0.0.1:1")
    got = client.handshakes([CLIENT], 12)
    wait("the complaint", lambda: "does not answer" in agent.said, 20)
    return {"most": most_in_a_second(got[CLIENT]["spans"]), "said": agent.said.count("does not answer"), "stop": agent.stop()}


def operator():
    """An operator's limit reaches the kernel by the topic and nothing else, and its release lifts it."""
    client = stage()
    weir = os.path.join(os.path.dirname(AGENT), "weir")
    broker = subprocess.Popen([weir, "broker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    processes.append(broker)
    bootstrap = broker.stdout.readline().strip()
    agent = Agent("--interface", "inner", "--policy", policy(), "--kafka", bootstrap)
    free = client.handshakes([CLIENT], 5, name="shop.example")
    subprocess.run([weir, "limits", "add", CLIENT, "--class", "all", "--per-second", "1", "--kafka", bootstrap], check=True, stdout=subprocess.DEVNULL)

    def metric(name):
        return next((float(line.split()[-1]) for line in agent.get("/metrics").splitlines() if line.startswith(name + " ")), 0)

    wait("the limit", lambda: metric("weir_agent_limits_generation") >= 1)
    limited = client.handshakes([CLIENT], 12, name="shop.example")
    subprocess.run([weir, "limits", "release", CLIENT, "--kafka", bootstrap], check=True, stdout=subprocess.DEVNULL)
    wait("the release", lambda: len(client.handshakes([CLIENT], 3, name="shop.example")[CLIENT]["spans"]) == 3)
    return {"free": len(free[CLIENT]["spans"]), "limited": most_in_a_second(limited[CLIENT]["spans"]), "refused": row(agent.status, CLIENT)["refused"]}


def wrong():
    sh("ip link set lo up")
    results = {}
    bad = f"{HOME.name}/bad.yaml"
    open(bad, "w").write("apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: x}\nspec:\n  detections:\n    misssing_sni: {severity: high}\n")
    for name, options in {"option": ["--interfaces", "lo"], "interface": ["--interface", "nope7"], "policy": ["--interface", "lo", "--policy", bad],
                          "no policy": ["--interface", "lo", "--policy", "/nowhere.yaml"], "listen": ["--interface", "lo", "--listen", "nonsense"]}.items():
        done = subprocess.run([AGENT, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
        results[name] = {"code": done.returncode, "error": done.stderr.decode()}
    unprivileged = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", AGENT, "--interface", "lo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    results["privilege"] = {"code": unprivileged.returncode, "error": unprivileged.stderr.decode()}
    return results


try:
    print(json.dumps(globals()[SCENARIO]()))
finally:
    for process in processes:
        if process.poll() is None:
            process.kill()

"""A node and a client in namespaces of their own, a real TLS server, the real agent, real clients.

usage: unshare -n python3 stage.py AGENT SCENARIO; prints one JSON object of what was observed.
"""
import concurrent.futures
import ctypes
import fcntl
import http.server
import json
import os
import platform
import pty
import re
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.request
import xml.dom.minidom

AGENT, SCENARIO = sys.argv[1:3]
SERVER, SERVER6, CLIENT, CLIENT6, PORT = "198.51.100.2", "2001:db8:1::2", "203.0.113.66", "2001:db8::66", 443
HOME = tempfile.TemporaryDirectory(prefix="weir-stage-")
PORTS = iter(range(19750, 19800))
PYTHON = os.environ.get("WEIR_PYTHON") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.deps/venv/bin/python3")
WEIR = os.path.join(os.path.dirname(AGENT), "weir")
TRACE_CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../StartupTests/trace.py")
processes, agents, links = [], [], {"lo"}
AGENT_WORDS = [AGENT]
hellos = {}    # client bytes that reached the server, by the client's address


def sh(command, **options):
    return subprocess.run(command, shell=True, check=True, text=True, stdout=subprocess.PIPE, **options).stdout


def wait(what, condition, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise SystemExit(f"{SCENARIO}: not within {seconds} s: {what}" + "".join(f"\n{agent.said[-1500:]}" for agent in agents))


def policy(mode="enforce", extra=""):
    path = f"{HOME.name}/policy.yaml"
    with open(path + ".new", "w") as file:
        file.write(f"apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {{name: stage}}\nspec:\n  mode: {mode}\n{extra}")
    os.rename(path + ".new", path)
    return path


def link(name, number, client_namespace):
    links.add(name)
    sh(f"ip link add {name} type veth peer name {name}c netns {client_namespace}")
    sh(f"ip link set {name} up && ip addr add {SERVER}/32 dev {name} && ip addr add {SERVER6}/128 dev {name} nodad")
    sh(f"ip route add 203.0.113.0/24 dev {name} metric {number}; ip -6 route add 2001:db8::/64 dev {name} metric {number}")


def attached(name):
    """The programs on an interface's two TCX hooks. An agent that starts replaces one: what is gone between two questions is asked again."""
    for _ in range(20):
        try:
            return programs_on(name)
        except subprocess.CalledProcessError as error:
            gone = error
    raise gone


def programs_on(name):
    """Asked of the kernel itself: no bpftool of Debian 12 knows them."""
    names = {}
    for hook, kind in (("ingress", 46), ("egress", 47)):
        ids = (ctypes.c_uint32 * 16)()
        # union bpf_attr, as BPF_PROG_QUERY has it (include/uapi/linux/bpf.h).
        query = struct.pack("=IIIIQIIQQQQ", socket.if_nametoindex(name), kind, 0, 0, ctypes.addressof(ids), 16, 0, 0, 0, 0, 0)
        buffer = ctypes.create_string_buffer(query, len(query))
        number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
        if ctypes.CDLL(None, use_errno=True).syscall(number, 16, buffer, len(query)) < 0:
            raise OSError(ctypes.get_errno(), "BPF_PROG_QUERY")
        count = struct.unpack_from("=I", buffer, 24)[0]
        names[hook] = [json.loads(sh(f"bpftool -j prog show id {ids[i]}"))["name"] for i in range(count)]
    return names


def left_behind():
    """What of the agent's is still there when it has ended: programs, filters, qdiscs, interfaces, itself."""
    left = [f"process {a.process.pid}" for a in agents if a.process.poll() is None]
    for _, name in socket.if_nameindex():
        if name not in links:
            left.append(f"interface {name}")
        left += [f"{name}: program {program}" for programs in attached(name).values() for program in programs]
    # No qdisc, no filters.
    left += [line for line in sh("tc qdisc show").splitlines() if "clsact" in line]
    return left


def filters(name, hook):
    """The names of the BPF filters on a clsact hook; ours are named limiter and tls_probe."""
    done = subprocess.run(["tc", "-j", "filter", "show", "dev", name, hook], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [f["options"]["bpf_name"].split(":")[0] for f in json.loads(done.stdout or "[]") if "bpf_name" in f.get("options", {})]


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

    def from_address(self, address):
        """What does not choose its own address comes from this one."""
        self.sh(f"ip route replace {SERVER}/32 dev innerc src {address}")

    def at_once(self, count, *words):
        """The same program several times at once; when each succeeded, and the exit codes of all."""
        def one(_):
            before = time.monotonic()
            done = self.run(*words, timeout=20)
            return before, time.monotonic(), None if done is None else done.returncode
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            ended = list(pool.map(one, range(count)))
        spans = [(before, after) for before, after, code in ended if code == 0]
        return {"attempted": count, "succeeded": len(spans), "most": most_in_a_second(spans), "hung": sum(1 for e in ended if e[2] is None)}

    def handshakes(self, sources, count, name=None, server=SERVER, timeout=5.0):
        """Handshakes one after the other from each source; spans of those that succeeded, and how the others failed."""
        done = self.run(sys.executable, "-c", HANDSHAKES + f"once({sources!r}, {count}, {name!r}, {server!r}, {timeout})", timeout=180)
        return json.loads(done.stdout)

    def attack(self, source, most):
        """Nameless handshakes until it is told to stop, at most `most` of them and 200 a second, begun when the first was refused."""
        process = subprocess.Popen([*self.enter, sys.executable, "-c", HANDSHAKES + f"until_told({source!r}, {SERVER!r}, {most})"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        process.stdout.readline()
        return process


HANDSHAKES = f"""
import json, select, socket, ssl, sys, time
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
def one(entry, source, name, server, timeout):
    before = time.monotonic(); entry["attempted"] += 1
    try:
        raw = socket.create_connection((server, {PORT}), timeout=timeout, source_address=(source, 0))
        context.wrap_socket(raw, server_hostname=name).close()
        entry["spans"].append((before, time.monotonic()))
    except OSError as error:
        kind = type(error).__name__
        entry["errors"][kind] = entry["errors"].get(kind, 0) + 1
def fresh(): return {{"attempted": 0, "spans": [], "errors": {{}}}}
def once(sources, count, name, server, timeout):
    result = {{source: fresh() for source in sources}}
    for turn in range(count):
        for source in sources: one(result[source], source, name, server, timeout)
    print(json.dumps(result))
def until_told(source, server, most):
    entry = fresh(); said = False
    # Without a bound a long wait makes more records than the ring of a stopped agent holds.
    while not select.select([sys.stdin], [], [], 0.005 if entry["attempted"] < most else None)[0]:
        one(entry, source, None, server, 5)
        if entry["errors"] and not said: said = True; print("refused", flush=True)
    print(json.dumps(entry))
"""


def most_in_a_second(spans):
    """Handshakes that surely lay within one second: the last had ended less than one after the first began."""
    return max([sum(1 for after in spans if after[0] >= first[0] and after[1] - first[0] < 1.0) for first in spans], default=0)


class Agent:
    def __init__(self, *options, listen=None, ready=True, log=None):
        self.port = listen or next(PORTS)
        self.log = log or open(f"{HOME.name}/agent-{self.port}-{len(agents)}.log", "w+b")
        self.process = subprocess.Popen([*AGENT_WORDS, "--listen", f"127.0.0.1:{self.port}", *options], stderr=self.log, stdout=self.log)
        processes.append(self.process)
        agents.append(self)
        if ready:
            wait("the agent", lambda: self.get("/healthz") is not None or self.process.poll() is not None)

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

    def metric(self, name):
        return next((float(line.split()[-1]) for line in self.get("/metrics").splitlines() if line.startswith(name + " ")), 0)

    @property
    def said(self):
        return open(self.log.name).read()

    def capabilities(self):
        return next(line.split()[1] for line in open(f"/proc/{self.process.pid}/status") if line.startswith("CapEff"))

    def stop(self):
        """SIGTERM; the exit code. It has a second, and here the time that a busy machine may take."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def serve():
    sh(f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stage -keyout {HOME.name}/key.pem -out {HOME.name}/cert.pem 2>/dev/null")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{HOME.name}/cert.pem", f"{HOME.name}/key.pem")

    def answer(connection, address):
        try:
            connection.settimeout(5)
            if connection.recv(1, socket.MSG_PEEK):
                hellos[address] = hellos.get(address, 0) + 1
            tls = context.wrap_socket(connection, server_side=True)
            if tls.recv(1024):
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            tls.close()
        except OSError:
            connection.close()

    def listen(family, address):
        listener = socket.socket(family)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, PORT))
        listener.listen(256)
        while True:
            connection, peer = listener.accept()
            threading.Thread(target=answer, args=(connection, peer[0]), daemon=True).start()

    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
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


def limited_again(client, source=CLIENT):
    """Bursts of nameless handshakes until one second of them got all that a limit leaves: the first seconds still count what came before."""
    seen = {"spans": [], "errors": {}}

    def burst():
        got = client.handshakes([source], 6)[source]
        seen["spans"] += got["spans"]
        seen["errors"].update(got["errors"])
        return most_in_a_second(got["spans"]) >= 3 and seen["errors"]
    wait("a whole window's handshakes", burst, 60)
    return seen


def row(status, address):
    return next((r for r in status["sources"] if r["address"] == address), None)


def balance_of(status, address, entry):
    """What a source's client counted against what the agent says of it."""
    found = row(status, address)
    return {"seen": found["handshakes"], "refused": found["refused"], "attempted": entry["attempted"], "failed": entry["attempted"] - len(entry["spans"])}


def stopped():
    client = stage(others=21)
    agent = Agent("--interface", "inner", "--policy", policy())
    agent.process.send_signal(signal.SIGSTOP)
    wait("the stop", lambda: open(f"/proc/{agent.process.pid}/stat").read().split()[2] == "T")
    one = client.handshakes([CLIENT], 60)
    # The ring must hold all that happens until the agent goes on.
    attack = client.attack(CLIENT, 400)
    named = client.handshakes([CLIENT, "203.0.113.120"], 5, name="shop.example")
    rest = json.loads(attack.communicate("stop\n", timeout=20)[0].splitlines()[-1])
    many = client.handshakes([f"203.0.113.{100 + i}" for i in range(20)], 6)
    still = open(f"/proc/{agent.process.pid}/stat").read().split()[2]
    agent.process.send_signal(signal.SIGCONT)
    total = 60 + rest["attempted"] + 10 + 120
    status = agent.settled(total)
    entries = list(one.values()) + list(many.values()) + [rest]
    return {"most": max(most_in_a_second(e["spans"]) for e in entries), "admitted": sum(len(e["spans"]) for e in entries), "failed": sum(e["attempted"] - len(e["spans"]) for e in entries),
            "errors": sorted({kind for e in entries for kind in e["errors"]}), "named": sum(len(e["spans"]) for e in named.values()), "state": still, "total": total,
            "balance": status["balance"], "counters": status["counters"], "capabilities": agent.capabilities(), "code": agent.stop()}


NAMED = {
    "openssl": ["openssl", "s_client", "-connect", f"{SERVER}:{PORT}", "-servername", "shop.example"],
    "curl": ["curl", "-sk", "--resolve", f"shop.example:{PORT}:{SERVER}", f"https://shop.example:{PORT}/"],
    "gnutls": ["gnutls-cli", "--insecure", "-p", str(PORT), "--sni-hostname", "shop.example", SERVER],
}
NAMELESS = {
    "openssl": ["openssl", "s_client", "-connect", f"{SERVER}:{PORT}", "-noservername"],
    "curl": ["curl", "-sk", f"https://{SERVER}:{PORT}/"],
    "gnutls": ["gnutls-cli", "--insecure", "--disable-sni", "-p", str(PORT), SERVER],
}


def clients():
    client = stage(others=6)
    agent = Agent("--interface", "inner", "--policy", policy())
    attack = client.attack(CLIENT, 2000)
    # From the attacker's own address: it is the anomalous handshakes that are limited.
    named = {who: client.at_once(4, *words)["succeeded"] for who, words in NAMED.items()}
    named["python"] = len(client.handshakes([CLIENT], 4, name="shop.example")[CLIENT]["spans"])
    rest = json.loads(attack.communicate("stop\n", timeout=20)[0].splitlines()[-1])
    # A hello that spans two segments, then the same in one large frame, as offloads leave it.
    browsers = []
    for number, offloads in enumerate(("off", "on")):
        client.sh(f"ethtool -K innerc tso {offloads} gso {offloads}")
        client.from_address(f"203.0.113.{104 + number}")
        before = agent.status["counters"]["hellos_assembled"]
        said = client.run(PYTHON, "-c", f"""
from curl_cffi import Curl, CurlOpt
c = Curl(); c.impersonate("chrome131"); c.setopt(CurlOpt.URL, b"https://shop.example/"); c.setopt(CurlOpt.RESOLVE, ["shop.example:{PORT}:{SERVER}"])
c.setopt(CurlOpt.SSL_VERIFYPEER, 0); c.setopt(CurlOpt.SSL_VERIFYHOST, 0); c.setopt(CurlOpt.CONNECT_ONLY, 1); c.perform(); print("ok")""")
        wait("the browser", lambda: row(agent.status, f"203.0.113.{104 + number}"))
        status = agent.status
        found = row(status, f"203.0.113.{104 + number}")
        browsers.append({"said": said.stdout.decode()[-200:].strip(), "assembled": status["counters"]["hellos_assembled"] - before, "handshakes": found["handshakes"],
                         "anomalous": found["anomalous"], "incomplete": found["incomplete"]})
    nameless = {}
    for number, (who, words) in enumerate(NAMELESS.items()):
        client.from_address(f"203.0.113.{101 + number}")
        nameless[who] = client.at_once(8, *words)
    six = client.handshakes([CLIENT6], 12, server=SERVER6)[CLIENT6]
    six_named = client.handshakes([CLIENT6], 3, server=SERVER6, name="shop.example")[CLIENT6]
    status = agent.settled(rest["attempted"] + 16 + 2 + 24 + 15)
    for number, who in enumerate(NAMELESS):
        nameless[who]["refused"] = row(status, f"203.0.113.{101 + number}")["refused"]
    return {"named": named, "attack": {"most": most_in_a_second(rest["spans"]), "errors": sorted(rest["errors"])}, "nameless": nameless,
            "six": {"most": most_in_a_second(six["spans"]), "named": len(six_named["spans"]), **balance_of(status, CLIENT6, {"attempted": 15, "spans": six["spans"] + six_named["spans"]})},
            "browsers": browsers, "balance": status["balance"], "attack_hellos": hellos[CLIENT] - len(rest["spans"]) - 16, "six_hellos": hellos[CLIENT6] - len(six["spans"]) - 3}


def observe():
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy("observe"))
    programs = attached("inner")
    got = client.handshakes([CLIENT], 12)
    status = agent.settled(12)
    # An event, and its line, is made after the verdicts that wait.
    wait("the line", lambda: "would limit" in agent.said)
    return {"succeeded": len(got[CLIENT]["spans"]), "refused": row(status, CLIENT)["refused"], "anomalous": row(status, CLIENT)["anomalous"], "limited": row(status, CLIENT)["limit_class"],
            "said": agent.said, "counters": status["counters"], "ingress": programs["ingress"], "egress": programs["egress"], "balance": status["balance"]}


def drop():
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy(extra="  detections: {missing_sni: {severity: high, limit: {perSecond: 1, for: 10m, answer: drop}}}\n"))
    got = client.handshakes([CLIENT], 4, timeout=0.7)[CLIENT]
    status = agent.settled(4)
    return {"most": most_in_a_second(got["spans"]), "succeeded": len(got["spans"]), "errors": got["errors"], "hellos": hellos.get(CLIENT, 0), "counters": status["counters"], "balance": status["balance"]}


def kubelet():
    """The node itself probes a pod without a name, over a watched interface; and somebody of the pods' network, once that is allowed."""
    client = stage()
    ready = f"{HOME.name}/pod-ready"
    code = (f"import socket, ssl, threading\n"
            f"context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain('{HOME.name}/cert.pem', '{HOME.name}/key.pem')\n"
            f"server = socket.create_server(({CLIENT!r}, {PORT}), backlog=64); open({ready!r}, 'w').close()\n"
            f"def answer(s):\n"
            f"    try: context.wrap_socket(s, server_side=True).close()\n"
            f"    except OSError: pass\n"
            f"while True: threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()\n")
    processes.append(subprocess.Popen([*client.enter, sys.executable, "-c", code]))
    wait("the pod", lambda: os.path.exists(ready))
    agent = Agent("--interface", "inner", "--policy", policy())
    probe = subprocess.run([sys.executable, "-c", HANDSHAKES + f"once([{SERVER!r}], 40, None, {CLIENT!r}, 5.0)"], stdout=subprocess.PIPE, timeout=60)
    probes = json.loads(probe.stdout)[SERVER]
    status = agent.settled(40)
    before = {"events": status["events"], "limits": status["counters"]["limits_by_reflex"]}
    # The client stands for a pod: its network is reached by this interface and no gateway.
    policy(extra="  allow: {pods: true}\n")
    wait("the policy", lambda: agent.metric("weir_agent_policy_reloads_total") >= 1)
    got = client.handshakes([CLIENT], 12)[CLIENT]
    after = agent.settled(52)
    return {"probes": len(probes["spans"]), "errors": probes["errors"], **before, "pods": len(got["spans"]), "allowed": after["counters"]["handshakes_allowed"], "events_after": after["events"], "balance": after["balance"]}


def older():
    """Connections that stood before the agent came: their handshakes were not seen, their sockets are there."""
    client = stage()
    code = (f"import socket, ssl, sys, json, time\n"
            f"context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE\n"
            f"socks = [socket.create_connection((address, {PORT})) for address in [{SERVER!r}] * 5 + [{SERVER6!r}]]\n"
            f"print('connected', flush=True); sys.stdin.readline(); good = 0\n"
            f"for raw in socks[:5] + socks[5:]:\n"
            f"    try: context.wrap_socket(raw).close(); good += 1\n"
            f"    except OSError: pass\n"
            f"print(good)\n")
    process = subprocess.Popen([*client.enter, sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    processes.append(process)
    process.stdout.readline()
    agent = Agent("--interface", "inner", "--policy", policy(extra="  proof: socket\n"))
    succeeded = int(process.communicate("go\n")[0])
    status = agent.settled(6)
    return {"succeeded": succeeded, "counters": status["counters"], "balance": status["balance"]}


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
    got = client.handshakes(["203.0.113.100"], 3)["203.0.113.100"]
    after = agent.settled(before["counters"]["handshakes_seen"] + 3)
    return {"unproven": before["counters"]["handshakes_unproven"], "limits": before["counters"]["limits_by_reflex"], "events": before["events"], "succeeded": len(got["spans"]),
            "limited": row(before, "203.0.113.100")["limit_class"], "limits_after": after["counters"]["limits_by_reflex"], "balance": after["balance"]}


def clsact():
    client = stage()
    options = ("--interface", "inner", "--policy", policy(), "--attach", "clsact")
    agent = Agent(*options)
    capabilities = agent.capabilities()
    first = client.handshakes([CLIENT], 8)
    agent.process.kill()
    agent.process.wait()
    left = filters("inner", "ingress")
    agent = Agent(*options)
    second = client.handshakes([CLIENT], 8)
    how, now = agent.status["attach"], filters("inner", "ingress") + filters("inner", "egress")
    result = {"attach": how, "most": max(most_in_a_second(g[CLIENT]["spans"]) for g in (first, second)), "failed": min(len(g[CLIENT]["errors"]) for g in (first, second)),
              "left_by_kill": left, "filters": now, "capabilities": capabilities, "code": agent.stop()}
    # Left now is what left_behind() finds; then the same beside somebody else's filter, which must stay.
    result["qdisc"] = "clsact" in sh("tc qdisc show dev inner")
    agent = Agent(*options)
    sh("tc filter add dev inner ingress prio 7 bpf bytecode '1,6 0 0 4294967295'")
    agent.stop()
    result["foreign"] = "bytecode" in sh("tc filter show dev inner ingress")
    result["ours"] = filters("inner", "ingress")
    if result["foreign"]:
        sh("tc qdisc del dev inner clsact")
    return result


def late():
    client = stage()
    agent = Agent("--interface", "inner", "--interface", "late*", "--policy", policy())
    capabilities = agent.capabilities()
    sh(f"ip link add late0 type veth peer name late0c netns {client.holder.pid} && ip link set late0 up && ip addr add 192.0.2.1/24 dev late0")
    client.sh("ip link set late0c up; ip addr add 192.0.2.66/24 dev late0c")
    wait("late0", lambda: "late0" in agent.status["interfaces"])
    programs = attached("late0")
    got = client.handshakes(["192.0.2.66"], 12, server="192.0.2.1")["192.0.2.66"]
    status = agent.settled(12)
    sh("ip link del late0")
    wait("late0 to go", lambda: "late0" not in agent.status["interfaces"])
    again = client.handshakes([CLIENT], 12)[CLIENT]
    return {"capabilities": capabilities, "programs": programs["ingress"], "most": most_in_a_second(got["spans"]), **balance_of(status, "192.0.2.66", got),
            "again": most_in_a_second(again["spans"]), "again_failed": len(again["errors"]), "interfaces": agent.status["interfaces"], "said": agent.said, "code": agent.stop()}


def reload():
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy("observe"))
    programs = [attached("inner")["ingress"]]
    before = client.handshakes([CLIENT], 6)
    policy("enforce")
    wait("enforce", lambda: agent.status["mode"] == "enforce")
    programs.append(attached("inner")["ingress"])
    during = client.handshakes([CLIENT], 12)
    policy("enforce", "  portz: [443]\n")
    wait("the refusal", lambda: "portz" in agent.said)
    # A neighbour's change in the same directory is no reason to say it again.
    open(f"{HOME.name}/neighbour", "w").close()
    mode = agent.status["mode"]
    # A refused handshake takes no time, so these may all be within the second of those before.
    for _ in range(1000):
        still = client.handshakes([CLIENT], 12)
        if still[CLIENT]["spans"]:
            break
    policy("observe")
    wait("observe", lambda: agent.status["mode"] == "observe")
    programs.append(attached("inner")["ingress"])
    after = client.handshakes([CLIENT], 6)
    agent.settled(36)
    return {"before": len(before[CLIENT]["spans"]), "during": most_in_a_second(during[CLIENT]["spans"]), "still": most_in_a_second(still[CLIENT]["spans"]), "after": len(after[CLIENT]["spans"]),
            "mode": mode, "programs": [program for hook in programs for program in hook], "refused": int(agent.metric("weir_agent_policy_refused_total")),
            "accepted": int(agent.metric("weir_agent_policy_reloads_total")), "refusal": [line for line in agent.said.splitlines() if "portz" in line], "balance": agent.status["balance"], "code": agent.stop()}


def away():
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy(), "--kafka", "127.0.0.1:1")
    got = client.handshakes([CLIENT], 12)[CLIENT]
    wait("the complaint", lambda: "does not answer" in agent.said, 20)
    status = agent.settled(12)
    return {"most": most_in_a_second(got["spans"]), **balance_of(status, CLIENT, got), "said": agent.said.count("does not answer"), "events": status["events"], "delivered": status["delivered"], "code": agent.stop()}


def broker():
    process = subprocess.Popen([WEIR, "broker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    processes.append(process)
    return process.stdout.readline().strip()


def weir(*words, code=0):
    done = subprocess.run([WEIR, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=30)
    if done.returncode != code:
        raise SystemExit(f"weir {' '.join(words)}: {done.returncode}, not {code}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def operator():
    """An operator's limit reaches the kernel by the topic and nothing else, and its release lifts it."""
    client = stage(others=21)
    bootstrap = broker()
    kafka = ("--kafka", bootstrap)
    agent = Agent("--interface", "inner", "--policy", policy("observe"), *kafka)
    nothing = weir("limits", *kafka)
    free = client.handshakes([CLIENT], 5, name="shop.example")
    # A block, whose length no other limit has; said while the agent observes, so it must be in force when it enforces.
    weir("limits", "add", "203.0.113.0/24", "--per-second", "1", "--wait", "15s", *kafka)
    observed = client.handshakes([CLIENT], 5, name="shop.example")
    policy("enforce")
    wait("enforce", lambda: agent.status["mode"] == "enforce")
    limited = client.handshakes([CLIENT, "203.0.113.100"], 6, name="shop.example")
    both = [span for entry in limited.values() for span in entry["spans"]]
    table, lines = weir("limits", "list", *kafka), weir("limits", "list", "--format", "json", *kafka).splitlines()
    weir("limits", "add", CLIENT, "--class", "anomalous", "--for", "2h", *kafka)
    more = weir("limits", "list", "--format", "json", *kafka).splitlines()
    unknown = weir("limits", "release", "192.0.2.1", *kafka, code=1)
    weir("limits", "release", "203.0.113.0/24", *kafka)
    wait("the release", lambda: len(client.handshakes([CLIENT], 4, name="shop.example")[CLIENT]["spans"]) == 4)
    # A generous limit for a block gives no source in it more than its own three.
    weir("limits", "release", CLIENT, *kafka)
    weir("limits", "add", "203.0.113.0/24", "--per-second", "8", *kafka)
    weir("limits", "add", "192.0.2.0/24", "--wait", "15s", *kafka)
    generous = limited_again(client, "203.0.113.120")
    last = [json.loads(line) for line in weir("limits", "list", "--format", "json", *kafka).splitlines()]
    last, released = [limit["prefix"] for limit in last if not limit.get("released")], [limit for limit in last if limit.get("released")]
    return {"nothing": nothing, "free": len(free[CLIENT]["spans"]), "observed": len(observed[CLIENT]["spans"]), "limited": most_in_a_second(both), "refused": sum(len(e["errors"]) for e in limited.values()),
            "table": table, "listed": json.loads(lines[0]), "more": len(more), "unknown": unknown, "last": last, "released": released, "generous": most_in_a_second(generous["spans"]), "generous_failed": len(generous["errors"])}


class Producer:
    """Writes to a topic by the C library that Weir uses too, without Weir in between."""

    def __init__(self, bootstrap, topic):
        self.kafka, error = ctypes.CDLL("librdkafka.so.1"), ctypes.create_string_buffer(512)
        for function in (self.kafka.rd_kafka_conf_new, self.kafka.rd_kafka_new, self.kafka.rd_kafka_topic_new):
            function.restype = ctypes.c_void_p
        conf = ctypes.c_void_p(self.kafka.rd_kafka_conf_new())
        for name, value in (("bootstrap.servers", bootstrap), ("linger.ms", "0"), ("log_level", "0")):
            self.kafka.rd_kafka_conf_set(conf, name.encode(), value.encode(), error, 512)
        self.handle = ctypes.c_void_p(self.kafka.rd_kafka_new(0, conf, error, 512))
        self.topic = ctypes.c_void_p(self.kafka.rd_kafka_topic_new(self.handle, topic.encode(), None))

    def send(self, key, value):
        """Without a value it is a tombstone."""
        key, size = key.encode(), ctypes.c_size_t
        value = value and value.encode()
        if self.kafka.rd_kafka_produce(self.topic, 0, 2, value, size(len(value or b"")), key, size(len(key)), None) or self.kafka.rd_kafka_flush(self.handle, 10_000):
            raise SystemExit("a record was not delivered")


def neighbours():
    """A node never limits the private addresses that another node publishes, as long as that node is there; addresses of the Internet it does."""
    client = stage()
    private = "10.66.0.9"
    client.sh(f"ip addr add {private}/24 dev innerc")
    sh(f"ip route add {private}/32 dev inner && ip addr add 10.66.1.1/32 dev lo")
    bootstrap = broker()
    weir("limits", "add", "192.0.2.0/24", "--kafka", bootstrap)
    agent = Agent("--interface", "inner", "--policy", policy(), "--kafka", bootstrap, "--node", "here")
    # Another agent publishes what it finds itself: the address on lo, and the server's two, which are of the Internet but in networks of this node's.
    other = Agent("--interface", "lo", "--kafka", bootstrap, "--node", "there")
    wait("the other's addresses", lambda: agent.metric("weir_agent_node_addresses") == 3, 40)
    stopped = other.stop()
    wait("its tombstone", lambda: agent.metric("weir_agent_node_addresses") == 0, 40)
    told = Producer(bootstrap, "security-throttle-nodes")
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    report = {"schema": "weir.dev/node-status/v1", "time": moment, "node": "third", "started": moment, "version": "0", "mode": "enforce", "interfaces": [], "addresses": [private, CLIENT],
              "policy": {"name": "p", "version": "v"}, "limits": {"next_offset": 0, "held": 0, "lacking": 0, "lacks": [], "refused": 0}}
    told.send("third", json.dumps(report))
    wait("the third's address", lambda: agent.metric("weir_agent_node_addresses") == 1, 40)
    free, limited = client.handshakes([private], 8)[private], limited_again(client)
    told.send("third", None)
    wait("the third's tombstone", lambda: agent.metric("weir_agent_node_addresses") == 0, 40)
    again = limited_again(client, private)
    return {"free": len(free["spans"]), "limited": most_in_a_second(limited["spans"]), "refused": len(limited["errors"]), "again": most_in_a_second(again["spans"]), "refused_again": len(again["errors"]),
            "stopped": stopped, "code": agent.stop()}


def noida():
    """A broker that compacts, stamps records itself, and is a process of its own."""
    # The program itself: its wrapper, killed, would leave it behind.
    program = os.path.join(subprocess.check_output([PYTHON, "-c", "import noida_db; print(noida_db.__path__[0])"], text=True).strip(), "noida-db")
    processes.append(subprocess.Popen([program, "start", "--only", "kafka", "--kafka-port", "19092", "--data-dir", f"{HOME.name}/noida"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    wait("noida-db", lambda: socket.socket().connect_ex(("127.0.0.1", 19092)) == 0, 40)
    return "127.0.0.1:19092"


def convergence(broker=broker):
    """Which of several nodes have a limit: all, all but one that is stopped, one that starts late, one whose own allow-list says no, one that observes."""
    # Without an address that is not loopback librdkafka resolves none.
    sh("ip link set lo up && ip addr add 10.0.0.1/32 dev lo")
    kafka = ("--kafka", broker())

    def node(name, *options, extra="", mode="enforce"):
        if f"{name}0" not in links:
            links.update((f"{name}0", f"{name}1"))
            sh(f"ip link add {name}0 type veth peer name {name}1 && ip link set {name}0 up && ip link set {name}1 up")
        path = f"{HOME.name}/{name}.yaml"
        open(path, "w").write(f"apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {{name: {name}}}\nspec:\n  mode: {mode}\n{extra}")
        return Agent("--node", name, "--interface", f"{name}0", "--policy", path, *kafka)

    def listed(prefix):
        """What `weir limits --format json` says of one limit's nodes."""
        lines = [json.loads(line) for line in weir("limits", "--format", "json", *kafka).splitlines()]
        return next((line["nodes"] for line in lines if line["prefix"] == prefix), None)

    def share(nodes): return nodes and f"{nodes['holding']}/{nodes['known']}"

    def settled(prefix, expected): return wait(f"{expected} of {prefix}, not {listed(prefix)}", lambda: share(listed(prefix)) == expected and listed(prefix), 30)

    weir("limits", "add", "203.0.113.1", *kafka)    # before there is any node
    nobody = weir("limits", *kafka)
    a, b, c = node("a"), node("b"), node("c")
    settled("203.0.113.1/32", "3/3")
    said = {"nobody": nobody, "first": weir("limits", "add", "203.0.113.2", "--wait", "20s", *kafka), "three": weir("limits", *kafka)}
    # One node sleeps while a limit is added: two have it, the third is named, and whoever waits is told.
    c.process.send_signal(signal.SIGSTOP)
    said["late"] = weir("limits", "add", "203.0.113.3", "--wait", "3s", *kafka, code=1)
    said["two"] = weir("limits", *kafka)
    two = listed("203.0.113.3/32")
    older = share(listed("203.0.113.2/32"))
    c.process.send_signal(signal.SIGCONT)
    settled("203.0.113.3/32", "3/3")
    held = [f"{agent.metric('weir_agent_limits_held'):.0f}" for agent in (a, b, c)]
    offsets = [f"{agent.metric('weir_agent_limits_next_offset'):.0f}" for agent in (a, b, c)]
    # A node that starts late reads all of it; one that observes and one with an allow-list of its own say so.
    node("d")
    settled("203.0.113.1/32", "4/4")
    e = node("e", extra="  allow: {cidrs: [203.0.113.0/24]}\n")
    four = settled("203.0.113.3/32", "4/5")
    said["allowed"] = weir("limits", "add", "203.0.113.4", "--wait", "3s", *kafka, code=1)
    said["lacks"] = weir("limits", *kafka)
    # The list changes, and the limits that it covered hold at once.
    node_policy = f"{HOME.name}/e.yaml"
    open(node_policy + ".new", "w").write(open(node_policy).read().replace("203.0.113.0/24", "198.18.0.0/15"))
    os.rename(node_policy + ".new", node_policy)
    settled("203.0.113.4/32", "5/5")
    e.stop()    # a clean stop takes its report back
    settled("203.0.113.4/32", "4/4")
    f = node("f", mode="observe")
    observing = settled("203.0.113.4/32", "4/5")
    said["observes"] = weir("limits", *kafka)
    # A release is lifted wherever it has been read, also by who observes.
    weir("limits", "release", "203.0.113.2", "--wait", "20s", *kafka)
    said["lifted"] = share(listed("203.0.113.2/32"))
    f.stop()
    released = weir("limits", "release", "203.0.113.3", "--wait", "20s", *kafka)
    tail = subprocess.Popen([WEIR, "tail", "nodes", "--from-beginning", *kafka], stdout=subprocess.PIPE, text=True)
    processes.append(tail)
    lines = []
    while not ("  stopped" in "".join(lines) and any(" a  enforce  next offset " in line for line in lines)):
        lines.append(tail.stdout.readline())
    tail.send_signal(signal.SIGINT)
    kinds = {line.split()[1] for line in lines}
    raw = subprocess.Popen([WEIR, "tail", "nodes", "--from-beginning", "--format", "json", *kafka], stdout=subprocess.PIPE, text=True)
    processes.append(raw)
    record = raw.stdout.readline()
    raw.send_signal(signal.SIGINT)
    for agent in (a, b, c):
        agent.stop()
    schema = f"{os.path.dirname(os.path.abspath(__file__))}/../../manifests/schemas/node-status.v1.schema.json"
    validate = "import json, sys, jsonschema; jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.loads(sys.argv[2]))"
    valid = subprocess.run([PYTHON, "-c", validate, schema, record]).returncode == 0
    return {**said, "two_why": two["not_holding"], "two_share": share(two), "older": older, "held": held, "offsets": offsets, "four_why": four["not_holding"], "observing_why": observing["not_holding"],
            "released": released, "left_over": share(listed("203.0.113.4/32")), "valid": valid, "kinds": len(kinds)}


def convergence_noida(): return convergence(noida)


def long_topic(broker=broker):
    """An agent that starts when 10,000 limits stand: whether what a turn leaves is the next turn's, or waits for a tick."""
    sh("ip link set lo up && ip addr add 10.0.0.1/32 dev lo && ip link add a0 type veth peer name a1 && ip link set a0 up && ip link set a1 up")
    links.update(("a0", "a1"))
    kafka, count = ("--kafka", broker()), 10_000
    weir("limits", "add", "203.0.113.1", *kafka)    # makes the topic
    record = json.loads(weir("limits", "--format", "json", *kafka).splitlines()[0])
    library = ctypes.CDLL("librdkafka.so.1")
    for function in (library.rd_kafka_conf_new, library.rd_kafka_new, library.rd_kafka_topic_new):
        function.restype = ctypes.c_void_p
    error, conf = ctypes.create_string_buffer(512), ctypes.c_void_p(library.rd_kafka_conf_new())
    for name, value in (("bootstrap.servers", kafka[1]), ("log_level", "0")):
        library.rd_kafka_conf_set(conf, name.encode(), value.encode(), error, 512)
    handle = ctypes.c_void_p(library.rd_kafka_new(0, conf, error, 512))
    topic = ctypes.c_void_p(library.rd_kafka_topic_new(handle, b"security-throttle-limits", None))
    record.pop("nodes")
    for number in range(count - 1):
        record["prefix"] = f"198.18.{number >> 8}.{number & 255}/32"
        key, value = f"{record['prefix']}|{record['class']}".encode(), json.dumps(record).encode()
        if library.rd_kafka_produce(topic, 0, 2, value, ctypes.c_size_t(len(value)), key, ctypes.c_size_t(len(key)), None):
            raise SystemExit("a record was not taken")
    if library.rd_kafka_flush(handle, 20_000):
        raise SystemExit("records were not delivered")
    agent = Agent("--interface", "a0", "--policy", policy(), *kafka)
    wait("the limits", lambda: agent.metric("weir_agent_limits_next_offset") >= count, 60)
    page = json.loads(weir("stalls", "--format", "json", "--port", str(agent.port)))
    # 256 records each, so a part of a millisecond or so; by class, in the columns and since the start.
    slow = [sum(sum(column.get(reason, [])[5:]) for column in page["columns"]) for reason in ("limits", "policy")]
    held, turns, postponed = [int(agent.metric(f"weir_agent_limits_{name}")) for name in ("held", "turns_total", "postponed_total")]
    return {"held": held, "turns": turns, "postponed": postponed, "slow": slow[0], "slow_policy": slow[1], "code": agent.stop()}


def long_topic_noida(): return long_topic(noida)


def top():
    """The agent's own page, live, for a while and until Ctrl-C; and where no agent is."""
    client = stage()
    trace = f"{HOME.name}/startup"
    agent = Agent("--interface", "inner", "--policy", policy(), "--node", "here", "--startup-trace", trace)
    client.handshakes([CLIENT], 5)
    agent.settled(5)
    lines = weir("top", "--port", str(agent.port), "--for", "1s").splitlines()
    endless = subprocess.Popen([WEIR, "top", "--port", str(agent.port)], stdout=subprocess.PIPE, text=True)
    processes.append(endless)
    first = endless.stdout.readline()
    endless.send_signal(signal.SIGINT)
    code = endless.wait(10)
    stalls, loop = weir("stalls", "--port", str(agent.port)).splitlines(), {part["part"]: part for part in agent.status["loop"]}
    agent.stop()
    old = f"{HOME.name}/old"
    open(old, "w").write('{"step":"loaded","took_us":1,"at_us":1}\n{"step":"settings","took_us":1,"at_us":2}\n')
    return {"trace": json.loads(subprocess.check_output([sys.executable, TRACE_CHECK, trace], text=True)), "startup_json": json.loads(weir("startup", trace, "--format", "json")),
            "comparison": weir("startup", trace, trace).splitlines(), "old_startup": weir("startup", old, code=2), "startup": weir("startup", trace).splitlines(), "no_startup": weir("startup", agent.log.name, code=2), "stalls": stalls, "loop": list(loop), "ring": sum(count for name, count in loop["ring"].items() if name not in ("part", "longest_ns")), "longest": loop["ring"]["longest_ns"], "lines": lines, "first": first, "code": code, "nobody": weir("top", "--port", str(agent.port), code=3)}


def stalls():
    """An agent that is stopped for a while, with handshakes meanwhile; and a page of a whole quarter of an hour, shown in several ways."""
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy(), "--node", "<&>")
    client.handshakes([CLIENT], 3)
    agent.settled(3)
    agent.process.send_signal(signal.SIGSTOP)
    client.handshakes([CLIENT], 10)
    # What is measured: how long it stands still. Up to a tick of it (100 ms) is sleep that the loop had asked for.
    time.sleep(2.5)
    agent.process.send_signal(signal.SIGCONT)
    agent.settled(10)
    page = wait("the stop", lambda: next((page for page in [json.loads(agent.get("/stalls"))] if sum(page["total"][8]["counts"][-1:])), None))
    port = str(agent.port)
    picture = f"{HOME.name}/stalls.svg"
    shown, by_reason = weir("stalls", "--port", port, "--svg", picture), weir("stalls", "--port", port, "--by", "reason")
    xml.dom.minidom.parse(picture)
    said, unwritable = agent.said, weir("stalls", "--port", port, "--svg", f"{HOME.name}/no/such", code=2)
    agent.stop()
    worst = page["worst"][0]
    def total(reason): return next(one for one in page["total"] if one["reason"] == reason)
    # The same page as an agent of a quarter of an hour gives it.
    counts = {name: [0] * len(page["classes"]) for name in ("ring", "tick", "idle")}
    counts["ring"][5], counts["tick"][2], counts["idle"][9] = 1, 1000, 99
    began = [f"2026-01-01T00:{second // 60:02}:{second % 60:02}.000000000Z" for second in range(0, 900, 10)]
    columns = [{"began": moment, "idle": counts["idle"], **({"ring": counts["ring"]} if index == 89 else {}), **({"tick": counts["tick"]} if index % 2 else {})} for index, moment in enumerate(began)]
    full = {**page, "columns": columns}

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/stalls" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(full).encode())

        def log_message(self, *_): pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = str(server.server_port)
    plain = weir("stalls", "--port", port).splitlines()
    terminal, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 60, 0, 0))
    subprocess.run([WEIR, "stalls", "--port", port], stdout=other, env={**os.environ, "TERM": "xterm", "NO_COLOR": ""}, check=True, timeout=30)
    os.close(other)
    narrow = b""
    try:
        while chunk := os.read(terminal, 65536):
            narrow += chunk
    except OSError:
        pass    # the other end is closed
    narrow = narrow.decode().replace("\r", "").splitlines()
    plain_narrow = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in narrow]
    weir("stalls", "--port", port, "--svg", picture)
    rectangles = len(xml.dom.minidom.parse(picture).getElementsByTagName("rect"))
    full["columns"] = [{"began": began[0], "ring": [1, 2]}]
    broken = weir("stalls", "--port", port, code=3)
    return {"took": worst["took_ns"], "longest": worst["longest"], "preempted": worst["parts_ns"]["preempted"], "records": worst["records"],
            "preempted_longest": total("preempted")["longest_ns"], "ring_longest": total("ring")["longest_ns"], "ring": sum(total("ring")["counts"]),
            "idle_longest": total("idle")["longest_ns"], "reasons": [one["reason"] for one in page["total"]],
            "shown": shown, "by_reason": by_reason, "logged": [line for line in said.splitlines() if "a turn of the loop took long" in line], "unwritable": unwritable,
            "plain": plain, "narrow": max(len(line) for line in plain_narrow), "narrow_map": [line for line in plain_narrow if "\u00b7" in line or "\u2588" in line], "coloured": any("\x1b[" in line for line in narrow),
            "rectangles": rectangles, "broken": broken}


def spool():
    """No broker answers, and the agent is killed; the next one delivers what it had seen, once."""
    client = stage()
    state = f"{HOME.name}/state"
    options = ("--interface", "inner", "--policy", policy(), "--state", state)
    first = Agent(*options, "--kafka", "127.0.0.1:1", "--node", "first")
    second = Agent(*options, "--kafka", "127.0.0.1:1", "--node", "second", ready=False)
    refused = second.process.wait(10)
    client.handshakes([CLIENT], 5)
    # The source's first event at once, the rest of its hellos in another a second later.
    wait("two events on the disk", lambda: first.status["spooled"] == 2)
    waiting = first.status
    first.process.kill()
    first.process.wait()
    bootstrap = broker()
    third = Agent(*options, "--kafka", bootstrap, "--node", "third")
    wait("delivery", lambda: third.status["delivered"] == 2 and third.status["spooled"] == 0)
    client.handshakes([CLIENT], 1)
    wait("its own", lambda: third.status["delivered"] == 3 and third.status["spooled"] == 0)
    code, said = third.stop(), third.said
    fourth = Agent(*options, "--kafka", bootstrap, "--node", "fourth")
    nothing = fourth.said
    fourth.stop()
    tail = subprocess.Popen([WEIR, "tail", "events", "--from-beginning", "--format", "json", "--kafka", bootstrap], stdout=subprocess.PIPE, text=True)
    processes.append(tail)
    events = [json.loads(tail.stdout.readline()) for _ in range(3)]
    tail.send_signal(signal.SIGINT)
    rest = tail.stdout.read().splitlines()
    return {"refused": refused, "why": second.said, "delivered_before": waiting["delivered"] or 0, "nodes": sorted(event["node"] for event in events), "rest": len(rest),
            "ids": len({event["id"] for event in events}), "seen": sum(event["counts"]["seen"] for event in events if event["node"] == "first"),
            "code": code, "said": said, "nothing": nothing}


def tail():
    """The topics, readable: whole from their beginning, or from now on."""
    client = stage()
    bootstrap = broker()
    kafka = ("--kafka", bootstrap)
    agent = Agent("--interface", "inner", "--policy", policy(), *kafka)
    client.handshakes([CLIENT], 5)
    wait("delivery", lambda: (agent.status["delivered"] or 0) >= 1)
    weir("limits", "add", "192.0.2.0/24", *kafka)
    weir("limits", "release", "192.0.2.0/24", *kafka)

    class Tail:
        def __init__(self, *words):
            self.out = open(f"{HOME.name}/tail-{len(processes)}", "w+")
            self.process = subprocess.Popen([WEIR, "tail", *words, *kafka], stdout=self.out, stderr=subprocess.STDOUT)
            processes.append(self.process)

        @property
        def lines(self):
            return open(self.out.name).read().splitlines()

        def end(self):
            self.process.send_signal(signal.SIGINT)
            return self.process.wait(10)

    events, raw, limits = Tail("events", "--from-beginning"), Tail("events", "--from-beginning", "--format", "json"), Tail("limits", "--from-beginning")
    wait("three tails", lambda: events.lines and raw.lines and len(limits.lines) >= 2)
    new = Tail("limits")
    # It says nothing of when it began; so a record is written until one arrives.
    count = 0
    while not new.lines:
        count += 1
        weir("limits", "add", "198.18.0.0/24", "--per-second", str(min(count, 200)), *kafka)
    codes = [t.end() for t in (events, raw, limits, new)]
    return {"event": events.lines[0], "raw": json.loads(raw.lines[0]), "limits": limits.lines[:2], "new": new.lines, "codes": [str(code) for code in codes]}


def doctor():
    """As root, as nobody, and about a broker that is there and one that is not."""
    sh("ip link set lo up")
    bootstrap = broker()
    nobody = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", WEIR, "doctor"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    return {"root": weir("doctor"), "with_kafka": weir("doctor", "--kafka", bootstrap), "without_kafka": weir("doctor", "--kafka", "127.0.0.1:1", code=3),
            "nobody": nobody.stdout, "nobody_code": nobody.returncode, "node_ports": node_ports()}


def node_ports():
    """What doctor says of kube-proxy's tables, which a stand-in for iptables-save prints: there is no kube-proxy here."""
    rules = """-A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m comment --comment "shop/web:https cluster IP" -m tcp --dport 443 -j KUBE-SVC-WEB
-A KUBE-NODEPORTS -p tcp -m comment --comment "shop/web:https" -m tcp --dport 31443 -j KUBE-EXT-WEB
-A KUBE-NODEPORTS -p tcp -m comment --comment "shop/plain:http" -m tcp --dport 30080 -j KUBE-SVC-PLAIN
-A KUBE-EXT-WEB -j KUBE-SVC-WEB
-A KUBE-SEP-PLAIN -p tcp -j DNAT --to-destination 10.244.1.7:8080"""
    os.makedirs(f"{HOME.name}/bin")
    with open(f"{HOME.name}/bin/iptables-save", "w") as file:
        file.write(f"#!/bin/sh\n[ \"$*\" = '-t nat' ] && cat <<'END'\n{rules}\nEND\n")
    os.chmod(file.name, 0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{HOME.name}/bin:{before}"
    said = [weir("doctor"), weir("doctor", "--policy", policy(extra="  ports: [443, 31443]\n"))]
    os.environ["PATH"] = before
    return said


def unread():
    """Standard error is a full pipe that nobody reads, and 200 connections say nothing: nobody who is slow stops the agent."""
    sh("ip link set lo up")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    agent = Agent("--interface", "lo", log=os.fdopen(writing, "wb", 0))
    slow = [socket.create_connection(("127.0.0.1", agent.port)) for _ in range(200)]
    for half in slow[::2]:
        half.send(b"GET /healthz HT")
    answers = [agent.get("/healthz") for _ in range(3)]
    evicted = agent.metric("weir_agent_http_evicted_total")
    began = time.monotonic()
    code = agent.stop()
    return {"answers": answers, "evicted": int(evicted), "blocking": os.get_blocking(writing), "code": code, "milliseconds": int((time.monotonic() - began) * 1000)}


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


def main(scenarios):
    try:
        observed = scenarios[SCENARIO]()
        for agent in agents:
            agent.stop()
        print(json.dumps({**observed, "left": left_behind()}))
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()


if __name__ == "__main__":
    main(globals())

"""Namespaces, cables, the server and the agent of one stage. The stage itself runs in the clients' namespace; the others have no name.

    direct      clients c0 --- s0 server, agent
    routed      clients c0 --- r0 router, agent --- server
    dnat        the same, and the router translates the address (nftables)
    one_armed   clients c0 --- bridge --- server; everything goes by a router of one interface, where the agent is
    pumped      clients c0 --- a pump that loses, reorders and repeats --- s0 server, agent
"""
import collections
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER, SERVER6 = "198.51.100.2", "2001:db8:1::2"
INNER, INNER6 = "10.0.1.2", "fd00:1::2"
HOME = tempfile.TemporaryDirectory(prefix="weir-attacks-")
LONGEST = 600           # seconds that a namespace lives, should nobody end it
LINK = ["7", "0.05", "0.25", "0.10"]    # seed; shares of frames that are lost, come late, come twice
started = []


def sh(command, enter=()):
    done = subprocess.run([*enter, "sh", "-ec", command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"{command}\n{done.stderr[-500:]}")
    return done.stdout


def wait(what, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise SystemExit(f"not within {seconds} s: {what}")


def start(words, **options):
    process = subprocess.Popen(words, **options)
    started.append(process)
    return process


def end_all():
    for process in reversed(started):
        if process.poll() is None:
            process.kill()
        process.wait()


class Namespace:
    def __init__(self):
        holder = start(["unshare", "-n", "sleep", str(LONGEST)])
        mine = os.readlink("/proc/self/ns/net")
        wait("a namespace", lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != mine)
        self.pid, self.enter = holder.pid, ["nsenter", "-t", str(holder.pid), "-n"]
        self.sh("ip link set lo up; sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 "
                "net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0")

    def sh(self, command):
        return sh(command, self.enter)


class Server:
    """The server's process and what it says of each connection, by the client's address and port."""

    def __init__(self, namespace):
        self.took, self.wrote, self.ended = (collections.Counter() for _ in range(3))
        self.lock, self.is_ready = threading.Lock(), False
        sh(f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=stage "
           f"-keyout {HOME.name}/key.pem -out {HOME.name}/cert.pem 2>/dev/null")
        self.process = start([*namespace.enter, sys.executable, f"{HERE}/server.py", HOME.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()
        wait("the server", lambda: self.is_ready)

    def read(self):
        for said in self.process.stdout:
            what, *who = said.split()
            with self.lock:
                if what == "ready":
                    self.is_ready = True
                else:
                    getattr(self, what)[who[0], int(who[1])] += 1

    def open_ports(self, source):
        """Client ports of connections whose hello the server has answered, as far as it knows, and that are still open."""
        with self.lock:
            mine = {who for who in self.wrote if who[0] == source}
            return {port for address, port in mine if self.took[address, port] > self.ended[address, port]}

    def is_over(self, source, port):
        with self.lock:
            return self.ended[source, port] > 0

    def answers(self, source):
        with self.lock:
            return len({who for who in self.wrote if who[0] == source})


class Agent:
    def __init__(self, program, namespace, interface, answer, options=(), more=""):
        self.namespace, self.port = namespace, 9740
        self.policy = policy = f"{HOME.name}/policy.yaml"
        with open(policy, "w") as file:
            file.write("apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: attacks}\nspec:\n  mode: enforce\n"
                       "  ports: [443, 8443, 4443, 5443, 6443, 2222, 2525, 8080, 3128]\n"
                       "  trust: {proxies: [198.19.250.0/24, '2001:db9:1fa::/48']}\n"
                       f"  detections: {{missing_sni: {{severity: high, limit: {{answer: {answer}}}}}}}\n{more}")
        self.log = open(f"{HOME.name}/agent.log", "w+b")
        self.process = start([*namespace.enter, program, "--listen", f"127.0.0.1:{self.port}", "--interface", interface, "--policy", policy, *options],
                             stdout=self.log, stderr=self.log)
        wait("the agent", lambda: self.get("/readyz") or self.check())

    def check(self):
        if self.process.poll() is not None:
            raise SystemExit(f"weir-agent ended: {open(self.log.name).read()[-800:]}")

    def get(self, path):
        done = subprocess.run([*self.namespace.enter, "curl", "-sf", "--max-time", "3", f"http://127.0.0.1:{self.port}{path}"], stdout=subprocess.PIPE, text=True)
        return done.stdout if not done.returncode else None

    def status(self):
        self.check()
        return json.loads(self.get("/status"))

    def refused(self, source):
        return next((row["refused"] for row in self.status()["sources"] if row["address"] == source), 0)

    def reload(self, old, new, opening):
        """Another policy, until /status says so of QUIC in the packet."""
        with open(self.policy) as file:
            text = file.read()
        with open(self.policy, "w") as file:
            file.write(text.replace(old, new))
        self.process.send_signal(signal.SIGHUP)
        wait(f"quic.in_packet {opening}", lambda: self.status()["quic"]["in_packet"] == opening)

    def freeze(self):
        """From here on only the kernel is there. Returns when the process has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        wait("the agent's stop", lambda: open(f"/proc/{self.process.pid}/stat").read().rpartition(")")[2].split()[0] == "T")

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def veth(one, one_namespace, other, other_namespace):
    sh(f"ip link add {one} type veth peer name {other}")
    for name, namespace in ((one, one_namespace), (other, other_namespace)):
        if namespace:
            sh(f"ip link set {name} netns {namespace.pid}")
        (namespace.sh if namespace else sh)(f"ip link set {name} up")


def address(run, name, number, net=0):
    run(f"ip addr add 10.0.{net}.{number}/24 dev {name}; ip -6 addr add fd00:{net}::{number}/64 dev {name} nodad")


def default(run, number, net=0):
    run(f"ip route add default via 10.0.{net}.{number}; ip -6 route add default via fd00:{net}::{number}")


def station(run, name):
    return bytes.fromhex(next(word for word in run(f"ip -br link show {name}").split() if word.count(":") == 5).replace(":", ""))


def is_reached(target):
    try:
        socket.create_connection((target, 443), timeout=1).close()
        return True
    except OSError:
        return False


class Network:
    def __init__(self, shape, single_frames=False, programs=None):
        self.programs = programs
        sh("ip link set lo up; sysctl -qw net.ipv4.ip_forward=0 net.ipv6.ip_nonlocal_bind=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.tcp_fastopen=3 "
           "net.ipv4.conf.default.rp_filter=0; ip route add local 198.19.0.0/16 dev lo; ip -6 route add local 2001:db9::/32 dev lo")
        self.server_namespace = self.watched = Namespace()
        self.interface = "s0"
        getattr(self, shape)()
        self.server_namespace.sh(f"ip addr add {SERVER}/32 dev lo; ip -6 addr add {SERVER6}/128 dev lo; sysctl -qw net.ipv4.tcp_max_syn_backlog=16384 "
                                 "net.core.somaxconn=8192 net.ipv4.tcp_fastopen=0x203 net.ipv4.icmp_ratelimit=0 net.ipv4.tcp_invalid_ratelimit=0")
        self.gateway, self.own = station(self.watched.sh, self.interface), station(sh, "c0")
        if single_frames:
            self.server_namespace.sh("ethtool -K s0 tso off gso off gro off >/dev/null")
        self.server = Server(self.server_namespace)
        for target in (SERVER, SERVER6):    # neighbours know each other before anybody counts
            wait(f"a way to {target}", lambda: is_reached(target))

    def direct(self):
        veth("c0", None, "s0", self.server_namespace)
        self.ends()

    def ends(self):
        address(sh, "c0", 2)
        address(self.server_namespace.sh, "s0", 1)
        default(sh, 1)
        default(self.server_namespace.sh, 2)

    def router(self):
        made = Namespace()
        made.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        self.watched, self.interface = made, "r0"
        return made

    def routed(self):
        router = self.router()
        veth("c0", None, "r0", router)
        veth("r1", router, "s0", self.server_namespace)
        address(sh, "c0", 2)
        address(router.sh, "r0", 1)
        address(router.sh, "r1", 1, 1)
        address(self.server_namespace.sh, "s0", 2, 1)
        default(sh, 1)
        default(router.sh, 2)
        default(self.server_namespace.sh, 1, 1)
        router.sh(f"ip route add {SERVER} via {INNER}; ip -6 route add {SERVER6} via {INNER6}; ethtool -K r1 tx off >/dev/null")
        self.server_namespace.sh("ethtool -K s0 tx off >/dev/null")

    def dnat(self):
        self.routed()
        self.watched.sh(f"nft 'table inet t {{ chain c {{ type nat hook prerouting priority dstnat; ip daddr {SERVER} dnat ip to {INNER}; "
                        f"ip6 daddr {SERVER6} dnat ip6 to {INNER6};\n}}; }}'")

    def one_armed(self):
        bridge, router = Namespace(), self.router()
        bridge.sh("ip link add br0 type bridge mcast_snooping 0; ip link set br0 up")
        for name, namespace in (("c0", None), ("r0", router), ("s0", self.server_namespace)):
            veth(name, namespace, f"p{name}", bridge)
            bridge.sh(f"ip link set p{name} master br0")
        address(sh, "c0", 2)
        address(router.sh, "r0", 1)
        address(self.server_namespace.sh, "s0", 3)
        default(sh, 1)
        default(router.sh, 2)
        default(self.server_namespace.sh, 1)
        router.sh(f"ip route add {SERVER} via 10.0.0.3; ip -6 route add {SERVER6} via fd00:0::3")

    def pumped(self):
        pump = Namespace()
        veth("c0", None, "p0", pump)
        veth("p1", pump, "s0", self.server_namespace)
        self.ends()
        # IPv6 has no MTU below 1,280.
        for run, name, number in ((sh, "c0", 1), (self.server_namespace.sh, "s0", 2)):
            run(f"ethtool -K {name} tx off tso off gso off gro off >/dev/null; ip link set {name} mtu 1280; ip route change default via 10.0.0.{number} mtu 576")
        self.pump = start([*pump.enter, f"{self.programs}/weir-bench", "pump", "p0", "p1", *LINK], stdout=subprocess.PIPE)
        self.pump.stdout.readline()

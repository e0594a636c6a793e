"""One node and its clients, for chaos.py and soak.py: an attacker and an honest client who never stop, a witness on the clients'
cable, and every program of the loop as a process that can be ended, stopped and started again.

The clients are in the namespace that this runs in; server, agent, controller, broker and Envoy in one of their own.
"""

import atexit
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, f"{ROOT}/Tests/AttackTests")
import network  # noqa: E402
from hellos import nameless  # noqa: E402
from network import HOME, SERVER, Network, sh, start, wait  # noqa: E402
from wire import packed  # noqa: E402
from witness import SLACK, Witness  # noqa: E402

VENV = os.path.dirname(os.environ.get("WEIR_PYTHON") or f"{ROOT}/.deps/venv/bin/python3")
ATTACKER, PERSON, PRISONER = "198.19.1.66", "198.19.2.7", "198.19.3.9"
KAFKA, LISTEN, GRPC = "127.0.0.1:19092", 9741, 9742
POLICY = """apiVersion: weir.dev/v1alpha1
kind: ThrottlePolicy
metadata: {name: chaos}
spec:
  mode: enforce
  allow: {nodes: false, kubelet: false}
  scaleOut: {targets: [{workload: shop/web, min: 1, max: 9, match: {ports: [443]}}]}
"""


def say(*words):
    print(f"{time.monotonic() - World.began:6.1f} s ", *words, flush=True)


class Part:
    """A program of the loop."""

    def __init__(self, world, name, words, ready):
        self.world, self.name, self.words, self.ready, self.process, self.starts = world, name, words, ready, None, 0

    def begin(self):
        self.starts += 1
        self.process = start(
            [*self.world.inside, *self.words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=open(f"{HOME.name}/{self.name}.log", "ab"),
        )

    def kill(self):
        self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def heal(self, seconds=60):
        """Runs, and says that it is well."""
        if self.process.poll() is not None:
            self.begin()
        self.signal(signal.SIGCONT)
        wait(f"{self.name} is well again", self.ready, seconds)


class Apache(Part):
    """A real Apache Kafka: its script starts it, and says its pid."""

    def __init__(self, world, script, port, ready):
        super().__init__(world, "broker", [script, "start", f"{HOME.name}/kafka", port], ready)
        atexit.register(self.kill)

    def begin(self):
        self.starts += 1
        with open(f"{HOME.name}/broker.log", "ab") as log:
            subprocess.run([*self.world.inside, *self.words], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        with open(f"{HOME.name}/kafka/pid") as file:
            self.pid = int(file.read())

    def is_alive(self):
        try:
            with open(f"/proc/{self.pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] != "Z"
        except (OSError, AttributeError):
            return False

    def signal(self, number):
        if self.is_alive():
            os.kill(self.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        wait("the broker is gone", lambda: not self.is_alive())

    def heal(self, seconds=60):
        if not self.is_alive():
            self.begin()
        self.signal(signal.SIGCONT)
        wait("the broker is well again", self.ready, seconds)


class Client(threading.Thread):
    """Connects again and again; when each try began and ended, and whether it was answered."""

    def __init__(self, source, pause):
        super().__init__(daemon=True)
        self.source, self.pause, self.tries, self.over = source, pause, [], threading.Event()

    def run(self):
        while not self.over.wait(self.pause):
            began = time.monotonic()
            answered = self.visit()
            self.tries.append((began, time.monotonic(), answered))

    def connect(self, timeout):
        s = socket.socket()
        try:
            s.settimeout(timeout)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind((self.source, 0))
            s.connect((SERVER, 443))
            return s
        except OSError:
            s.close()
            raise


class Attacker(Client):
    def visit(self):
        try:
            with self.connect(2) as s:
                s.sendall(nameless())
                return s.recv(6)[:1] == b"\x16"
        except OSError:
            return False


class Person(Client):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def visit(self):
        try:
            with self.connect(8) as raw, self.context.wrap_socket(raw, server_hostname="shop.example") as s:
                s.sendall(b"hello\n")
                return s.recv(100) == b"hello\n"
        except OSError:
            return False


class World:
    began = time.monotonic()

    def __init__(self, programs, seed):
        self.programs, self.dice, self.excuses, self.unreachable = programs, random.Random(seed), [], []
        self.network = Network("direct")
        self.node, self.inside = self.network.server_namespace, self.network.server_namespace.enter
        self.node.sh("ip addr add 10.9.9.9/32 dev lo")  # without an address that is not loopback, librdkafka resolves none
        self.state = f"{HOME.name}/state"
        os.mkdir(self.state)
        self.witnesses = [Witness("c0")]
        self.policy = f"{HOME.name}/policy.yaml"
        self.write_policy(POLICY)
        self.broker = self.make_broker()
        self.controller = Part(
            self,
            "controller",
            [f"{programs}/weir-controller", "--policy", self.policy, "--kafka", KAFKA],
            lambda: self.get(LISTEN, "/readyz"),
        )
        self.agent = Part(
            self,
            "agent",
            [
                f"{programs}/weir-agent",
                "--policy",
                self.policy,
                "--kafka",
                KAFKA,
                "--interface",
                "s0",
                "--node",
                "node-a",
                "--state",
                f"{self.state}/agent",
            ],
            lambda: self.get(9740, "/readyz"),
        )
        self.envoy = Part(
            self,
            "envoy",
            [f"{VENV}/envoy", "-c", f"{ROOT}/manifests/envoy/bootstrap.yaml", "--log-level", "error", "--concurrency", "1"],
            lambda: self.get(9901, "/ready"),
        )
        self.mount()
        for part in self.parts:
            part.begin()
            part.heal()
        self.attacker, self.person = Attacker(ATTACKER, 0.05), Person(PERSON, 0.05)
        self.attacker.start()
        self.person.start()

    @property
    def parts(self):
        return [self.broker, self.controller, self.agent, self.envoy]

    def mount(self):
        """The agent's state on a disk that can be filled: this process has mounts of its own (chaos.py)."""
        sh(f"mount -t tmpfs -o size=8m,mode=755 weir-chaos {self.state}")
        atexit.register(subprocess.run, ["umount", "-l", self.state])

    def make_broker(self):
        port = KAFKA.split(":")[1]

        def ready():
            return not subprocess.run(
                [*self.inside, "bash", "-c", f": < /dev/tcp/127.0.0.1/{port}"], stderr=subprocess.DEVNULL
            ).returncode

        kafka = os.environ.get("WEIR_KAFKA_DISTRIBUTION")
        if kafka and os.access(f"{kafka}/kafka.sh", os.X_OK):
            return Apache(self, f"{kafka}/kafka.sh", port, ready)
        import noida_db

        program = f"{noida_db.__path__[0]}/noida-db"
        return Part(
            self, "broker", [program, "start", "--only", "kafka", "--kafka-port", port, "--data-dir", f"{HOME.name}/kafka"], ready
        )

    def write_policy(self, text):
        with open(f"{self.policy}.new", "w") as file:
            file.write(text)
        os.replace(f"{self.policy}.new", self.policy)

    def get(self, port, path):
        done = subprocess.run(
            [*self.inside, "curl", "-sf", "--max-time", "3", f"http://127.0.0.1:{port}{path}"], stdout=subprocess.PIPE, text=True
        )
        return done.stdout if not done.returncode else None

    def status(self):
        return json.loads(self.get(9740, "/status"))

    def weir(self, *words):
        return subprocess.run(
            [*self.inside, f"{self.programs}/weir", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60
        )

    # What the loop cannot answer for

    def unlimited(self, began, ended):
        """Nothing was attached: a killed agent takes its links along, and a new interface is attached when it is seen. A second more,
        since an answer of that time is in the sliding second after it."""
        self.excuses.append((began, ended + 1.5))

    def cut_off(self, began, ended):
        """The cable was out: whoever was on it waits for TCP to send again."""
        self.unreachable.append((began, ended + 4))

    # What the witness and the clients say

    def excess(self, since):
        """The most answers to the attacker in any sliding second, outside of the excused ones, and how many there were."""
        for witness in self.witnesses:
            witness.catch_up()
        offset = time.time() - time.monotonic()
        found = sorted(t - offset for witness in self.witnesses for t, _ in witness.events(packed(ATTACKER)))
        found = [t for t in found if t >= since and not any(a <= t <= b for a, b in self.excuses)]
        most = max([sum(1 for t in found[i:] if t < found[i] + SLACK) for i in range(len(found))], default=0)
        return most, len(found)

    def failures(self, since):
        """Visits of the honest client that failed while the cable was in."""
        tries = [a for a in list(self.person.tries) if a[0] >= since]
        return [
            began for began, ended, answered in tries if not answered and not any(a <= ended and began <= b for a, b in self.unreachable)
        ], len(tries)


def free_disk(folder):
    return shutil.disk_usage(folder).free

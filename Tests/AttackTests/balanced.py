"""Many clients of one balancer that sends PROXY headers: who attacks through it is refused, nobody else is.

A stranger's header names nobody."""
import concurrent.futures
import itertools
import socket
import ssl
import struct
import time

from hellos import nameless
from honest import CLIENT
from witness import most_in_a_second
from wire import packed

PORT, COUNT = 6443, 12
ATTACKERS = itertools.count(10_000)     # ports that the kernel gives nobody: a visit after a reset would get an attacker's


def header(version, name, more=b""):
    """Of a client of this name, in either form (haproxy, doc/proxy-protocol.txt)."""
    is_six = ":" in name
    if version == 1:
        return f"PROXY TCP{6 if is_six else 4} {name} {'2001:db8::2' if is_six else '192.0.2.2'} 5000 443\r\n".encode()
    family = socket.AF_INET6 if is_six else socket.AF_INET
    addresses = socket.inet_pton(family, name) * 2 + struct.pack(">HH", 5000, 443) + more
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", 0x21, 0x21 if is_six else 0x11, len(addresses)) + addresses


class Balancer:
    def __init__(self, stage, family, number):
        self.stage, self.family = stage, family
        self.address = f"198.19.{number}.7" if family == 4 else f"2001:db9:{0x100 + number:x}::7"
        self.target = "198.51.100.2" if family == 4 else "2001:db8:1::2"

    def open(self, parts, port=0):
        s = socket.socket(socket.AF_INET6 if self.family == 6 else socket.AF_INET)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.bind((self.address, port))
        s.settimeout(20)
        s.connect((self.target, PORT))
        for part in parts:
            s.sendall(part)
        return s

    def attack(self, parts):
        """The connection's port, and whether the client was told something."""
        port = next(ATTACKERS)
        s = self.open(parts, port)
        try:
            s.sendall(nameless())
            told = s.recv(4096)
        except ConnectionError:
            told = b"reset"
        except TimeoutError:
            told = b""
        s.close()
        return port, bool(told)

    def visit(self, parts):
        try:
            s = CLIENT.wrap_socket(self.open(parts), server_hostname="shop.example")
            s.sendall(b"hello\n")
            return s.recv(100) == b"hello\n"
        except (OSError, ssl.SSLError):
            return False

    def most_answered(self, ports):
        """The most of these connections that were answered in a second, by the witness's clock."""
        self.stage.witness.catch_up()
        with self.stage.witness.lock:
            heard = [(key[1], one) for key, one in self.stage.witness.heard if key[0] == packed(self.address) and key[1] in ports]
        return most_in_a_second([(when, port) for port, one in heard for when in one.answers()])


def cut(data, at):
    return [data[:at], data[at:]]


def row(says, family, attempted, succeeded, refused):
    return {"trick": says, "family": family, "attempted": attempted, "succeeded": succeeded, "refused": refused, "why": []}


def play(stage):
    rows, refused = [], stage.agent.refused
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for number, (family, version, is_six) in enumerate([(f, v, s) for f in (4, 6) for v in (1, 2) for s in (False, True)]):
            says = f"PROXY v{version}, clients of IPv{6 if is_six else 4}"
            name = (lambda n: f"2001:db8:{0x700 + number:x}:{n:x}::9") if is_six else (lambda n: f"203.0.{number + 1}.{n}")
            trusted, stranger = Balancer(stage, family, 250), Balancer(stage, family, 150 + number)
            more = b"\x04\0\x14" + bytes(20) if version == 2 else b""
            attacks = [pool.submit(trusted.attack, cut(header(version, name(66), more), 5 + i)) for i in range(COUNT)]
            people = [pool.submit(trusted.visit, cut(header(version, name(100 + i), more), 3 + i)) for i in range(2 * COUNT)]
            forged = [pool.submit(stranger.attack, [header(version, name(77), more)]) for _ in range(COUNT)]
            strangers = (stranger, "attacker: a stranger's", stranger.address, forged)
            for who, says_who, source, jobs in ((trusted, "attacker", name(66), attacks), strangers):
                ports, told = zip(*[job.result() for job in jobs])
                rows.append(row(f"{says_who}: {says}", family, sum(told), who.most_answered(set(ports)), refused(source)))
            others = refused(trusted.address) + sum(refused(name(100 + i)) for i in range(2 * COUNT))
            rows.append(row(f"others: {says}", family, 2 * COUNT, sum(job.result() for job in people), others))
            victim = int(trusted.visit([header(version, name(77))]))
            rows.append(row(f"named by a stranger: {says}", family, 1, victim, refused(name(77))))
            time.sleep(1)       # windows of the next eight are empty
    return rows

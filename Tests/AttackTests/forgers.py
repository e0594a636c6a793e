"""Five forgers, each with a victim of his own: whoever they speak for, he is answered. Beside the server there are one of the node itself, and a pod that
works for the forger.

usage: forgers.py ADDRESS ADDRESS6 STATION   the pod: it answers whoever asks, and tells its numbers to nobody, for they are known
"""

import os
import select
import socket
import struct
import sys
import threading
import time

from hellos import named, nameless
from wire import ACK, PSH, RST, SYN, Flow, Wire, packed
from witness import dissect, packet_socket, sum16

HERE = os.path.dirname(os.path.abspath(__file__))
ISN = 77_000_000  # of every connection with the pod
VISITS = 3  # at once, by the victim: as many as anybody's limit lets through
ANSWER = b"\x16\x03\x03\0\x5a\x02\0\0\x56\x03\x03" + b"R" * 32 + b"\0\x13\x01\0\0\x2e" + b"e" * 46


class Forger:
    """A way to speak for somebody else, tried over and over while the victim is on the line."""

    def __init__(self, network, pod, family, number):
        self.network, self.pod, self.family, self.over = network, pod, family, threading.Event()
        self.victim = f"192.0.2.{number}" if family == 4 else f"2001:db8:{0x700 + number:x}::1"
        self.port, self.tried = 20000, 0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def wire(self, target):
        return Wire(self.network, self.victim, target)

    def run(self):
        while not self.over.is_set():
            self.turn()
            self.tried += 1
            time.sleep(0.01)

    def servers(self):
        return ("10.0.0.1", "198.51.100.2") if self.family == 4 else ("fd00:0::1", "2001:db8:1::2")

    def next_port(self):
        self.port = 20000 + (self.port + 7) % 30000
        return self.port


class Blind(Forger):
    """knows addresses and ports, and guesses numbers"""

    def turn(self):
        for target in self.servers():
            wire, port = self.wire(target), self.next_port()
            flow = Flow(wire, port)
            flow.syn()
            flow.server_isn = int.from_bytes(os.urandom(4), "big")
            flow.ack()
            flow.whole(nameless())
            wire.close()


class Neighbour(Forger):
    """sends frames in the server's name into the node, and the victim's answers to them"""

    def turn(self):
        # Only in the name of the node's own. What a router takes in another server's name and sends on is that one's, as far as anybody behind it
        # can tell: reverse path filters (RFC 3704) are what stops that.
        for target in self.servers()[:1]:
            wire, port = self.wire(target), self.next_port()
            flow = Flow(wire, port)
            flow.syn()
            back = Wire(self.network, target, self.victim)
            back.put(back.datagram(back.segment((443, port), ISN, flow.base, SYN | ACK)))
            back.close()
            flow.server_isn = ISN
            flow.ack()
            flow.whole(nameless())
            wire.close()


class Pod(Forger):
    """answers a victim who has not asked"""

    def turn(self):
        for word in ("syn-ack", "answer"):
            self.pod.tell(word, self.victim, self.next_port())


class PodAndOutsider(Forger):
    """the outsider asks in the victim's name, and the pod says what he needs to know"""

    def turn(self):
        wire = self.wire(self.pod.address[self.family])
        flow = Flow(wire, self.next_port())
        flow.syn()
        time.sleep(0.005)
        flow.server_isn = ISN
        flow.ack()
        flow.whole(nameless())
        wire.close()


class Observer(Forger):
    """sees what is sent to the victim"""

    def turn(self):
        for target in self.servers():
            wire, port = self.wire(target), self.next_port()
            flow = Flow(wire, port)
            flow.syn()
            wire.hear(0.2, lambda: flow.server_isn is not None)
            if flow.server_isn is not None:
                flow.ack()
                flow.whole(nameless())
            wire.close()


# Whom an observer speaks for is limited where he was anomalous; what he says himself is not touched.
FORGERS = ((Blind, nameless), (Neighbour, nameless), (Pod, nameless), (PodAndOutsider, nameless), (Observer, named))


class Accomplice:
    """The pod, behind the router: its address is nobody's but this process's, so no stack resets what it says."""

    def __init__(self, network, made, veth, start, station, wait):
        self.address = {4: "10.0.2.2", 6: "fd00:2::2"}
        router = network.watched
        veth("r2", router, "p0", made)
        router.sh("ip addr add 10.0.2.1/24 dev r2; ip -6 addr add fd00:2::1/64 dev r2 nodad")
        own, gateway = (station(namespace.sh, name).hex(":") for namespace, name in ((made, "p0"), (router, "r2")))
        router.sh(f"ip neigh add 10.0.2.2 lladdr {own} dev r2; ip -6 neigh add fd00:2::2 lladdr {own} dev r2")
        self.process = start(
            [*made.enter, sys.executable, f"{HERE}/forgers.py", self.address[4], self.address[6], gateway, own],
            stdin=-1,
            stdout=-1,
            text=True,
        )
        self.process.stdout.readline()

    def tell(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()


def segment(source, target, ports, sequence, acknowledged, flags, data=b""):
    tcp = struct.pack(">HHIIBBHHH", *ports, sequence & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF, 5 << 4, flags, 64240, 0, 0) + data
    pseudo = struct.pack(">IHBB", len(tcp), 0, 0, 6) if len(source) == 16 else struct.pack(">BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack(">H", ~sum16(source + target + pseudo + tcp) & 0xFFFF) + tcp[18:]
    if len(source) == 16:
        return b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + source + target + tcp
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0) + source + target
    return b"\x08\0" + header[:10] + struct.pack(">H", ~sum16(header) & 0xFFFF) + header[12:] + tcp


def pod(address, address6, gateway, own):
    line, head, mine = packet_socket("p0"), bytes.fromhex((gateway + own).replace(":", "")), {4: packed(address), 6: packed(address6)}
    print("ready", flush=True)
    orders = b""
    while True:
        ready, _, _ = select.select([line, sys.stdin], [], [])
        if sys.stdin in ready:
            more = os.read(0, 65536)
            if not more:
                return
            orders += more
            *whole, orders = orders.split(b"\n")
            for word, victim, port in (order.decode().split() for order in whole):
                flags, at, data = (SYN | ACK, 0, b"") if word == "syn-ack" else (PSH | ACK, 1, ANSWER)
                target = packed(victim)
                line.send(head + segment(mine[6 if len(target) == 16 else 4], target, (443, int(port)), ISN + at, 4242, flags, data))
        if line in ready:
            found = dissect(line.recv(65536))
            if not found or found[2] not in mine.values():
                continue
            family, source, target, tcp = found
            port, server_port, sequence, _, offset, flags = struct.unpack(">HHIIBB", tcp[:14])
            data = tcp[(offset >> 4) * 4 :]
            if flags & SYN:
                line.send(head + segment(target, source, (server_port, port), ISN, sequence + 1, SYN | ACK))
            elif data and not flags & RST:
                line.send(head + segment(target, source, (server_port, port), ISN + 1, sequence + len(data), PSH | ACK, ANSWER))


def is_answered(source, target, hello):
    """Whether the server says its hello to this one."""
    s = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_STREAM)
    try:
        s.settimeout(3)
        s.bind((source, 0))
        s.connect((target, 443))
        s.sendall(hello())
        return s.recv(6)[:1] == b"\x16"
    except OSError:
        return False
    finally:
        s.close()


def play(stage, words, tools):
    """`tools`: what network.py has for namespaces and processes."""
    network, rows = stage.network, []
    accomplice = Accomplice(network, tools.Namespace(), tools.veth, tools.start, tools.station, tools.wait)
    tools.Server(network.watched)
    for number, (kind, hello) in enumerate(FORGERS):
        for family in (4, 6):
            forger = kind(network, accomplice, family, 10 + number)
            if not all(word in kind.__doc__ for word in words):
                continue
            forger.thread.start()
            tools.wait("the forger", lambda: forger.tried >= 20)
            tools.sh(f"ip addr add {forger.victim}/{32 if family == 4 else 128} dev lo")
            # The pod first: what the node itself answers limits a source everywhere.
            for target, where in reversed(list(zip(forger.servers(), ("the node itself", "another pod")))):
                tools.wait("the forger", lambda at=forger.tried: forger.tried > at)
                found = [is_answered(forger.victim, target, hello) for _ in range(VISITS)]
                rows.append(
                    {
                        "trick": f"{kind.__doc__}; its victim asks {where}",
                        "family": family,
                        "attempted": VISITS,
                        "succeeded": sum(found),
                        "refused": VISITS - sum(found),
                        "why": [],
                    }
                )
            forger.over.set()
            forger.thread.join()
    return rows


if __name__ == "__main__":
    pod(*sys.argv[1:])

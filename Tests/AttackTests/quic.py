"""QUIC: what only a real server and real clients show. Answers are counted by a packet socket that knows nothing of Weir."""

import concurrent.futures
import json
import select
import socket
import struct
import subprocess
import threading

from honest import PYTHON
from network import HERE, HOME, SERVER, SERVER6, sh, start, wait
from witness import most_in_a_second, packet_socket

# What a kind does, how many connections it opens without a name, and with one.
KINDS = [
    ("nameless", 12, 0),
    ("narrow", 12, 0),
    ("second_version", 12, 0),
    ("one_socket", 50, 0),
    ("one_socket_without_ids", 12, 0),
    ("among_named", 8, 0),
    ("decoy", 12, 0),
    ("in_pieces", 12, 0),
    ("in_one_buffer", 12, 0),
    ("named_in_one_buffer", 0, 12),
    ("contradicting", 12, 0),
    ("both", 8, 8),
    ("named", 0, 40),
    ("resumed", 0, 12),
    ("unheard", 6, 0),
]
FLOOD = [("flood", 3000, 0)]
# Which third byte of an address a set's first kind has.
FIRST = [200, 240]


class QUICWitness:
    """When a server first answered each connection: the first long header with an id of the server's that nobody saw before."""

    def __init__(self, device):
        self.socket, self.first = packet_socket(device), {}
        self.socket.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS: the kernel's time, whenever we look
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            select.select([self.socket], [], [])
            frame, said, _, _ = self.socket.recvmsg(4096, 64)
            seconds, nanoseconds = struct.unpack("qq", said[0][2])
            now = seconds + nanoseconds / 1e9
            six = frame[12:14] == b"\x86\xdd"
            at, protocol = (54, frame[20]) if six else (14 + (frame[14] & 15) * 4, frame[23])
            if protocol != 17 or frame[at : at + 2] != b"\x01\xbb":
                continue
            to, data = frame[38:54] if six else frame[30:34], frame[at + 8 :]
            if not data[0] & 0x80 or data[1:5] == bytes(4):
                continue
            own = 6 + data[5]
            self.first.setdefault((to, frame[at + 2 : at + 4], data[own + 1 : own + 1 + data[own]]), now)

    def answers(self, source):
        return [(when, who) for who, when in list(self.first.items()) if who[0] == source]


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def play_stopped(stage, words):
    """The same while the agent stands still: all that anybody knows of a hello is what the kernel has read. At the end a flood."""
    if stage.shape == "pumped":  # QUIC takes no path below 1,200 bytes (RFC 9000 section 14), and no fragments
        for run, number in ((sh, 1), (stage.network.server_namespace.sh, 2)):
            run(f"ip route change default via 10.0.0.{number} mtu 1280")
    stage.agent.freeze()
    rows = play(stage, words or ["named", "resumed"] if stage.shape == "pumped" else words)
    rows += play(stage, ["flood"], FLOOD) if stage.shape != "pumped" else []
    stage.agent.thaw()
    counters = stage.agent.status()["counters"]
    for row in rows:
        if row["trick"] == "flood" and not counters["quic_initials_over_budget"]:
            row["why"] = ["the flood was within the budget"]
        if stage.shape == "pumped" and counters["quic_answers_refused"]:
            row["why"] = ["an honest client's answer was refused"]
        if not counters["quic_hellos_judged"]:
            row["why"] = ["nothing was judged in the packet"]
    stage.agent.reload("inPacket: true", "inPacket: false", "off")
    stage.agent.reload("inPacket: false", "inPacket: true", "on")
    return rows


def play(stage, words, kinds=None):
    """A row for each kind and family."""
    witness = QUICWitness("c0")
    peers = f"{HERE}/quic_peers.py"
    server = stage.quic = getattr(stage, "quic", None) or start(
        [*stage.network.server_namespace.enter, PYTHON, peers, "serve", HOME.name, SERVER, SERVER6], stdout=subprocess.PIPE, text=True
    )
    if not hasattr(stage, "quic_ready"):
        wait("the QUIC server", lambda: server.stdout.readline().strip() == "ready")
        stage.quic_ready = True
    jobs = [
        (number, kind, nameless, named, family)
        for number, (kind, nameless, named) in enumerate(kinds or KINDS, FIRST[bool(kinds)])
        for family in (4, 6)
        if not words or kind in words
    ]
    for number, kind, *_, family in jobs:
        if kind == "narrow" and family == 4:  # as the server has learnt it, by an ICMP that anybody can send
            stage.network.server_namespace.sh(f"ip route add 198.19.{number}.7/32 $(ip route show default | sed s/default//) mtu 576")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda job: one(peers, witness, *job), jobs))


def one(peers, witness, number, kind, nameless, named, family):
    """Of named connections each has to get through; of the others so many as the limit lets, as the witness counts them."""
    source = f"198.19.{number}.7" if family == 4 else f"2001:db9:{0x838 + number:x}::7"
    target = SERVER if family == 4 else SERVER6
    words = [PYTHON, peers, "visit", kind, source, target, str(max(nameless, named))]
    row = {"trick": kind, "family": family, "attempted": named, "opened": nameless, "free": named, "why": []}
    row |= {"succeeded": 0, "answered": 0, "most": 0}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if done.returncode:
        row["why"] = [done.stderr[-300:]]
        return row
    seen = witness.answers(packed(source))
    row["most"], row["answered"], row["succeeded"] = most_in_a_second(seen), len(seen), json.loads(done.stdout)["named"]
    if kind == "named_in_one_buffer":
        row["succeeded"] = len(seen)
    if kind == "among_named":
        # On one path with the others nobody can tell which is which. The first, with a name, was alone there when it was judged.
        row["succeeded"], row["free"] = 0, 1
    return row

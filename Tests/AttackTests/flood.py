"""Forged frames by the ten thousand, made before and sent many a system call; and who has to get through meanwhile."""

import ctypes
import os
import random
import socket
import time

from hellos import named
from wire import Flow, Wire

MOST = 120_000  # a second
HONEST, FORGED = 200, 60_000


class Iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


class Message(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(Iovec)),
        ("count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
        ("sent", ctypes.c_uint),
    ]


def send(frames, seconds=None, count=None):
    """Sends the frames round and round, for so long or so many; how many a second it was."""
    libc = ctypes.CDLL(None, use_errno=True)
    buffers = [ctypes.create_string_buffer(frame, len(frame)) for frame in frames]
    vectors = (Iovec * len(frames))(*[Iovec(ctypes.addressof(b), len(b)) for b in buffers])
    messages = (Message * len(frames))(*[Message(None, 0, ctypes.pointer(vectors[i]), 1, None, 0, 0, 0) for i in range(len(frames))])
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    line.bind(("c0", 0))
    began, sent, at = time.monotonic(), 0, 0
    while (spent := time.monotonic() - began) < (seconds or 60) and (count is None or sent < count):
        if sent > MOST * spent:
            time.sleep(0.001)
            continue
        done = libc.sendmmsg(line.fileno(), ctypes.byref(messages, at * ctypes.sizeof(Message)), min(256, len(frames) - at), 0)
        if done < 0:
            time.sleep(0.001)
            continue
        sent += done
        at = (at + done) % len(frames)
    line.close()
    return sent / (time.monotonic() - began)


def forged(network, dice, flags, data=None, count=16384, family=4, target=None):
    """Segments of as many sources, none of which has asked."""
    target = target or ("198.51.100.2" if family == 4 else "2001:db8:1::2")
    wire, frames, text = Wire(network, "203.0.113.1" if family == 4 else "2001:db8:9::1", target), [], data() if data else b""
    for _ in range(count):
        source = (
            bytes([dice.choice((11, 23, 45, 77, 101)), *dice.randbytes(3)]) if family == 4 else b"\x20\x01\x0d\xb8" + dice.randbytes(12)
        )
        ports = (dice.randrange(1024, 65535), 443)
        body = wire.segment(ports, dice.getrandbits(32), dice.getrandbits(32) if flags != 2 else 0, flags, text, source=source)
        frames.append(wire.head + (b"\x86\xdd" if family == 6 else b"\x08\0") + wire.datagram(body, source=source))
    wire.close()
    return frames


def play(stage):
    """Connections are opened; more SYNs come than a table of half-open flows holds; then they go on."""
    rows = []
    for family in (4, 6):
        source, target = ("198.18.200.7", "198.51.100.2") if family == 4 else ("2001:db8:7700::7", "2001:db8:1::2")
        frames = forged(stage.network, random.Random(os.urandom(8)), 2, count=FORGED, family=family)
        wire = Wire(stage.network, source, target)
        flows = [Flow(wire, 20000 + i) for i in range(HONEST)]
        for _ in range(5):
            waiting = [flow for flow in flows if flow.server_isn is None]
            for flow in waiting:
                flow.syn()
            wire.hear(1, lambda: all(flow.server_isn is not None for flow in flows))
        send(frames, count=FORGED)
        stage.witness.catch_up()
        for flow in flows:
            flow.ack()
            flow.whole(named())
        wire.hear(20, lambda: all(flow.said for flow in flows))
        answered = sum(flow.said == "answer" for flow in flows)
        rows.append(
            {
                "trick": f"{HONEST} connections of one address, and {FORGED} forged SYNs before they go on",
                "family": family,
                "attempted": HONEST,
                "succeeded": answered,
                "refused": sum((flow.said or "").startswith("reset") for flow in flows),
                "why": [],
            }
        )
        for flow in flows:
            flow.end()
        wire.close()
    return rows

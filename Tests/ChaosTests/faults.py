"""What goes wrong, a function each: it does it, and mends it again as an operator would. The docstring is what the report says."""

import ctypes
import os
import signal
import socket
import struct
import threading
import time

from world import HERE, POLICY, SERVER, Attacker, Witness, network, packed, sh, wait

faults = []


def fault(function):
    faults.append(function)
    return function


@fault
def agent_killed(world):
    """the agent is killed"""
    began = time.monotonic()
    world.agent.kill()
    time.sleep(1)
    world.agent.heal()
    world.unlimited(began, time.monotonic())


@fault
def controller_killed(world):
    """the controller is killed"""
    world.controller.kill()
    time.sleep(2)
    world.controller.heal()


@fault
def broker_killed(world):
    """the broker is killed"""
    world.broker.kill()
    time.sleep(5)
    world.broker.heal()


@fault
def envoy_killed(world):
    """Envoy is killed"""
    world.envoy.kill()
    time.sleep(1)
    world.envoy.heal()


def stopped(part, seconds):
    part.signal(signal.SIGSTOP)
    time.sleep(seconds)
    part.heal()


@fault
def agent_stopped(world):
    """the agent stands still for 30 s"""
    stopped(world.agent, 30)


@fault
def controller_stopped(world):
    """the controller stands still for 30 s"""
    stopped(world.controller, 30)


@fault
def broker_stopped(world):
    """the broker stands still for 30 s"""
    stopped(world.broker, 30)


@fault
def ring_full(world):
    """the agent stands still while more records come than the ring holds"""
    world.agent.signal(signal.SIGSTOP)
    flood(world, lambda: hello_frames(world), seconds=3)
    world.agent.heal()


@fault
def map_full(world):
    """thousands of sources, an anomalous connection each"""
    crowd = [Attacker(f"198.19.{100 + i % 100}.{1 + i // 100}", 0) for i in range(4000)]
    turns = iter(crowd)
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                client = next(turns, None)
            if client is None:
                return
            client.visit()

    workers = [threading.Thread(target=work) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


@fault
def policy_garbage(world):
    """somebody writes garbage into the policy"""
    for text in ("spec: [", "\0\1\2", POLICY.replace("enforce", "enfroce"), ""):
        world.write_policy(text)
        time.sleep(0.5)
    world.write_policy(POLICY)


@fault
def disk_full(world):
    """the disk with the agent's state is full, and the broker away"""
    world.broker.kill()
    with open(f"{world.state}/ballast", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    time.sleep(5)
    os.unlink(f"{world.state}/ballast")
    world.broker.heal()


@fault
def interface_gone(world):
    """the interface is taken away and made anew"""
    began = time.monotonic()
    sh("ip link del c0")
    time.sleep(1)
    again = time.monotonic()
    world.network.direct()
    world.network.gateway, world.network.own = network.station(world.node.sh, "s0"), network.station(sh, "c0")
    world.witnesses.append(Witness("c0"))
    wait("the agent watches it", lambda: any(i["name"] == "s0" for i in world.status().get("interfaces", [])))
    wait("a way", lambda: network.is_reached(SERVER))
    world.cut_off(began, time.monotonic())
    world.unlimited(again, time.monotonic())


@fault
def forged_flood(world):
    """100,000 frames a second from forged sources"""
    rate = flood(world, lambda: syn_frames(world), seconds=5)
    return f"{rate:,.0f} a second"


# Floods: frames made before, many a system call.


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


def flood(world, make, seconds):
    """Sends the frames round and round, at most 120,000 a second; how many a second it was."""
    frames, libc = make(), ctypes.CDLL(None, use_errno=True)
    buffers = [ctypes.create_string_buffer(frame, len(frame)) for frame in frames]
    vectors = (Iovec * len(frames))(*[Iovec(ctypes.addressof(b), len(b)) for b in buffers])
    batch = 256
    messages = (Message * len(frames))(*[Message(None, 0, ctypes.pointer(vectors[i]), 1, None, 0, 0, 0) for i in range(len(frames))])
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    line.bind(("c0", 0))
    began, sent, at = time.monotonic(), 0, 0
    while (spent := time.monotonic() - began) < seconds:
        if sent > 120_000 * spent:
            time.sleep(0.001)
            continue
        done = libc.sendmmsg(line.fileno(), ctypes.byref(messages, at * ctypes.sizeof(Message)), min(batch, len(frames) - at), 0)
        if done < 0:
            time.sleep(0.001)
            continue
        sent += done
        at = (at + done) % len(frames)
    line.close()
    return sent / (time.monotonic() - began)


def forged(world, flags, data):
    from wire import Wire

    wire, frames = Wire(world.network, "203.0.113.1", SERVER), []
    for _ in range(16384):
        source = bytes([world.dice.choice((11, 23, 45, 77, 101)), *world.dice.randbytes(3)])
        body = wire.segment(
            (world.dice.randrange(1024, 65535), 443),
            world.dice.getrandbits(32),
            world.dice.getrandbits(32) if flags != 2 else 0,
            flags,
            data(),
            source=source,
        )
        frames.append(wire.head + b"\x08\0" + wire.datagram(body, source=source))
    wire.close()
    return frames


def syn_frames(world):
    return forged(world, 2, lambda: b"")


def hello_frames(world):
    from hellos import nameless

    whole = nameless()
    return forged(world, 24, lambda: whole)

"""What goes wrong, a function each: it does it, and mends it again as an operator would. The docstring is what the report says."""

import os
import signal
import threading
import time

from world import POLICY, SERVER, Attacker, Witness, network, sh, wait  # noqa: I001  it says where the next two are

import flood
from hellos import nameless

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
    flood.send(flood.forged(world.network, world.dice, 24, nameless), seconds=3)
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
    wait("the agent watches it", lambda: "s0" in world.status()["interfaces"])
    wait("a way", lambda: network.is_reached(SERVER))
    world.cut_off(began, time.monotonic())
    world.unlimited(again, time.monotonic())


@fault
def forged_flood(world):
    """frames from forged sources, as fast as they can be made here"""
    rate = flood.send(flood.forged(world.network, world.dice, 2), seconds=5)
    return f"{rate:,.0f} a second"

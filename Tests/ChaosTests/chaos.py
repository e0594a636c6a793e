"""Minutes of attack while everything goes wrong that can: after each fault the accounts balance, the limit held, nobody honest noticed.

usage (by `make chaos`): unshare -nm python3 chaos.py PROGRAMS [--seconds N] [--seed N] [--only WORD]
Counted by a witness on the clients' cable and by the clients themselves. The agent is asked for its accounts only, and the broker's topic
is held against them.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

from faults import faults
from world import LISTEN, PRISONER, SERVER, Person, World, network, say, wait

LIMIT = 3


class Judge:
    def __init__(self, world):
        self.world, self.wrong, self.since = world, [], time.monotonic()

    def check(self, name, isTrue, detail):
        if not isTrue:
            self.wrong.append(f"{name}: {detail}")
        return "" if isTrue else f"  WRONG: {detail}"

    def balance(self, name):
        """Balanced at once, or a moment later: the kernel counts on while it is read."""
        accounts = {}

        def balanced():
            accounts.update(self.world.status().get("accounts") or {"balance": True})
            return accounts["balance"]

        try:
            wait("the accounts balance", balanced, 10)
            return ""
        except SystemExit:
            return self.check(name, False, f"the accounts do not balance: {json.dumps(accounts)}")

    def after(self, name):
        world = self.world
        for part in world.parts:
            part.heal()
        said = self.balance(name)
        most, answers = world.excess(self.since)
        said += self.check(name, most <= LIMIT, f"{most} answers to the attacker in a second")
        failed, visits = world.failures(self.since)
        said += self.check(name, not failed, f"{len(failed)} of {visits} honest visits failed")
        self.since = time.monotonic() - 1.0
        return f"{answers} answers to the attacker, at most {most} in a second; {visits} honest visits{said}"


def ends_without_agent(world, judge):
    """A limit ends on time though nobody is there to end it."""
    prisoner = Person(PRISONER, 0)
    added = world.weir("limits", "add", PRISONER, "--class", "all", "--per-second", "1", "--for", "12s", "--kafka", network_kafka())
    if added.returncode:
        return judge.check("the agent never returns", False, added.stdout)
    began = time.monotonic()
    wait("the operator's limit holds", lambda: not all(prisoner.visit() for _ in range(3)), 10)
    world.agent.signal(signal.SIGSTOP)
    wait("it has ended", lambda: all(prisoner.visit() for _ in range(6)), 20)
    took = time.monotonic() - began
    world.agent.heal()
    return f"ended after {took:.1f} s" + judge.check(
        "the agent never returns", 8 <= took <= 16, f"a limit of 12 s ended after {took:.1f} s"
    )


def network_kafka():
    from world import KAFKA

    return KAFKA


def topic(world):
    """Whatever the topic has: ids of events, and what notices of loss say."""
    import consume

    return consume.events(world)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("programs")
    options.add_argument("--seconds", type=int, default=300)
    options.add_argument("--seed", type=int, default=int(time.time()))
    options.add_argument("--only", default="")
    asked = options.parse_args()
    print(f"seed {asked.seed}: make chaos SEED={asked.seed}", flush=True)
    world = World(os.path.abspath(asked.programs), asked.seed)
    say("agent, controller, broker and Envoy are ready; the attack begins")
    judge, played = Judge(world), 0
    wait("the attack is seen", lambda: world.excess(0)[1] >= 3)
    end = time.monotonic() + asked.seconds
    bag = []
    while time.monotonic() < end or bag:
        if not bag:
            bag = [f for f in faults if asked.only in f.__name__]
            world.dice.shuffle(bag)
        one = bag.pop()
        name = one.__doc__
        try:
            note = one(world)
            time.sleep(2)  # the attack goes on, and so does the loop
            say(f"{name}{f' ({note})' if note else ''}: {judge.after(name)}")
        except SystemExit as error:
            judge.wrong.append(f"{name}: {error}")
            say(f"{name}: WRONG: {error}")
            break
        played += 1
        if time.monotonic() >= end and played >= len(faults):
            break
    say("the agent never returns:", ends_without_agent(world, judge))
    say("the topic against the accounts:", against_topic(world, judge))
    for part in world.parts:
        say(f"{part.name} was started {part.starts} times")
    for line in judge.wrong:
        print(f"WRONG: {line}")
    print(f"{played} faults, seed {asked.seed}: {'all promises kept' if not judge.wrong else f'{len(judge.wrong)} broken'}")
    return 1 if judge.wrong else 0


def against_topic(world, judge):
    """Of the agent's last run every event is on the topic, or told of as lost."""
    world.attacker.over.set()
    world.attacker.join()
    wait("nothing waits", lambda: all(world.status()["accounts"]["events"].get(term, 0) == 0 for term in ("waiting", "under_way")), 60)
    events = world.status()["accounts"]["events"]
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "consume.py")
    found = json.loads(
        subprocess.run([*world.inside, sys.executable, script, network_kafka()], stdout=subprocess.PIPE, text=True, check=True).stdout
    )
    last = max(found["runs"], key=lambda run: found["runs"][run]["time"])
    known, lost = found["runs"][last], sum(events.get(term, 0) for term in events if term in LOSSES)
    wanted, has = events["made"], known["count"]
    said = judge.check(
        "the topic",
        has + lost >= wanted and has <= wanted,
        f"of {wanted} events of the last run the topic has {has}, and {lost} are told of as lost",
    )
    return f"{len(found['runs'])} runs; of the last one {has} of {wanted} events, {lost} lost and told of{said}"


LOSSES = ("spool_full", "too_old", "disk_full", "queue_full", "refused", "aside_full", "client_lost", "left")

if __name__ == "__main__":
    try:
        code = main()
    finally:
        sys.stdout.flush()
        network.end_all()
    sys.exit(code)

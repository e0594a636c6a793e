"""Minutes of attack and honest visits without a fault: memory and descriptors of agent and controller have to stay as they are.

usage (by `make soak`): unshare -nm python3 soak.py PROGRAMS [--seconds N]
Read from /proc. The first quarter is for tables to fill; after it the least of the last quarter is held against the least of the second.
"""

import argparse
import os
import sys
import time

from world import World, network, say, wait

MEMORY, DESCRIPTORS = 1.03, 2  # what a quarter may be above another: by a factor, and by a number


def megabytes(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) / 1000 for line in file if line.startswith("VmRSS"))


def pid_of(part):
    """The program itself, not the nsenter that became it."""
    return part.process.pid


def main():
    options = argparse.ArgumentParser()
    options.add_argument("programs")
    options.add_argument("--seconds", type=int, default=1200)
    asked = options.parse_args()
    world = World(os.path.abspath(asked.programs), 1)
    say("agent, controller, broker and Envoy are ready; the attack begins")
    wait("the attack is seen", lambda: world.excess(0)[1] >= 3)
    began, samples, next_line = time.monotonic(), [], 0.0
    while (spent := time.monotonic() - began) < asked.seconds:
        row = [spent]
        for part in (world.agent, world.controller):
            row += [megabytes(pid_of(part)), len(os.listdir(f"/proc/{pid_of(part)}/fd"))]
        samples.append(row)
        if spent >= next_line:
            say(f"agent {row[1]:.1f} MB, {row[2]} descriptors; controller {row[3]:.1f} MB, {row[4]} descriptors")
            next_line = spent + max(10, asked.seconds / 20)
        time.sleep(min(1, asked.seconds / 100))
    quarter = lambda n: [row for row in samples if n * asked.seconds / 4 <= row[0] < (n + 1) * asked.seconds / 4]
    wrong = []
    for at, what in ((1, "agent, MB"), (2, "agent, descriptors"), (3, "controller, MB"), (4, "controller, descriptors")):
        before, after = (min(row[at] for row in quarter(n)) for n in (1, 3))
        grew = after > before * MEMORY if at % 2 else after > before + DESCRIPTORS
        print(f"{what}: {before:.1f} in the second quarter, {after:.1f} in the last{'  WRONG: it grows' if grew else ''}")
        wrong += [what] if grew else []
    most, answers = world.excess(0)
    failed, visits = world.failures(0)
    print(f"{answers} answers to the attacker, at most {most} in a second; {len(failed)} of {visits} honest visits failed")
    return 1 if wrong or most > 3 or failed else 0


if __name__ == "__main__":
    try:
        code = main()
    finally:
        sys.stdout.flush()
        network.end_all()
    sys.exit(code)

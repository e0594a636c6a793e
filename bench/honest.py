"""Honest visits over a bad link, by the million: how many succeed, and how many are refused, with Weir enforcing.

usage (by `make bench-honest`): unshare -n python3 honest.py PROGRAMS [COUNT]
Loss 5 %, reordering 25 %, duplication 10 %, MTU 576 (IPv6: 1,280), both families, TLS 1.3 and 1.2, half of TLS 1.3's with a
HelloRetryRequest, 200 addresses of each family. Counted by the clients; and the agent says how many answers it counted against anybody.
"""

import os
import sys
import time

sys.path.insert(0, f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/Tests/AttackTests")
from crowd import Crowd  # noqa: E402
import network  # noqa: E402
from network import Agent, Network, end_all  # noqa: E402

PROGRAMS, COUNT = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
AT_ONCE, PART = 1000, 50_000


def main():
    network.LONGEST = 4 * 3600
    stage = Network("pumped", programs=PROGRAMS)
    agent = Agent(f"{PROGRAMS}/weir-agent", stage.server_namespace, "s0", "reset")
    crowd, began = Crowd(stage, f"{PROGRAMS}/weir-bench"), time.monotonic()
    total, counted = {"succeeded": 0, "refused": 0, "failed": 0}, 0
    for part in range(0, COUNT, PART):
        for family in (4, 6):
            said = crowd.visit(family, min(PART, COUNT - part) // 2, AT_ONCE)
            total = {name: total[name] + said[name] for name in total}
        counters = agent.status()["counters"]
        counted = counters["answers_counted"] + counters["answers_refused"]
        print(f"\r{sum(total.values()):>9,} of {COUNT:,}: {total['refused']} refused, {total['failed']} failed, {counted} answers counted",
              end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    seconds = time.monotonic() - began
    print(f"{sum(total.values()):,} honest visits in {seconds:.0f} s, loss 5 %, reordering 25 %, duplication 10 %, MTU 576: "
          f"{total['refused']} refused, {total['failed']} failed; the agent counted {counted} answers against anybody")
    agent.stop()
    return 0 if total["refused"] == total["failed"] == counted == 0 else 1


if __name__ == "__main__":
    try:
        code = main()
    finally:
        sys.stdout.flush()
        end_all()
    os._exit(code)

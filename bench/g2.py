"""How many visits of well-behaved clients succeed under attack: with Weir, with nftables' limit of each source, with neither.

usage (by `make bench-goodput`): unshare -n python3 goodput.py PROGRAMS [SECONDS]
Two addresses with many well-behaved clients each (a NAT), one attacker behind one of them, and eight elsewhere; a real TLS server,
all on this machine's two cores. A visit is a TLS handshake, a request and its answer. Counted by the clients.
"""

import multiprocessing
import os
import socket
import ssl
import sys
import time

sys.path.insert(0, f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/Tests/AttackTests")
from hellos import nameless  # noqa: E402
from network import HOME, SERVER, Agent, Network, end_all, wait  # noqa: E402

PROGRAMS, SECONDS = os.path.abspath(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 10
PEOPLE = ["198.19.1.1", "198.19.2.1"]  # two addresses, RATE visits a second each
ATTACKERS = ["198.19.1.1"] + [f"198.19.{10 + i}.1" for i in range(8)]
RATE, HOLD = 20, 0.25


def connect(source, timeout):
    s = socket.socket()
    s.settimeout(timeout)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((source, 0))
    s.connect((SERVER, 443))
    return s


def person(source, until, count):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    due, good, tried = time.monotonic(), 0, 0
    while time.monotonic() < until:
        tried += 1
        try:
            with connect(source, 2) as raw, context.wrap_socket(raw, server_hostname="shop.example") as s:
                s.sendall(b"hello\n")
                good += s.recv(100) == b"hello\n"
        except OSError:
            pass
        due += 1 / RATE
        time.sleep(max(0, due - time.monotonic()))
    count.put(("person", tried, good))


def attacker(source, until, count):
    """Opens connections as fast as it can; whoever answers has to hold them for a while."""
    held, tried, answered = [], 0, 0
    while time.monotonic() < until:
        try:
            tried += 1
            s = connect(source, 1)
            s.sendall(nameless())
            answered += s.recv(6)[:1] == b"\x16"
            held.append((time.monotonic(), s))
        except OSError:
            pass
        while held and (held[0][0] < time.monotonic() - HOLD or len(held) > 200):
            held.pop(0)[1].close()
    count.put(("attacker", tried, answered))


def run(attack):
    """Visits a second that succeeded, how many were due, and answers to attackers a second."""
    count, until = multiprocessing.Queue(), time.monotonic() + SECONDS
    workers = [multiprocessing.Process(target=person, args=(source, until, count)) for source in PEOPLE]
    workers += [multiprocessing.Process(target=attacker, args=(source, until, count)) for source in (ATTACKERS if attack else [])]
    for worker in workers:
        worker.start()
    said = [count.get() for _ in workers]
    for worker in workers:
        worker.join()
    total = {who: [sum(row[i] for row in said if row[0] == who) / SECONDS for i in (1, 2)] for who in ("person", "attacker")}
    return total["person"][1], len(PEOPLE) * RATE, total["attacker"][1]


def main():
    network = Network("direct")
    rows = [("no attack", run(False))]
    # What an operator would write without Weir: three new connections a second of each address.
    rules = (
        "table inet goodput { chain in { type filter hook input priority 0; \n tcp dport 443 ct state new "
        "meter sources { ip saddr limit rate over 3/second burst 3 packets } drop\n }\n }"
    )
    pass
    pass
    pass
    agent = Agent(f"{PROGRAMS}/weir-agent", network.server_namespace, "s0", "reset")
    rows.append(("attack, Weir enforcing", run(True)))
    st = agent.status(); print({k: v for k, v in st["counters"].items() if v}); [print(r) for r in st["sources"][:4]]; agent.stop()
    best = rows[0][1][0]
    for name, (good, due, answered) in rows:
        print(
            f"{name:36} {good:6.1f} of {due} good visits a second ({good / best:4.0%} of those without attack); "
            f"{answered:7.1f} answers a second to attackers"
        )


if __name__ == "__main__":
    try:
        main()
    finally:
        sys.stdout.flush()
        end_all()
    os._exit(0)

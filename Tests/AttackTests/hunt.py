"""New combinations, as many as wanted: what the server drops or ignores, pieces of a nameless hello in any order and wrapping, pauses.

usage: hunt.py AGENT [SEED] [RUNS] [SHAPE] [ANSWER]     plays them on a stage of their own (stage.py) and says what came of it
       stage.py AGENT SHAPE ANSWER hunt FIRST-LAST      the same, a line of JSON each
Of each at most three answers may leave in any sliding second. Many reach no server: a combination is what chance made of it.
"""
import json
import os
import random
import subprocess
import sys

from attack import Trick
from hellos import named, nameless, pair, records
from wire import ACK, FIN, PSH, RST, SYN, URG

AT_ONCE = 120       # of one stage: each has an address of its own
SHAPES, ANSWERS = ("direct", "single", "clsact", "routed", "dnat", "one_armed", "pumped", "bare"), ("reset", "drop")


def dropped(chance, flow, data, place):
    """
    Something that the server drops, or ignores. A SYN with bytes has a wrong checksum: once the connection was refused it would open
    another one with them (Fast Open), and those have a name. So has a frame of another VLAN where the link takes the tag away.
    """
    elsewhere = {"tag": 77} if flow.keeps_tags else {"bad_sum": True}
    junk = bytes(chance.randrange(1, 60))
    near = place + chance.randrange(300)
    chance.choice((
        lambda: flow.send(place, data, bad_sum=True),
        lambda: flow.send(place, data, PSH),
        lambda: flow.send(place, data, to=b"\x02\0\0\0\0\x99"),
        lambda: flow.send(place, data, ack=-200000),
        lambda: flow.send(place, data, ack=chance.choice((1, 5000, 70000, 1 << 30))),
        lambda: flow.send(place, data, options=b"\x13\x12" + bytes(16)),
        lambda: flow.send(near, b"", RST | ACK, bad_sum=True),
        lambda: flow.send(near, b"", FIN | ACK, bad_sum=True),
        lambda: flow.send(near + 1, junk, bad_sum=True),
        lambda: flow.send(-1, b"", SYN | ACK, ack=chance.randrange(1000)),
        lambda: flow.send(place, data, SYN | ACK | PSH),
        lambda: flow.send(place, data, SYN, bad_sum=True),
        lambda: flow.send(place, data, FIN | ACK | PSH, bad_sum=True),
        lambda: flow.send(place, data, RST | ACK, bad_sum=True),
        lambda: flow.send(place, data, **elsewhere),
        lambda: flow.send(place, data, way={"total": 40}),
        lambda: flow.send(place + (1 << 20), data),
        lambda: flow.send(place, data, URG | ACK | PSH, bad_sum=True, urgent=chance.randrange(20)),
        lambda: flow.send(place - 7, junk[:7] + data, bad_sum=True),
        lambda: flow.send(-1, b"", SYN, ack=0, bad_sum=chance.random() < .5)))()


def sent(chance, flow, data, place):
    """What the server takes, wrapped in some way."""
    way = chance.randrange(7)
    if way == 3 and len(data) > 60:
        cuts = sorted({8 * chance.randrange(1, (len(data) + 19) // 8) for _ in range(chance.randrange(1, 4))})
        made = flow.wire.fragments(flow.segment(place, data), cuts)
        chance.shuffle(made)
        for one in made:
            flow.wire.put(one)
        return
    how = ({"tag": 0}, {"options": b"\x01" * chance.choice((4, 12, 40))}, {"window": chance.choice((0, 1, 3, 60, 60000))})
    flow.send(place, data, ACK if way == 4 else PSH | ACK, **(how[way] if way < 3 else {}))


def part(chance, size):
    start = chance.choice((0, 0, chance.randrange(size)))
    return start, max(start + 1, chance.choice((size, min(size, start + chance.choice((1, 3, 9, 40, 150, 300))))))


def hellos(kind, size, cut):
    """A nameless hello and one with a name, in large pieces of one record, in small records, or longer than a segment."""
    if kind == 2:
        return nameless(pad=3000), named(pad=3000)
    return [records(hello[5:], cut) if kind == 1 else hello for hello in pair(size)]


def step(chance, flow, bare, name):
    """One thing that happens; how long to wait after it."""
    what, (start, end) = chance.randrange(12), part(chance, min(len(bare), len(name), 1400))
    if what < 5:
        dropped(chance, flow, name[start:end], start)
    elif what < 8:
        sent(chance, flow, bare[start:end], start)
    elif what == 9:
        flow.send(flow.acked - 1, chance.choice((b"", b"x")), ACK)
    elif what == 10:
        flow.send(start, bare[start:end], window=chance.choice((0, 1, 64000)))
    return chance.choice((.02, .1, .3, 1.1)) if what == 11 else 0


def finish(chance, flow, bare):
    """All of the nameless hello, in some order."""
    way, size = chance.randrange(4), chance.choice((17, 64, 250))
    places = range(0, len(bare), size)
    flow.window = 64240
    if way == 1:
        for at in places:
            sent(chance, flow, bare[at:at + size], at)
    elif way == 2:
        for at in reversed(places):
            flow.send(at, bare[at:at + size])
    elif way == 3:
        flow.send(-1, b"?" + bare[:300])
    flow.whole(bare[300:] if way == 3 else bare, 300 if way == 3 else 0)
    if chance.random() < .3:
        flow.send(len(bare), b"", FIN | ACK)


def combination(seed):
    """The same on each of the twelve connections, turn by turn, so that they share their pauses."""
    def run(attack):
        chance = random.Random(seed)
        kind, size, cut, steps = chance.randrange(6), chance.choice((400, 900)), chance.choice((1, 7, 100)), chance.randrange(2, 16)
        attack.open(window=chance.choice((64240, 64240, 64240, 1, 3, 0, 30)))
        for flow in attack.flows:
            flow.keeps_tags = attack.stage.shape != "pumped"
        flows = [(flow, *hellos(kind, size, cut)) for flow in attack.flows]
        for _ in range(steps):
            before, pause = chance.getstate(), 0
            for flow, bare, name in flows:
                chance.setstate(before)
                pause = step(chance, flow, bare, name)
            if pause:
                attack.wire.hear(pause)
        before = chance.getstate()
        for flow, bare, _ in flows:
            chance.setstate(before)
            finish(chance, flow, bare)
        attack.wire.hear(.6)
        for flow, bare, _ in flows:     # once more, as a stack would
            if not flow.said:
                flow.whole(bare)
    return run


def tricks(words):
    first, last = map(int, words[0].split("-"))
    return [Trick(f"combination {seed}", combination(seed), opens=False) for seed in range(first, last)]


def main(agent, seed=None, runs=100, shape="direct", answer="reset"):
    if not (seed or "0").isdigit() or not str(runs).isdigit() or not int(runs) or shape not in SHAPES or answer not in ANSWERS:
        shapes = ", ".join(SHAPES)
        print(f"hunt: SEED and RUNS are numbers, RUNS above 0; SHAPE is one of {shapes}; ANSWER is reset or drop", file=sys.stderr)
        return 2
    first = int(seed) if seed else random.randrange(1 << 20)
    reached, excess, played, stage = 0, [], 0, os.path.dirname(os.path.abspath(__file__)) + "/stage.py"
    for start in range(first, first + int(runs), AT_ONCE):
        span = f"{start}-{min(start + AT_ONCE, first + int(runs))}"
        words = ["unshare", "-n", sys.executable, "-B", stage, os.path.abspath(agent), shape, answer, "hunt", span]
        done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
        rows = [row for row in map(json.loads, done.stdout.splitlines()) if "trick" in row]
        if done.returncode or not rows:
            raise SystemExit(f"the stage of {span} ended with {done.returncode}")
        played += len(rows)
        reached += sum(1 for row in rows if row.get("answered"))
        excess += [row for row in rows if row.get("error") or row["most"] > 3]
        print(f"combinations {span} of {shape}, {answer}: {len(excess)} with more than three answers in a second", flush=True)
    for row in excess:
        print(f"make hunt SEED={row['trick'].split()[1]} RUNS=1 SHAPE={shape} ANSWER={answer}: IPv{row['family']}: {json.dumps(row)}")
    print(f"{played} played over IPv4 and IPv6, {reached} were answered at all, {len(excess)} too often")
    return 1 if excess else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

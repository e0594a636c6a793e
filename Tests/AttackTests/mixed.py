"""Combinations by chance, alike in every run: some decoys, an opening, a way to cut and order the hello, and how its frames are wrapped."""
import random

from attack import Trick, tricks
from hellos import nameless, pair, records
from wire import ACK, FIN, PSH, RST, SYN


def decoy(chance, flow, name, place=0):
    """Something that the server drops, or ignores."""
    way = chance.randrange(10)
    if way == 0:
        flow.send(place, name, bad_sum=True)
    elif way == 1:
        flow.send(place, name, PSH)
    elif way == 2:
        flow.send(place, name, to=b"\x02\0\0\0\0\x99")
    elif way == 3:
        flow.send(place, name[:chance.randrange(9, len(name))], bad_sum=True)
    elif way == 4:
        flow.send(place - 3, b"abc" + name, PSH | ACK, ack=7000)
    elif way == 5:
        flow.send(place, name, options=b"\x13\x12" + bytes(16))
    elif way == 6:
        flow.send(place + chance.randrange(300), b"", RST | ACK, bad_sum=True)
    elif way == 7:
        flow.send(place + chance.randrange(300), b"", FIN | ACK, bad_sum=True)
    elif way == 8:
        flow.send(place + chance.randrange(1, 300), bytes(chance.randrange(1, 400)), bad_sum=True)
    else:
        flow.send(-1, b"", SYN | ACK, ack=chance.randrange(1000))


def cuts(chance, size):
    way = chance.randrange(4)
    if way == 0:
        return [(0, size)]
    if way == 1:
        at = chance.randrange(1, size)
        return [(0, at), (at, size)]
    step = chance.choice((3, 17, 64, 250))
    parts = [(at, min(at + step, size)) for at in range(0, size, step)]
    if way == 2:
        parts = [(max(0, a - chance.randrange(4)), b) for a, b in parts]
    return parts


def wrapped(chance):
    way = chance.randrange(6)
    if way == 0:
        return {"tag": 0}
    if way == 1:
        return {"options": b"\x01" * chance.choice((4, 12, 40))}
    if way == 2:
        return {"window": chance.randrange(1, 60000)}
    return {}


def combination(seed):
    def run(attack):
        chance = random.Random(seed)
        kind, before, between = chance.randrange(4), chance.randrange(3), chance.random() < 0.5
        order, early, twice, state = chance.randrange(3), chance.randrange(3), chance.random() < 0.3, chance.getstate()
        for flow in attack.flows:
            chance.setstate(state)
            bare, name = pair(chance.choice((400, 900)))
            if kind == 1:
                bare = records(bare[5:], chance.choice((1, 7, 100)))
            elif kind == 2:
                bare = nameless(pad=17000)
            for _ in range(before):
                decoy(chance, flow, name)
            parts = cuts(chance, len(bare)) if kind != 2 else [(a, min(a + 1300, len(bare))) for a in range(0, len(bare), 1300)]
            if order == 1:
                parts.reverse()
            elif order == 2:
                chance.shuffle(parts)
            how = wrapped(chance)
            for i, (start, end) in enumerate(parts):
                if between and i == len(parts) // 2:
                    decoy(chance, flow, name)
                if early == 1 and start == 0:
                    flow.send(-2, b"??" + bare[:end], **how)
                else:
                    flow.send(start, bare[start:end], **how)
                if twice and i < 3:
                    flow.send(start, bare[start:end], **how)
    return run


# Of these the server's socket takes nothing whole: too many small pieces out of order.
UNTAKEN = (8, 15, 20, 22)
for number in range(40):
    if number not in UNTAKEN:
        tricks.append(Trick(f"a combination by chance, number {number}", combination(number)))

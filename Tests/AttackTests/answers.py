"""Tricks with what the server says: small windows, answers that are saved up, second hellos."""
import os
import time

from attack import each, trick
from hellos import named, nameless, records, retried
from wire import ACK, PSH


def small(says, window, **how):
    @trick(says, opens=False, **how)
    def run(attack):
        attack.open(window=window)
        for flow in attack.flows:
            flow.whole(nameless())
    return run


small("a receive window of one byte", 1, core=True)
small("a receive window of three bytes", 3)
small("a receive window of five bytes, as long as a record's header", 5)


@trick("a receive window of no bytes, opened for all at once", opens=False, core=True)
def closed_window(attack):
    attack.open(window=0)
    for flow in attack.flows:
        flow.whole(nameless())
    attack.wire.hear(0.5)
    for flow in attack.flows:
        flow.send(len(nameless()), b"", ACK, window=60000)


@trick("hellos within the limit, three a second, and their answers saved up by a window of no bytes", opens=False)
def hoard(attack):
    for turn in range(12):
        flow = attack.open(1, ports=[21000 + turn], window=0)[0]
        flow.whole(nameless())
        attack.wire.hear(0.36)
    for flow in attack.flows:
        flow.send(len(nameless()), b"", ACK, window=60000)


@trick("the same, a window that closes behind the first byte", opens=False)
def hoard_but_one(attack):
    for turn in range(12):
        flow = attack.open(1, ports=[21000 + turn], window=1)[0]
        flow.acks = False
        flow.whole(nameless())
        attack.wire.hear(0.36)
    for flow in attack.flows:
        flow.acks = True
        flow.send(len(nameless()), b"", ACK, window=60000)


@trick("the rest of every hello at the same instant, after a second and a half", opens=True)
def held(attack):
    hellos = [nameless() for _ in attack.flows]
    for flow, hello in zip(attack.flows, hellos):
        flow.send(0, hello[:-1])
    attack.wire.hear(1.5)
    for flow, hello in zip(attack.flows, hellos):
        flow.send(len(hello) - 1, hello[-1:])


def second_hellos(says, first_name, second_name, window=64240, hold=False, before=b"", pieces=0, pace=0.0, **how):
    """Two hellos of each connection, for the server asks for another share."""
    @trick(says, opens=False, **how)
    def run(attack):
        pairs = {}
        for turn in range(12 if pace else 1):
            flows = attack.open(1, server_port=4443, ports=[21000 + turn], window=window) if pace else attack.open(server_port=4443, window=window)
            for flow in flows:
                first, second = retried(first_name)
                if second_name != first_name:
                    second = retried(second_name)[1]
                pairs[flow] = first, before + second
                flow.whole(first)
            attack.wire.hear(pace)
        attack.wire.hear(2.5 if window < 100 else 0.6, lambda: all(flow.heard > 90 for flow in attack.flows))
        if hold:
            attack.wire.hear(1.3)
        for flow, (first, second) in pairs.items():
            flow.window = 64240
            flow.said = None if not flow.said or flow.said == "answer" else flow.said
            if flow.said is None:
                flow.whole(second, len(first), size=pieces or 1400)
        attack.wire.hear(0.8)
        for flow in attack.flows:
            flow.said = flow.said or "answer"
    return run


second_hellos("a nameless hello, and the second one after HelloRetryRequest", None, None, core=True)
second_hellos("second hellos that are held and sent together", None, None, hold=True)
second_hellos("second hellos, three connections a second, held and sent together", None, None, pace=0.36, hold=True)
second_hellos("a named hello, and a nameless second one", "shop.example", None, skip=1, core=True)
second_hellos("a named hello, and a nameless second one that is held", "shop.example", None, skip=1, hold=True)
second_hellos("a named hello, HelloRetryRequest split by a window of twenty bytes, and a nameless second one", "shop.example", None, skip=1, window=20)
second_hellos("a named hello, HelloRetryRequest in single bytes, and a nameless second one", "shop.example", None, skip=1, window=1)
second_hellos("a named hello, and a nameless second one behind a ChangeCipherSpec", "shop.example", None, skip=1, before=b"\x14\x03\x03\0\x01\x01")
second_hellos("a named hello, and a nameless second one in pieces", "shop.example", None, skip=1, pieces=50)


@trick("both hellos at once: a nameless one behind a named one", opens=False, skip=1)
def both_at_once(attack):
    attack.open(server_port=4443)
    for flow in attack.flows:
        first, second = retried("shop.example")[0], retried(None)[1]
        flow.whole(first + second)


@trick("both hellos at once, the first one nameless", opens=False)
def both_nameless(attack):
    attack.open(server_port=4443)
    for flow in attack.flows:
        flow.whole(b"".join(retried(None)))

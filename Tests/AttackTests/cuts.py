"""One hello, cut and ordered in every way that a server's stack takes."""
import os
import struct
import threading
import time

from attack import each, trick
from hellos import message, named, nameless, pair, records, shifted, sslv2, REST, P256_SHARE
from wire import ACK, FIN, PSH, RST, SYN, URG


@each("a hello of 17 KB", core=True)
def oversized(flow):
    flow.whole(nameless(pad=17000))


@each("a hello of 60 KB")
def very_long(flow):
    flow.whole(nameless(pad=60000))


@each("a named hello of 17 KB whose name comes last, nobody's to judge")
def late_name(flow):
    flow.whole(nameless(pad=18000))


@each("records of one byte")
def tiny_records(flow):
    flow.whole(records(message(REST + P256_SHARE), 1))


@each("segments of one byte")
def tiny_segments(flow):
    flow.whole(nameless(), size=1)


@each("segments of one byte, backwards")
def backwards(flow):
    hello = nameless()
    for at in range(len(hello) - 1, -1, -1):
        flow.send(at, hello[at:at + 1])


@each("every second byte, then the others: more holes than anybody holds")
def holes(flow):
    hello = nameless()
    for start in (1, 0):
        for at in range(start, len(hello), 2):
            flow.send(at, hello[at:at + 1])


@each("every second part of sixteen bytes, then the whole")
def holes_and_whole(flow):
    hello = nameless(pad=1000)
    for at in range(16, len(hello), 32):
        flow.send(at, hello[at:at + 16])
    flow.whole(hello)


@each("empty records before the hello")
def empty_records(flow):
    flow.whole(b"\x16\x03\x01\0\0" + nameless())


@each("a segment that begins a byte early", core=True)
def early(flow):
    flow.send(-1, b"\x16" + nameless())


@each("a segment that begins 900 bytes early")
def much_earlier(flow):
    flow.send(-900, os.urandom(900) + nameless())


@each("a byte before the stream, as keep-alives have it, then the hello")
def probe(flow):
    flow.send(-1, b"\0", ACK)
    flow.whole(nameless())


@each("a segment far ahead in the window, then the hello")
def ahead(flow):
    flow.send(30000, b"far ahead")
    flow.whole(nameless())


@each("a segment ahead by 18,430, over the end of what is held, then the hello")
def at_the_edge(flow):
    flow.send(18430, b"over the edge")
    flow.whole(nameless())


def between(says, cut, **how):
    def run(flow):
        hello = nameless()
        flow.send(0, hello[:60])
        cut(flow)
        flow.send(60, hello[60:])
    each(says, **how)(run)


between("a RST with a wrong checksum in between", lambda f: f.send(60, b"", RST | ACK, bad_sum=True), core=True)
between("a RST out of the window in between", lambda f: f.send(90000, b"", RST))
between("a RST in the window, at another number, in between", lambda f: f.send(400, b"", RST))
between("a FIN with a wrong checksum in between", lambda f: f.send(60, b"", FIN | ACK, bad_sum=True))
between("a FIN out of the window in between", lambda f: f.send(90000, b"", FIN | ACK))
between("a FIN that comes too early, behind a hole", lambda f: f.send(len(nameless()), b"", FIN | ACK))
between("a SYN in between", lambda f: f.send(60, b"", SYN))
between("a SYN-ACK of the client's in between", lambda f: f.send(60, b"", SYN | ACK))
between("zeros with a wrong checksum in between", lambda f: f.send(60, bytes(200), bad_sum=True))


@each("the first bytes urgent, which the application never reads", core=True)
def urgent_first(flow):
    flow.send(0, b"X", PSH | ACK | URG, urgent=1)
    flow.whole(nameless(), 1)


@each("an urgent byte within the hello")
def urgent_middle(flow):
    hello = nameless()
    flow.send(0, hello[:70] + b"X" + hello[70:], PSH | ACK | URG, urgent=71)


@each("an urgent byte that makes a nameless hello read as named")
def urgent_shift(flow):
    hello, at = shifted()
    flow.send(0, hello[:at] + b"\0" + hello[at:], PSH | ACK | URG, urgent=at + 1)


@each("the same, the urgent byte told of by a segment without payload before it")
def urgent_told_before(flow):
    hello, at = shifted()
    flow.send(0, b"", ACK | URG, urgent=at + 1)
    flow.send(0, hello[:at] + b"\0" + hello[at:])


@each("the same, the urgent byte told of by a segment before the stream")
def urgent_told_early(flow):
    hello, at = shifted()
    flow.send(-1, b"\0", ACK | URG, urgent=at + 2)
    flow.send(0, hello[:at] + b"\0" + hello[at:])


@each("the same, the urgent byte told of by the hello's first part")
def urgent_told_in_pieces(flow):
    hello, at = shifted()
    flow.send(0, hello[:9], PSH | ACK | URG, urgent=at + 1)
    flow.send(9, hello[9:at] + b"\0" + hello[at:])


@trick("the same, the urgent byte told of by the handshake's last segment", opens=False)
def urgent_told_at_once(attack):
    attack.open(acks=False)
    for flow in attack.flows:
        hello, at = shifted()
        flow.send(0, b"", ACK | URG, urgent=at + 1)
        flow.send(0, hello[:at] + b"\0" + hello[at:])


@each("the same, the urgent byte told of by a segment behind the hello that comes before it")
def urgent_told_behind(flow):
    hello, at = shifted()
    flow.send(0, hello[:at])
    flow.send(at, b"", ACK | URG, urgent=1)
    flow.send(at, b"\0" + hello[at:])


@each("an urgent pointer of zero, which takes the first byte all the same")
def urgent_zero(flow):
    flow.send(0, b"X" + nameless(), PSH | ACK | URG, urgent=0)


@each("an urgent pointer far beyond the hello, which takes nothing")
def urgent_beyond(flow):
    flow.send(0, nameless(), PSH | ACK | URG, urgent=60000)


@each("an SSLv2 hello in two pieces", reaches=False)
def old_hello(flow):
    hello = sslv2()
    flow.send(0, hello[:2])
    flow.send(2, hello[2:])


@each("an SSLv2 hello in one", reaches=False)
def old_whole(flow):
    flow.whole(sslv2())


@each("a record that is none, for an alert", reaches=False)
def nonsense(flow):
    flow.whole(b"\x16\x03\x01\0\x05\x01\0\0\x01\0")


@each("a record of another version, for an alert", reaches=False, least=0)
def other_version(flow):
    flow.whole(b"\x16\x09\x09\0\x05\x01\0\0\x01\0")


@each("half a hello, then the FIN, for an alert", reaches=False, least=0)
def half_closed(flow):
    flow.send(0, nameless()[:90])
    flow.send(90, b"", FIN | ACK)


@each("the hello and the FIN in one segment", core=True)
def closing(flow):
    flow.send(0, nameless(), FIN | ACK | PSH)


@each("a first part without the ACK flag, the rest, then both again")
def again(flow):
    hello = nameless()
    for flags in (PSH, PSH | ACK):
        flow.send(0, hello[:100], flags)
        flow.send(100, hello[100:])


@each("the hello once more in other pieces than before")
def resegmented(flow):
    hello = nameless(pad=1500)
    flow.send(0, hello[:700])
    flow.send(300, hello[300:900])
    flow.send(0, hello[:1000])
    flow.whole(hello, size=512)


@trick("the sequence numbers begin anew within the hello", opens=False)
def wrap(attack):
    attack.open(isn=0xFFFFFFFF - 40)
    for flow in attack.flows:
        flow.whole(nameless(), size=30)


@trick("the hello is the handshake's last segment", opens=False)
def at_once(attack):
    attack.open(acks=False)
    for flow in attack.flows:
        flow.whole(nameless())


@trick("the hello's second part comes before its first, which is the handshake's last segment", opens=False)
def second_first(attack):
    attack.open(acks=False)
    for flow in attack.flows:
        hello = nameless()
        flow.send(80, hello[80:])
        flow.send(0, hello[:80])


@trick("the SYN is sent three times, in between and after", opens=False)
def more_syns(attack):
    attack.open(acks=False)
    for flow in attack.flows:
        hello = nameless()
        flow.syn()
        flow.ack()
        flow.syn()
        flow.send(0, hello[:50])
        flow.syn()
        flow.send(50, hello[50:])


@trick("the client's port is 443 as well", opens=False)
def same_ports(attack):
    isn = int.from_bytes(os.urandom(4), "big")
    for turn in range(12):
        flow = attack.open(ports=[443], isn=(isn + 10_000_000 * turn) & 0xFFFFFFFF)[0]
        attack.flows.remove(flow)
        flow.whole(nameless())
        attack.hear(0.3, [flow])
        flow.end()
        time.sleep(0.01)


@trick("ports 443 and 8443 on both sides, and the client sends SYN-ACKs of its own", opens=False)
def forged_syn_acks(attack):
    for turn in range(12):
        flow = attack.open(ports=[443 if turn % 2 else 8443], acks=False)[0]
        attack.flows.remove(flow)
        if turn < 2:
            flow.send(-1, b"", SYN | ACK)
            attack.wire.hear(0.2)
        flow.ack()
        flow.whole(nameless())
        attack.hear(0.3, [flow])
        flow.end()
        time.sleep(0.01)


@each("the client sends a SYN-ACK with numbers of its own before the hello")
def forged_syn_ack(flow):
    flow.send(-1, b"", SYN | ACK, ack=999)
    flow.send(5000, b"", SYN | ACK, ack=999)
    flow.whole(nameless())


@each("the hello in frames of VLAN 0, which are taken as if they had none")
def priority_tag(flow):
    flow.whole(nameless(), tag=0)


@each("the first half in frames of VLAN 0, the second in plain ones")
def half_tagged(flow):
    hello = nameless()
    flow.send(0, hello[:90], tag=0xE000)
    flow.send(90, hello[90:])


@trick("both halves of each hello at the same instant from two processors")
def two_processors(attack):
    hellos = [nameless() for _ in attack.flows]
    gate = threading.Barrier(2)
    def half(which):
        os.sched_setaffinity(0, {which % (os.cpu_count() or 1)})
        for flow, hello in zip(attack.flows, hellos):
            gate.wait()
            flow.send(0 if which == 0 else 120, hello[:120] if which == 0 else hello[120:])
    threads = [threading.Thread(target=half, args=(which,)) for which in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


@trick("a decoy and the hello at the same instant from two processors")
def decoy_on_another(attack):
    pairs = [pair() for _ in attack.flows]
    gate = threading.Barrier(2)
    def one(which):
        os.sched_setaffinity(0, {which % (os.cpu_count() or 1)})
        for flow, (bare, name) in zip(attack.flows, pairs):
            gate.wait()
            if which:
                flow.send(0, name, bad_sum=True)
            else:
                flow.send(0, bare)
    threads = [threading.Thread(target=one, args=(which,)) for which in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


@trick("five bytes, 11.5 s of nothing, the rest")
def pause(attack):
    hellos = [nameless() for _ in attack.flows]
    for flow, hello in zip(attack.flows, hellos):
        flow.send(0, hello[:5])
    attack.wire.hear(11.5)
    for flow, hello in zip(attack.flows, hellos):
        flow.send(5, hello[5:])

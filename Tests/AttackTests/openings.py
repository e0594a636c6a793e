"""Tricks with how a connection opens: Fast Open, Multipath TCP, SYN cookies, floods."""
import os
import socket
import struct
import time

from attack import COUNT, trick
from hellos import named, nameless, pair
from wire import ACK, PSH, RST, SYN, Flow

FAST_OPEN = b"\x22\x02\x01\x01"       # asks for a cookie, and sends data all the same


def on_server(attack, **values):
    attack.network.server_namespace.sh("sysctl -qw " + " ".join(f"net.ipv4.{name}={value}" for name, value in values.items()))


@trick("Fast Open without a cookie: the hello is in the SYN", opens=False)
def fast_open(attack):
    attack.open(syn=lambda flow: {"data": nameless(), "options": b"\x02\x04\x05\xb4" + FAST_OPEN})


@trick("Fast Open: half of the hello in the SYN", opens=False)
def fast_open_half(attack):
    hellos = {}
    def syn(flow):
        hellos.setdefault(flow, nameless())
        return {"data": hellos[flow][:80], "options": b"\x02\x04\x05\xb4" + FAST_OPEN}
    attack.open(syn=syn)
    for flow, hello in hellos.items():
        flow.send(80, hello[80:])


@trick("Fast Open: a named decoy with a wrong checksum, then a SYN with a nameless hello", opens=False)
def fast_open_decoy(attack):
    def syn(flow):
        bare, name = pair()
        more = {"options": b"\x02\x04\x05\xb4" + FAST_OPEN}
        Flow.syn(flow, data=name, bad_sum=True, **more)
        return {"data": bare, **more}
    attack.open(syn=syn)


@trick("Fast Open: a nameless hello in the SYN, then a named one in a second SYN", opens=False)
def fast_open_after(attack):
    later = {}
    def syn(flow):
        bare, later[flow] = pair()
        flow.syn(data=bare, options=b"\x02\x04\x05\xb4" + FAST_OPEN)
        return {"data": later[flow], "options": b"\x02\x04\x05\xb4" + FAST_OPEN}
    attack.open(syn=syn)
    for flow in attack.flows:
        flow.send(0, later[flow])


@trick("Fast Open: a named hello in a SYN that the server takes nothing of, another SYN without, the nameless one", opens=False)
def fast_open_refused(attack):
    bares = {}
    def syn(flow):
        bares[flow], name = pair()
        flow.syn(data=name, bad_sum=True, options=b"\x02\x04\x05\xb4" + FAST_OPEN)
        return {}
    attack.open(syn=syn)
    for flow in attack.flows:
        flow.whole(bares[flow])


@trick("Fast Open and plain connections mixed: what proves nothing yet, and what is proven, have one limit", opens=False)
def fast_open_mixed(attack):
    for flow in attack.open(6, ports=list(range(41000, 41006))):
        flow.whole(nameless())
    attack.open(6, ports=list(range(42000, 42006)), syn=lambda flow: {"data": nameless(), "options": b"\x02\x04\x05\xb4" + FAST_OPEN}, acks=False)
    attack.wire.hear(1.2)
    for flow in attack.flows[6:]:
        flow.ack()


@trick("Fast Open, and not another word from the client", opens=False, least=0, hangs=12)
def fast_open_silent(attack):
    attack.open(syn=lambda flow: {"data": nameless(), "options": b"\x02\x04\x05\xb4" + FAST_OPEN}, acks=False)
    for flow in attack.flows:
        flow.acks = False
    attack.wire.hear(2.5)
    for flow in attack.flows:
        flow.said = flow.said or "answer"


def ordinary(attack, count=COUNT, port=443, protocol=0):
    family = socket.AF_INET6 if attack.family == 6 else socket.AF_INET
    for _ in range(count):
        s = socket.socket(family, socket.SOCK_STREAM, protocol)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.bind((attack.ordinary, 0))
        yield s


@trick("Fast Open with a cookie, by ordinary sockets", opens=False, alone=True)
def fast_open_cookie(attack):
    on_server(attack, tcp_fastopen=3)
    for s in ordinary(attack, 1):
        s.sendto(b"", 0x20000000, (attack.target, 443))     # MSG_FASTOPEN: asks for a cookie
        s.close()
    for s in ordinary(attack):
        s.sendto(nameless(), 0x20000000, (attack.target, 443))
        attack.sockets.append(s)
        attack.opened += 1
    time.sleep(0.3)
    on_server(attack, tcp_fastopen=0x203)


@trick("Multipath TCP by ordinary sockets", opens=False, alone=True)
def multipath(attack):
    for s in ordinary(attack, protocol=262):
        s.connect((attack.target, 8443))
        attack.sockets.append(s)
        attack.opened += 1
    for s in attack.sockets:
        s.sendall(nameless())
    time.sleep(0.3)


@trick("Multipath TCP by ordinary sockets, in halves", opens=False, alone=True)
def multipath_halves(attack):
    hello = nameless()
    for s in ordinary(attack, protocol=262):
        s.connect((attack.target, 8443))
        attack.sockets.append(s)
        attack.opened += 1
    for part in (hello[:100], hello[100:]):
        for s in attack.sockets:
            s.sendall(part)
        time.sleep(0.1)
    time.sleep(0.3)


@trick("Multipath TCP by hand: options of both kinds in the SYN, at an odd place", opens=False)
def multipath_odd(attack):
    capable = b"\x1e\x04\x01\x01"
    attack.open(server_port=8443, syn=lambda flow: {"options": b"\x02\x04\x05\xb4\x01" + capable + b"\x01"})
    for flow in attack.flows:
        flow.whole(nameless())


@trick("SYN cookies", opens=False, alone=True)
def cookies(attack):
    on_server(attack, tcp_syncookies=2)
    attack.open()
    for flow in attack.flows:
        flow.whole(nameless())
    attack.hear(0.5)
    on_server(attack, tcp_syncookies=1)


def again(attack, port, first, second):
    """The same tuples and numbers twice within a minute, which a SYN cookie gives the same number of the server's."""
    on_server(attack, tcp_syncookies=2)
    flows = attack.open(server_port=port)
    for flow in flows:
        flow.whole(first())
    attack.hear(0.5, flows)
    attack.stage.witness.catch_up()
    for flow in flows:
        flow.end()
    time.sleep(1.2)
    attack.since = time.time()
    attack.flows = []
    attack.opened = 0
    for flow in flows:
        attack.open(1, server_port=port, ports=[flow.ports[0]], isn=flow.isn)
    for flow in attack.flows:
        flow.whole(second())
    attack.hear(0.5)
    on_server(attack, tcp_syncookies=1)


@trick("SYN cookies: a named hello, and a nameless one of the same tuple and numbers within a minute", opens=False, alone=True)
def cookies_again(attack):
    again(attack, 443, named, nameless)


@trick("SYN cookies and deferred accept: the same", opens=False, alone=True)
def cookies_deferred(attack):
    again(attack, 5443, named, nameless)


@trick("SYN cookies: the same tuple and numbers again, the named hello with a wrong checksum, then the nameless one", opens=False, alone=True)
def cookies_decoy(attack):
    on_server(attack, tcp_syncookies=2)
    first = attack.open()
    pairs = [pair() for _ in first]
    for flow, (bare, name) in zip(first, pairs):
        flow.send(0, name, bad_sum=True)
        flow.end()
    time.sleep(0.2)
    attack.flows, attack.opened = [], 0
    for flow in first:
        attack.open(1, ports=[flow.ports[0]], isn=flow.isn, acks=False)
    for flow, (bare, name) in zip(attack.flows, pairs):
        flow.whole(bare)
    attack.hear(0.5)
    on_server(attack, tcp_syncookies=1)


@trick("deferred accept: the hello is the first that is acknowledged", opens=False)
def deferred(attack):
    attack.open(server_port=5443)
    for flow in attack.flows:
        flow.whole(nameless())


@trick("the same ports again and again, the next connection's number higher by 70,000", opens=False)
def reused(attack):
    isn = int.from_bytes(os.urandom(4), "big")
    for turn in range(12):
        flow = attack.open(1, ports=[31000], isn=(isn + 70000 * turn) & 0xFFFFFFFF)[0]
        attack.flows.remove(flow)
        flow.whole(nameless())
        attack.hear(0.4, [flow])
        flow.end()
        time.sleep(0.02)


@trick("a named answer first, then the same ports for a nameless hello", opens=False)
def reused_after_clean(attack):
    isn = int.from_bytes(os.urandom(4), "big")
    ports = list(range(31000, 31012))
    for flow in attack.open(ports=ports, isn=isn):
        flow.whole(named())
    attack.hear(0.6)
    for flow in attack.flows:
        flow.end()
    attack.stage.witness.catch_up()
    time.sleep(0.1)
    attack.flows, attack.opened, attack.since = [], 0, time.time()
    for flow in attack.open(ports=ports, isn=(isn + 70000) & 0xFFFFFFFF):
        flow.whole(nameless())


def flood(attack, frames, make):
    """Frames that nobody answers for, as fast as one thread sends."""
    for i in range(frames):
        attack.wire.put(make(i))


def stranger(attack, i):
    if attack.family == 4:
        return bytes([100, 64 + (i >> 16 & 63), i >> 8 & 255, i & 255])
    return socket.inet_pton(socket.AF_INET6, "2001:db8:ffff::") [:8] + struct.pack(">Q", i + 1)


@trick("half-open connections of strangers fill the tables between the handshake and the hello", alone=True, core=True)
def half_open(attack):
    def syn(i):
        source = stranger(attack, i)
        return attack.wire.datagram(attack.wire.segment((1024 + i % 60000, 443), i * 977, 0, SYN, source=source), source=source)
    flood(attack, 20000, syn)
    for flow in attack.flows:
        flow.whole(nameless())


@trick("half a hello, then beginnings of hellos of strangers, then the rest", alone=True)
def pushed_out(attack):
    hellos = [nameless() for _ in attack.flows]
    for flow, hello in zip(attack.flows, hellos):
        flow.send(0, hello[:60])
    def begin(i):
        source = stranger(attack, i)
        return attack.wire.datagram(attack.wire.segment((1024 + i % 60000, 443), 1, 1, ACK, b"\x16\x03\x01\0\x50\x01", source=source), source=source)
    flood(attack, 6000, begin)
    for flow, hello in zip(attack.flows, hellos):
        flow.send(60, hello[60:])


@trick("named decoys on 2,500 connections of the same source, whose bytes push out the kept ones", alone=True, opens=False)
def kept_pushed_out(attack):
    attack.open()
    pairs = [pair() for _ in attack.flows]
    for flow, (bare, name) in zip(attack.flows, pairs):
        flow.send(0, name, bad_sum=True)
    mine, attack.flows = attack.flows, []
    others = []
    for start in range(0, 2500, 250):
        others += attack.open(ports=[35000 + start + i for i in range(250)])
    for flow in others:
        flow.send(0, named()[:100])
    attack.flows, attack.opened = mine, len(mine)
    for flow, (bare, name) in zip(mine, pairs):
        flow.whole(bare)
    attack.hear(0.6)
    for flow in others:
        flow.end()

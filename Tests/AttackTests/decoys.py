"""Decoys: bytes at the hello's numbers that Weir may read and the server drops; the nameless hello comes after them."""
import os
import struct

from attack import each, trick
from hellos import nameless, named, pair
from wire import ACK, FIN, PSH, RST, SYN

TIMES = b"\x01\x01\x08\x0a"


def after(says, decoy, **how):
    """First the decoy, as `decoy` sends it: a function of the flow and of a named hello; then a nameless one of the same length and random."""
    def run(flow):
        bare, name = pair()
        decoy(flow, name)
        flow.whole(bare)
    each(says, **how)(run)


def bad(make):
    def send(flow, name):
        flow.send(0, make(name), bad_sum=True)
    return send


after("zeros with a wrong checksum", bad(lambda name: bytes(len(name))), core=True)
after("an HTTP request with a wrong checksum", bad(lambda name: b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"))
after("an SSH banner with a wrong checksum", bad(lambda name: b"SSH-2.0-x\r\n"))
after("a PROXY v1 header with a wrong checksum", bad(lambda name: b"PROXY TCP4 192.0.2.1 192.0.2.2 5 443\r\n"))
after("a PROXY v2 header that announces 64 KB, with a wrong checksum", bad(lambda name: b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + bytes(40)))
after("a PROXY v1 header and a named hello behind it, with a wrong checksum", bad(lambda name: b"PROXY UNKNOWN\r\n" + name))
after("a CONNECT request with a wrong checksum", bad(lambda name: b"CONNECT shop.example:443 HTTP/1.1\r\n\r\n"))
after("a SOCKS greeting with a wrong checksum", bad(lambda name: b"\x05\x01\0"))
after("a record that announces 16 KB and a message of 16 MB, with a wrong checksum", bad(lambda name: b"\x16\x03\x01\x3f\xff\x01\xff\xff\xff\x03\x03"))
after("a record of no length, with a wrong checksum", bad(lambda name: b"\x16\x03\x01\0\0"))
after("an alert record with a wrong checksum", bad(lambda name: b"\x15\x03\x01\0\x02\x01\0"))
after("a ChangeCipherSpec with a wrong checksum", bad(lambda name: b"\x14\x03\x03\0\x01\x01"))
after("a longer named hello with a wrong checksum", bad(lambda name: named(pad=900)))
after("a shorter named hello with a wrong checksum", bad(lambda name: named()))
after("a named hello of the same length with a wrong checksum", bad(lambda name: name), core=True)
after("a named hello twice with a wrong checksum", lambda f, name: [f.send(0, name, bad_sum=True) for _ in range(2)])
after("a named hello without the ACK flag", lambda f, name: f.send(0, name, PSH))
after("a named hello with an old acknowledgement", lambda f, name: f.send(0, name, ack=-200000))
after("a named hello that acknowledges what was never sent", lambda f, name: f.send(0, name, ack=5000))
after("a named hello that acknowledges one byte less", lambda f, name: f.send(0, name, ack=-1, bad_sum=True))
after("a named hello with SYN and ACK", lambda f, name: f.send(0, name, SYN | ACK | PSH))
after("a named hello with SYN", lambda f, name: f.send(0, name, SYN))
after("a named hello with RST and a wrong checksum", lambda f, name: f.send(0, name, RST | ACK, bad_sum=True))
after("a named hello with FIN and a wrong checksum", lambda f, name: f.send(0, name, FIN | ACK | PSH, bad_sum=True))
after("a named hello with an MD5 option", lambda f, name: f.send(0, name, options=b"\x13\x12" + os.urandom(16)))
after("a named hello for another station's address", lambda f, name: f.send(0, name, to=b"\x02\0\0\0\0\x99"))
after("a named hello in a VLAN that nobody has", lambda f, name: f.send(0, name, tag=77))
after("a named hello whose IPv4 header has a wrong checksum", lambda f, name: f.send(0, name, way={"bad_header": True}), families=(4,))
after("a named hello whose IP length is beyond the frame", lambda f, name: f.send(0, name, way={"total": 40}))
after("a named hello with a source route", lambda f, name: f.send(0, name, way={"ip_options": b"\x83\x07\x04\xc6\x12\0\x01\0"}), families=(4,))
after("a named hello behind a destination option that has to be discarded", families=(6,),
      decoy=lambda f, name: f.send(0, name, way={"kind": 60, "ip_options": b"\x06\0\x7e\x04\0\0\0\0"}))
after("a named hello behind a routing header of a kind that nobody takes", families=(6,),
      decoy=lambda f, name: f.send(0, name, way={"kind": 43, "ip_options": b"\x06\x02\x63\x01" + bytes(20)}))
after("a named hello whose life ends at the router", lambda f, name: f.send(0, name, way={"ttl": 1}), shapes=("routed", "dnat", "one_armed"), core=True)


def in_halves(flow, name):
    flow.send(0, name[:150], bad_sum=True)
    flow.send(150, name[150:], bad_sum=True)


after("a named hello in two segments with wrong checksums", in_halves)


@each("the second half of a named hello with a wrong checksum")
def half(flow):
    bare, name = pair()
    flow.send(0, bare[:9])
    flow.send(9, name[9:], bad_sum=True)
    flow.send(9, bare[9:])


@each("the first half of a named hello with a wrong checksum, then a whole one")
def first_half(flow):
    bare, name = pair()
    flow.send(0, name[:150], bad_sum=True)
    flow.send(150, bare[150:])
    flow.whole(bare)


@each("a named hello with a wrong checksum, the nameless one in other pieces, backwards", core=True)
def other_pieces(flow):
    bare, name = pair()
    flow.send(0, name, bad_sum=True)
    for at in range(len(bare) - len(bare) % 37, -1, -37):
        flow.send(at, bare[at:at + 37])


@each("a named hello with a wrong checksum a byte early, then the nameless one a byte early")
def early_decoy(flow):
    bare, name = pair()
    flow.send(-1, b"x" + name, bad_sum=True)
    flow.send(-1, b"x" + bare)


@each("a named hello with a wrong checksum, then the nameless one with bytes that run on")
def runs_on(flow):
    bare, name = pair()
    flow.send(0, name, bad_sum=True)
    flow.send(0, bare + b"\x14\x03\x03\0\x01\x01")


@each("a named hello with a wrong checksum, then a nameless one that ends within it")
def shorter(flow):
    flow.send(0, named(pad=300), bad_sum=True)
    flow.whole(nameless())


@trick("a named hello with a timestamp of the past, which the server drops", opens=False)
def past_timestamp(attack):
    attack.open(syn=lambda flow: {"options": b"\x02\x04\x05\xb4" + TIMES + struct.pack(">II", 2000000000, 0)}, acks=False)
    for flow in attack.flows:
        flow.options = TIMES + struct.pack(">II", 2000000001, 0)
        flow.ack()
    for flow in attack.flows:
        bare, name = pair()
        flow.send(0, name, options=TIMES + struct.pack(">II", 5, 0))
        flow.whole(bare)


@each("a named hello out of the window, far ahead")
def out_of_window(flow):
    bare, name = pair()
    flow.send(1 << 20, name)
    flow.send(100000, name)
    flow.whole(bare)


@trick("a named hello in the SYN, of which the server takes nothing", opens=False)
def in_syn(attack):
    names = {}
    def syn(flow):
        bare, names[flow] = pair()
        return {"data": names[flow]}
    attack.open(server_port=6443, syn=syn)
    for flow in attack.flows:
        flow.whole(b"\n" + nameless())


@trick("the half of a named hello with a wrong checksum, the same again, and the nameless one between")
def mixed(attack):
    for flow in attack.flows:
        bare, name = pair()
        flow.send(0, name[:100], bad_sum=True)
        flow.send(0, bare[:100])
        flow.send(100, name[100:], bad_sum=True)
        flow.send(100, bare[100:])
        flow.send(0, name[:100], bad_sum=True)

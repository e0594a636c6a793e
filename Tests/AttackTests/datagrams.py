"""The same hello in fragments, behind IP options and extension headers."""
import os

from attack import each, trick
from hellos import nameless, pair
from wire import ACK, PSH, SYN


def fragments(says, cuts, order=list, decoy=False, **how):
    def run(flow):
        bare, name = pair()
        if decoy:
            flow.send(0, name, bad_sum=True)
        for datagram in order(flow.wire.fragments(flow.segment(0, bare), cuts)):
            flow.wire.put(datagram)
    each(says, **how)(run)


def reverse(pieces):
    return pieces[::-1]


fragments("a hello in two fragments", (200,), core=True, least=0)
fragments("a hello in fragments, the last one first", (80, 160, 240), reverse, least=0)
fragments("a hello in fragments of eight bytes behind the header", tuple(range(24, 300, 8)), least=0)
# What cannot be read is dropped, so nobody is told anything. IPv6 takes no first fragment without the whole header (RFC 7112).
fragments("a TCP header in two fragments", (8,), least=0, silent=12, core=True, families=(4,))
fragments("a TCP header in three fragments, backwards", (8, 16), reverse, least=0, silent=12, families=(4,))
fragments("a TCP header in a fragment, and not a byte more", (24,), least=0)
fragments("a named decoy, then the hello in fragments", (104, 208), decoy=True, least=0)
fragments("a named decoy, then the hello in fragments, the last one first", (104, 208), reverse, decoy=True, least=0)
fragments("a named decoy, then the hello with its header in two fragments", (16,), decoy=True, least=0, silent=12, families=(4,))


@each("a named first fragment and nameless later ones, which overlap", least=0, reaches=False, silent=12)
def overlapping(flow):
    bare, name = pair()
    number = int.from_bytes(os.urandom(2), "big")
    one, other = (flow.wire.fragments(flow.segment(0, hello), (96, 192), number) for hello in (name, bare))
    flow.wire.put(one[0])
    flow.wire.put(other[1])
    flow.wire.put(other[0])
    flow.wire.put(other[2])


@each("a named hello in fragments that never end, then the nameless one in fragments of the same number", least=0)
def other_datagram(flow):
    bare, name = pair()
    number = int.from_bytes(os.urandom(2), "big")
    flow.wire.put(flow.wire.fragments(flow.segment(0, name, bad_sum=True), (96,), number)[0])
    for datagram in flow.wire.fragments(flow.segment(0, bare), (96, 192), number ^ 1):
        flow.wire.put(datagram)


@trick("every segment in fragments, the SYN as well, its header in two", opens=False, least=0, families=(4,))
def all_in_fragments(attack):
    wire = attack.wire
    def put(segment):
        for datagram in wire.fragments(segment, (8,)):
            wire.put(datagram)
    from wire import Flow
    flows = [Flow(wire, 20000 + 7 * i) for i in range(12)]
    for flow in flows:
        put(wire.segment(flow.ports, flow.isn, 0, SYN))
    wire.hear(0.4, lambda: all(flow.server_isn is not None for flow in flows))
    attack.opened = 12
    attack.flows = [flow for flow in flows if flow.server_isn is not None]
    for flow in attack.flows:
        put(flow.segment(0, b"", ACK))
        put(flow.segment(0, nameless()))


def options(says, families, least=1, silent=0, **way):
    def run(flow):
        flow.send(0, nameless(), way=way)
    each(says, families=families, least=least, silent=silent)(run)


options("IPv4 options: no-operations", (4,), ip_options=b"\x01" * 8)
options("IPv4 options: record route", (4,), ip_options=b"\x07\x27\x04" + bytes(36))
options("IPv4 options: a timestamp", (4,), ip_options=b"\x44\x0c\x05\0" + bytes(8))
options("IPv4 options: one that nobody knows", (4,), ip_options=b"\x5e\x04\0\0")
options("IPv6: one destination option header", (6,), kind=60, ip_options=b"\x06\0\x01\x04\0\0\0\0")
options("IPv6: a hop-by-hop header", (6,), kind=0, ip_options=b"\x06\0\x01\x04\0\0\0\0")
options("IPv6: two hundred bytes of destination options", (6,), 0, 12, kind=60, ip_options=b"\x06\x18\x1e\xc4" + bytes(196))


def chain(count):
    return b"".join(bytes([6 if i == count - 1 else 60, 0]) + b"\x01\x04\0\0\0\0" for i in range(count))


def deep(says, count, silent=0):
    each(says, families=(6,), least=0, silent=silent)(lambda flow: flow.send(0, nameless(), way={"kind": 60, "ip_options": chain(count)}))


deep("IPv6: seven extension headers", 7)
deep("IPv6: nine extension headers", 9)
# Further than is read: dropped, and nobody is told.
deep("IPv6: thirty extension headers", 30, silent=12)


@each("IPv6: a named decoy, then the nameless hello behind nine extension headers", families=(6,), least=0)
def decoy_and_chain(flow):
    bare, name = pair()
    flow.send(0, name, bad_sum=True)
    flow.send(0, bare, way={"kind": 60, "ip_options": chain(9)})


@each("IPv6: an atomic fragment", families=(6,))
def atomic(flow):
    for datagram in flow.wire.fragments(flow.segment(0, nameless()), ()):
        flow.wire.put(datagram)


@each("forty bytes of TCP options before the hello")
def tcp_options(flow):
    flow.send(0, nameless(), PSH | ACK, options=b"\x01" * 40)


@each("a named hello, then a nameless one with TCP options of another length", reaches=False)
def other_options(flow):
    bare, name = pair()
    flow.send(0, name, bad_sum=True, options=b"\x01" * 12)
    flow.send(0, bare, options=b"\x01" * 4)

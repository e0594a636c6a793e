"""Both ends of QUIC, by aioquic.

usage: quic_peers.py serve FOLDER ADDRESS...         a server of port 443, with the folder's key
       quic_peers.py visit KIND SOURCE TARGET COUNT  clients; prints how many of each sort got through, as JSON
"""

import asyncio
import collections
import json
import os
import random
import select
import socket
import struct
import sys
import time

from aioquic.asyncio import serve
from aioquic.buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.events import HandshakeCompleted

UDP_SEGMENT = 103
SECONDS = int(os.environ.get("WEIR_SECONDS", "3"))


def settings(name, **more):
    return QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name=name, verify_mode=0, **more)


class Visit:
    """One connection: its state is aioquic's, its datagrams go by a socket that others may share."""

    def __init__(self, name, shared=None, source=None, target=None, **more):
        self.name, self.is_done, self.target = name, False, target
        self.connection = QuicConnection(configuration=settings(name, **more))
        self.socket = shared or bound(source)
        if not self.connection.host_cid:  # its own id is empty; the one that it chooses for the server is not
            self.connection._peer_cid.cid = self.connection._original_destination_connection_id = os.urandom(8)

    def begin(self):
        self.connection.connect(self.target, now=time.monotonic())
        self.send()

    def send(self):
        for data, _ in self.connection.datagrams_to_send(now=time.monotonic()):
            self.socket.sendto(data, self.target)

    def take(self, data):
        self.connection.receive_datagram(data, self.target, now=time.monotonic())
        while event := self.connection.next_event():
            self.is_done |= isinstance(event, HandshakeCompleted)
        self.send()

    def is_mine(self, data):
        """Whether the datagram bears this client's id."""
        own = self.connection.host_cid
        return data[6 : 6 + data[5]] == own if data[0] & 0x80 else data[1 : 1 + len(own)] == own

    def wake(self):
        due = self.connection.get_timer()
        if due and due <= time.monotonic():
            self.connection.handle_timer(now=time.monotonic())
            self.send()


def bound(source):
    made = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    made.bind((source, 0))
    made.setblocking(False)
    return made


def drive(visits, seconds=SECONDS):
    """Until all are done, or the time is over."""
    by_socket = collections.defaultdict(list)
    for visit in visits:
        by_socket[visit.socket].append(visit)
    end = time.monotonic() + seconds
    while time.monotonic() < end and not all(visit.is_done for visit in visits):
        ready, _, _ = select.select(list(by_socket), [], [], 0.01)
        for one in ready:
            try:
                while True:
                    data = one.recv(2048)
                    for visit in by_socket[one]:
                        if len(by_socket[one]) == 1 or visit.is_mine(data):
                            visit.take(data)
            except BlockingIOError:
                pass
        for visit in visits:
            visit.wake()
    return visits


def together(made):
    for visit in made:
        visit.begin()
    return drive(made)


def nameless(source, target, count):
    return together([Visit(None, source=source, target=target) for _ in range(count)])


def narrow(source, target, count):
    """The same, where the server's answers leave in IP fragments."""
    return nameless(source, target, count)


def named(source, target, count):
    return together([Visit("shop.example", source=source, target=target) for _ in range(count)])


def resumed(source, target, count):
    """Clients that were here before: each sends three datagrams of early data behind its hello, before the server has said a word."""
    tickets = []
    first = Visit("shop.example", source=source, target=target)
    first.connection._session_ticket_handler = tickets.append
    together([first])
    end = time.monotonic() + SECONDS
    while not tickets and time.monotonic() < end:
        drive([first], seconds=0.1)
        first.is_done = False
    made = [Visit("shop.example", source=source, target=target, session_ticket=tickets[0]) for _ in range(count)]
    for visit in made:
        visit.connection.connect(target, now=time.monotonic())
        visit.connection.send_stream_data(0, bytes(3600))
        visit.send()
    return drive(made)


def second_version(source, target, count):
    more = {"original_version": 0x6B3343CF, "supported_versions": [0x6B3343CF, 1]}
    return together([Visit(None, source=source, target=target, **more) for _ in range(count)])


def one_socket(source, target, count):
    shared = bound(source)
    return together([Visit(None, shared, target=target) for _ in range(count)])


def one_socket_without_ids(source, target, count):
    """The server tells these connections apart, their client cannot: nothing but the server's ids is different."""
    shared = bound(source)
    return together([Visit(None, shared, target=target, connection_id_length=0) for _ in range(count)])


def among_named(source, target, count):
    """As many with a name go first, on the same path and with the same empty id."""
    shared = bound(source)
    made = [Visit(name, shared, target=target, connection_id_length=0) for name in ["shop.example"] * count + [None] * count]
    return together(made)


def both(source, target, count):
    """Of one source, each with a socket of its own: the named ones are nobody's business."""
    made = [Visit(name, source=source, target=target) for name in ["shop.example", None] * count]
    return together(made)


def unheard(source, target, count):
    """The hello goes out, and nothing that comes back is read: whoever forges a source does no more."""
    made = [Visit(None, source=source, target=target) for _ in range(count)]
    for visit in made:
        visit.begin()
    time.sleep(2)  # a closed socket would refuse the answers, and the server hear of it
    return []


def same_ids(one, other):
    """The second connection with the first one's ids, so that both hellos are under the same keys."""
    other.connection._peer_cid.cid = one.connection._peer_cid.cid
    other.connection._original_destination_connection_id = one.connection._original_destination_connection_id
    other.connection._host_cids[0].cid = one.connection._host_cids[0].cid
    other.connection.host_cid = other.connection._local_initial_source_connection_id = one.connection.host_cid


def bad_sum(source, port, target, data):
    """A datagram that the server's stack drops."""
    six = ":" in source
    raw = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    raw.bind((source, 0))
    raw.sendto(struct.pack("!HHHH", port, target[1], 8 + len(data), 0xDEAD) + data, (target[0], 0))
    raw.close()


def decoy(source, target, count):
    """A named hello that the server drops for its checksum, then a nameless one under the same ids."""
    made = []
    for _ in range(count):
        visit, front = Visit(None, source=source, target=target), Visit("shop.example", source=source, target=target)
        same_ids(front, visit)
        front.connection.connect(target, now=time.monotonic())
        for data, _ in front.connection.datagrams_to_send(now=time.monotonic()):
            bad_sum(source, visit.socket.getsockname()[1], target, data)
        front.socket.close()
        visit.begin()
        made.append(visit)
    return drive(made)


def frames_of(visit):
    """The hello's bytes, from the datagram that would bear it."""
    visit.connection.connect(visit.target, now=time.monotonic())
    [(data, _)] = visit.connection.datagrams_to_send(now=time.monotonic())
    return data


def initial(visit, number, payload):
    """A client's Initial with these frames, in a datagram of 1,200 bytes."""
    from aioquic.quic.packet import PACKET_FIXED_BIT

    ours, theirs = visit.connection.host_cid, visit.connection._peer_cid.cid
    size = 1200 - (7 + len(ours) + len(theirs) + 1 + 2 + 2) - 16
    plain = payload + bytes(size - len(payload))
    head = bytes([0x80 | PACKET_FIXED_BIT | 1]) + struct.pack("!I", 1) + bytes([len(theirs)]) + theirs + bytes([len(ours)]) + ours
    head += b"\0" + struct.pack("!H", 0x4000 | 2 + len(plain) + 16) + struct.pack("!H", number)
    pair = CryptoPair()
    pair.setup_initial(cid=theirs, is_client=True, version=1)
    return pair.encrypt_packet(head, plain, number)


def hello_of(visit):
    """The ClientHello that aioquic makes."""
    buffer = Buffer(capacity=4096)
    visit.connection.connect(visit.target, now=time.monotonic())
    stream = visit.connection._crypto_streams
    sender = list(stream.values())[0].sender
    return bytes(sender._buffer)


def crypto(hello, start, end):
    buffer = Buffer(capacity=4096)
    buffer.push_uint_var(6)
    buffer.push_uint_var(start)
    buffer.push_uint_var(end - start)
    buffer.push_bytes(hello[start:end])
    return buffer.data


def in_one_buffer(source, target, count):
    """The same three Initials, which the sender's stack takes as one buffer and, on a cable of this machine's, passes on as one."""
    return in_pieces(source, target, count, UDP_SEGMENT)


def named_in_one_buffer(source, target, count):
    """The same with a name. Nobody goes on with the handshake: that each is answered is what counts."""
    return in_pieces(source, target, count, UDP_SEGMENT, "shop.example")


def in_pieces(source, target, count, segment=0, name=None):
    """A nameless hello in three Initials, shuffled, in frames of 40 bytes, last one first."""
    made = []
    for _ in range(count):
        visit = Visit(name, source=source, target=target)
        hello = hello_of(visit)
        pieces = [crypto(hello, at, min(at + 40, len(hello))) for at in range(0, len(hello), 40)][::-1]
        datagrams = [initial(visit, n, b"\1" + b"".join(pieces[n::3])) for n in range(3)]
        random.shuffle(datagrams)
        if segment:
            visit.socket.setsockopt(socket.IPPROTO_UDP, segment, 1200)
            datagrams = [b"".join(datagrams)]
        for data in datagrams:
            visit.socket.sendto(data, target)
        made.append(visit)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.05)
    return made


def flood(source, target, count):
    """Nameless hellos, each a connection of its own, as fast as they go out; nobody waits for an answer."""
    shared, datagrams = bound(source), []
    for _ in range(count):
        visit = Visit(None, shared, target=target)
        datagrams.append(frames_of(visit))
    for data in datagrams:
        try:
            shared.sendto(data, target)
        except BlockingIOError:
            select.select([], [shared], [])
    time.sleep(SECONDS)
    return []


def contradicting(source, target, count):
    """The server takes the bytes that come first; a name comes later, for whoever takes the last."""
    made = []
    for _ in range(count):
        visit, other = Visit(None, source=source, target=target), Visit("shop.example", source=source, target=target)
        same_ids(visit, other)
        nameless_hello, named_hello = hello_of(visit), hello_of(other)
        visit.socket.sendto(initial(visit, 0, crypto(nameless_hello, 0, len(nameless_hello))), target)
        visit.socket.sendto(initial(visit, 1, crypto(named_hello, 0, len(named_hello))), target)
        other.socket.close()
        made.append(visit)
    time.sleep(SECONDS)
    return made


def visit(kind, source, address, count):
    made = globals()[kind](source, (address, 443), int(count))
    done = collections.Counter("named" if one.name else "nameless" for one in made if one.is_done)
    print(json.dumps({"named": done["named"], "nameless": done["nameless"]}))


class Tickets:
    """A server's memory of those who were here."""

    def __init__(self):
        self.known = {}

    def add(self, ticket):
        self.known[ticket.ticket] = ticket

    def take(self, label):
        return self.known.get(label)


async def server(folder, addresses):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    configuration.load_cert_chain(os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem"))
    tickets = Tickets()
    for address in addresses:
        await serve(address, 443, configuration=configuration, session_ticket_fetcher=tickets.take, session_ticket_handler=tickets.add)
    print("ready", flush=True)
    await asyncio.Future()


def main():
    if sys.argv[1] == "serve":
        asyncio.run(server(sys.argv[2], sys.argv[3:]))
    visit(*sys.argv[2:])


if __name__ == "__main__":
    main()

"""Captures of QUIC handshakes between real stacks (aioquic), and of what only a hand-made client does.

    quic.py KIND FILE      writes a pcap, and prints what it holds as JSON
"""

import json
import os
import socket
import struct
import sys

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic import packet as quic_packet
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
import datetime


def certificate():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "shop.example")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made, key


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data)) if len(data) % 2 == 0 else checksum_odd(data)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def checksum_odd(data):
    return sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0"))


class Capture:
    """A classic pcap of Ethernet, in microseconds."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        self.time = 1_700_000_000.0

    def datagram(self, source, destination, payload):
        (address, port), (to, to_port) = source, destination
        udp = struct.pack("!HHHH", port, to_port, 8 + len(payload), 0) + payload
        if ":" in address:
            ip = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + socket.inet_pton(socket.AF_INET6, address)
            frame = b"\2" * 6 + b"\4" * 6 + b"\x86\xdd" + ip + socket.inet_pton(socket.AF_INET6, to) + udp
        else:
            ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + socket.inet_aton(address) + socket.inet_aton(to)
            frame = b"\2" * 6 + b"\4" * 6 + b"\x08\0" + ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + udp
        self.time += 0.001
        self.file.write(struct.pack("<IIII", int(self.time), int(self.time * 1e6) % 1_000_000, len(frame), len(frame)) + frame)


SERVER = ("192.0.2.1", 443)


def configuration(**more):
    return QuicConfiguration(is_client=True, alpn_protocols=["h3"], verify_mode=0, **more)


def server(made, key, original, retry_source=None, tickets=None, **more):
    settings = QuicConfiguration(is_client=False, alpn_protocols=["h3"], **more)
    settings.certificate, settings.private_key = made, key
    return QuicConnection(
        configuration=settings,
        original_destination_connection_id=original,
        retry_source_connection_id=retry_source,
        session_ticket_fetcher=tickets.get if tickets is not None else None,
        session_ticket_handler=(lambda ticket: tickets.update({ticket.ticket: ticket})) if tickets is not None else None,
    )


def first_id(datagram):
    """The destination's connection id of a long header."""
    return datagram[6 : 6 + datagram[5]]


def talk(capture, client, source, made, key, rounds=6, answers=True, tickets=None, early=b""):
    """Both sides until they are done. Each datagram is in the capture."""
    there = None
    now = 0.0
    client.connect(SERVER, now=now)
    if early:
        client.send_stream_data(0, early)
    for _ in range(rounds):
        now += 0.01
        for data, _to in client.datagrams_to_send(now=now):
            capture.datagram(source, SERVER, data)
            if there is None:
                there = server(made, key, first_id(data), tickets=tickets)
            if answers:
                there.receive_datagram(data, source, now=now)
        if not answers:
            return
        for data, _to in there.datagrams_to_send(now=now):
            capture.datagram(SERVER, source, data)
            client.receive_datagram(data, SERVER, now=now)


def plain(capture, made, key):
    """Version 1 and 2, with a name and without, over both families."""
    said = []
    for index, (version, name) in enumerate([(1, "shop.example"), (0x6B3343CF, "shop.example"), (1, None), (0x6B3343CF, None)]):
        for address in [f"198.51.100.{index + 1}", f"2001:db8::{index + 1}"]:
            settings = configuration(server_name=name, original_version=version, supported_versions=[version])
            client = QuicConnection(configuration=settings)
            global SERVER
            SERVER = ("2001:db8:1::1" if ":" in address else "192.0.2.1", 443)
            talk(capture, client, (address, 50000 + index), made, key)
            said.append({"source": address, "name": name, "version": version})
    return said


def resumed(capture, made, key):
    """A client that was here before, twelve times: each time three datagrams of early data follow its hello at once."""
    mine, theirs = [], {}
    source = "198.51.100.5"
    for number in range(13):
        ticket = {"session_ticket": mine[0]} if mine else {}
        client = QuicConnection(configuration=configuration(server_name="shop.example", **ticket), session_ticket_handler=mine.append)
        talk(capture, client, (source, 42000 + number), made, key, tickets=theirs, early=bytes(3600) if mine else b"")
    return [{"source": source}] * 13


def many_nameless(capture, made, key):
    """Six connections without a name, one after the other, of one source."""
    for number in range(6):
        client = QuicConnection(configuration=configuration(server_name=None))
        talk(capture, client, ("198.51.100.6", 43000 + number), made, key)
    return [{"source": "198.51.100.6"}] * 6


def unanswered(capture, made, key):
    """Four nameless Initials that nobody has answered: whoever sent them may be anybody."""
    for index in range(4):
        client = QuicConnection(configuration=configuration(server_name=None))
        talk(capture, client, ("198.51.100.9", 40000 + index), made, key, answers=False)
    return [{"source": "198.51.100.9"}] * 4


def retry_short(capture, made, key):
    """The same of a server whose ids have five bytes: then the client's second Initial has one, too."""
    return retry(capture, made, key, size=5)


def retry(capture, made, key, size=8):
    """A server that asks for a token first: the same hello comes twice, under two keys."""
    client = QuicConnection(configuration=configuration(server_name=None))
    source, now = ("198.51.100.7", 41000), 0.0
    client.connect(SERVER, now=now)
    [(data, _)] = client.datagrams_to_send(now=now)
    capture.datagram(source, SERVER, data)
    original, theirs, ours = first_id(data), data[7 + data[5] : 7 + data[5] + data[6 + data[5]]], os.urandom(size)
    answer = quic_packet.encode_quic_retry(
        version=1, source_cid=ours, destination_cid=theirs, original_destination_cid=original, retry_token=os.urandom(16)
    )
    capture.datagram(SERVER, source, answer)
    client.receive_datagram(answer, SERVER, now=now)
    there = server(made, key, original, ours)
    for _ in range(4):
        now += 0.01
        for data, _to in client.datagrams_to_send(now=now):
            capture.datagram(source, SERVER, data)
            there.receive_datagram(data, source, now=now)
        for data, _to in there.datagrams_to_send(now=now):
            capture.datagram(SERVER, source, data)
            client.receive_datagram(data, SERVER, now=now)
    return [{"source": source[0]}]


def with_id(client, chosen):
    """The same client, with another id for its server than the one that it drew."""
    client._peer_cid.cid = chosen
    client._original_destination_connection_id = chosen
    return client


def short_id(capture, made, key):
    """A client whose id for its server has four bytes, and finishes its handshake; and one whom nobody answers."""
    settings = configuration(server_name="shop.example")
    talk(capture, with_id(QuicConnection(configuration=settings), os.urandom(4)), ("198.51.100.20", 44000), made, key)
    settings = configuration(server_name="shop.example")
    talk(capture, with_id(QuicConnection(configuration=settings), os.urandom(4)), ("198.51.100.21", 44001), made, key, answers=False)
    return []


def repeated_id(capture, made, key):
    """Three connections from two addresses with one id."""
    chosen = os.urandom(8)
    for number in range(3):
        client = with_id(QuicConnection(configuration=configuration(server_name="shop.example")), chosen)
        talk(capture, client, (f"198.51.100.{30 + number % 2}", 45000 + number), made, key)
    return []


def again(capture, made, key):
    """An honest client whose Initials are lost and sent again, also from another port and another address, with the same hello. Then it is
    answered. And one that was told to take another version, and keeps its path and its id."""
    client = QuicConnection(configuration=configuration(server_name="shop.example"))
    client.connect(SERVER, now=0.0)
    [(data, _)] = client.datagrams_to_send(now=0.0)
    for source in [("198.51.100.40", 46000), ("198.51.100.40", 46000), ("198.51.100.40", 46001), ("198.51.100.41", 46001)]:
        capture.datagram(source, SERVER, data)
    # Answered at both addresses, it bears both ids.
    for source in [("198.51.100.40", 46000), ("198.51.100.41", 46001)]:
        there = server(made, key, first_id(data))
        there.receive_datagram(data, source, now=0.1)
        answers = [answer for answer, _to in there.datagrams_to_send(now=0.1)]
        for answer in answers:
            capture.datagram(SERVER, source, answer)
        capture.datagram(source, SERVER, long_header(0xE0, 1, client_id(answers[0]), client_id(data)) + bytes(30))
    chosen, source = os.urandom(8), ("198.51.100.42", 46002)
    for version in [0x6B3343CF, 1]:
        settings = configuration(server_name="shop.example", original_version=version, supported_versions=[version])
        client = with_id(QuicConnection(configuration=settings), chosen)
        if version != 1:
            client.connect(SERVER, now=0.0)
            [(data, _)] = client.datagrams_to_send(now=0.0)
            capture.datagram(source, SERVER, data)
            capture.datagram(SERVER, source, long_header(0x80, 0, client_id(data), chosen) + struct.pack("!I", 1))
        else:
            talk(capture, client, source, made, key)
    return []


def long_header(first, version, to, whose):
    return struct.pack("!BI", first, version) + bytes([len(to)]) + to + bytes([len(whose)]) + whose


def client_id(datagram):
    """The source's connection id of a long header."""
    at = 6 + datagram[5]
    return datagram[at + 1 : at + 1 + datagram[at]]


def versions(capture, made, key):
    """Versions that no one speaks, twice on one path; a bait, Google's, Facebook's, 0; and one without the fixed bit, as RTP begins."""
    body = bytes(1250)
    for number, (first, version) in enumerate(
        [(0xC0, 0x12345678), (0xC0, 0x12345678), (0xC0, 0x1A2A3A4A), (0xC0, 0xFACEB002), (0xC0, 0x51303530), (0xC0, 0), (0x80, 0x12345679)]
    ):
        source = ("198.51.100.50", 47000 + max(1, number))
        capture.datagram(source, SERVER, long_header(first, version, os.urandom(8), os.urandom(8)) + body)
    return []


def crowd(capture, made, key, answers, bears, count=1100):
    """Many connections at once to one server. Whether it answers, and whether its clients then bear the id that it chose."""
    for number in range(count):
        client = QuicConnection(configuration=configuration(server_name="shop.example"))
        source = (f"203.0.{number // 200}.{number % 200 + 1}", 48000)
        client.connect(SERVER, now=0.0)
        [(data, _)] = client.datagrams_to_send(now=0.0)
        capture.datagram(source, SERVER, data)
        if not answers:
            continue
        chosen = os.urandom(8)
        capture.datagram(SERVER, source, long_header(0xC0, 1, client_id(data), chosen) + bytes(1100))
        if bears:
            capture.datagram(source, SERVER, long_header(0xE0, 1, chosen, client_id(data)) + bytes(60))
    return []


def flood(capture, made, key):
    return crowd(capture, made, key, answers=True, bears=False)


def outage(capture, made, key):
    return crowd(capture, made, key, answers=False, bears=False)


def popular(capture, made, key):
    return crowd(capture, made, key, answers=True, bears=True)


def no_ids(capture, made, key):
    """Many honest clients of a server whose own ids are empty: none of them can be proven."""
    for number in range(1030):
        client = QuicConnection(configuration=configuration(server_name="shop.example"))
        source = (f"203.0.{number // 200}.{number % 200 + 1}", 48001)
        client.connect(SERVER, now=0.0)
        [(data, _)] = client.datagrams_to_send(now=0.0)
        capture.datagram(source, SERVER, data)
        there = server(made, key, first_id(data), connection_id_length=0)
        there.receive_datagram(data, source, now=0.001)
        for answer, _to in there.datagrams_to_send(now=0.001):
            capture.datagram(SERVER, source, answer)
            client.receive_datagram(answer, SERVER, now=0.002)
        for more, _to in client.datagrams_to_send(now=0.003):
            capture.datagram(source, SERVER, more)
    return []


def main():
    kind, path = sys.argv[1:]
    made, key = certificate()
    capture = Capture(path)
    print(json.dumps(globals()[kind](capture, made, key)))


if __name__ == "__main__":
    main()

"""Captures of QUIC clients' Initials that are put together by hand: each byte is where the test wants it. Keys and tags are aioquic's.

    initials.py KIND FILE      writes a pcap, and prints as JSON what each connection in it is: its port, and clean, anomalous or unjudged
"""

import json
import os
import random
import struct
import sys

from aioquic.buffer import Buffer
from aioquic.quic.crypto import CryptoPair

from quic import SERVER, Capture

FIRST, SECOND = 1, 0x6B3343CF

# RFC 9001 and RFC 9369, appendix A: the client's id, its CRYPTO frame, and how the protected packets of either version begin and end.
VECTOR_ID = bytes.fromhex("8394c8f03e515708")
VECTOR_FRAME = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b"
    "6578616d706c652e636f6dff01000100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9"
    "caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748002b0003020304000d0010000e0403050306030203080408050806002d0002010100"
    "1c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901100f088394c8f03e51570806048000ffff"
)
VECTORS = {
    FIRST: ("c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11", "e221af44860018ab0856972e194cd934"),
    SECOND: ("d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485", ""),
}


def number(value):
    buffer = Buffer(capacity=8)
    buffer.push_uint_var(value)
    return buffer.data


def long_head(kind, version, to, whose):
    """Of packet type `kind` as version 1 counts them (RFC 9369 section 3.2)."""
    kind = (kind + 1) & 3 if version == SECOND else kind
    return bytes([0xC3 | kind << 4]) + struct.pack("!I", version) + bytes([len(to)]) + to + bytes([len(whose)]) + whose


def initial(to, whose, payload, turn=0, version=FIRST, size=None, keys=None, token=b""):
    """One packet, padded so that a datagram of 1,200 bytes is full, or `size` bytes long. `keys` is the id that they follow from."""
    head = long_head(0, version, to, whose) + number(len(token)) + token
    rest = (size or 1200) - len(head) - 2 - 4 - 16
    plain = payload + bytes(max(0, rest - len(payload)))
    head += struct.pack("!HI", 0x4000 | 4 + len(plain) + 16, turn)
    pair = CryptoPair()
    pair.setup_initial(cid=keys or to, is_client=True, version=version)
    return pair.encrypt_packet(head, plain, turn)


def extension(kind, body):
    return struct.pack("!HH", kind, len(body)) + body


def hello(name, size):
    """A ClientHello of so many bytes; without a name it has none of its extension."""
    listed = extension(43, b"\2\3\4") + extension(16, b"\0\3\2h3") + extension(10, b"\0\2\0\x1d")
    if name:
        listed += extension(0, struct.pack("!HBH", len(name) + 3, 0, len(name)) + name.encode())
    front = b"\3\3" + os.urandom(32) + b"\0" + b"\0\4\x13\1\x13\2" + b"\1\0"
    room = size - 4 - len(front) - 2 - len(listed) - 4
    listed += extension(51, os.urandom(max(0, room)))
    body = front + struct.pack("!H", len(listed)) + listed
    return b"\1" + len(body).to_bytes(3, "big") + body


def crypto(text, start, end):
    return b"\6" + number(start) + number(end - start) + text[start:end]


def vectors(capture):
    for version, (begins, ends) in VECTORS.items():
        packet = initial(VECTOR_ID, b"", VECTOR_FRAME, turn=2, version=version)
        assert packet.hex().startswith(begins) and packet.hex().endswith(ends), "not the RFC's bytes"
        capture.datagram(("198.51.100.60", 50000 + version % 7), SERVER, packet)
        yield {"port": 50000 + version % 7, "is": "clean"}


def pieces_of(text, draw):
    """CRYPTO frames of drawn sizes, with PING and PADDING between, shuffled."""
    at, frames = 0, []
    while at < len(text):
        end = min(len(text), at + draw.choice([1, 3, 40, 64, 200, 577]))
        frames.append(crypto(text, at, end) + draw.choice([b"", b"\1", b"\0" * 3]))
        at = end
    draw.shuffle(frames)
    return frames


def packed(frames, room):
    """As few payloads as hold them."""
    payloads = [b""]
    for frame in frames:
        if len(payloads[-1]) + len(frame) > room:
            payloads.append(b"")
        payloads[-1] += frame
    return payloads


def shuffled(capture):
    """Hellos as browsers send them since X25519MLKEM768: 1.7 to 4 KB in two to five Initials, out of order, some twice."""
    draw = random.Random(7)
    for index in range(60):
        name, version = draw.choice([None, "shop.example"]), draw.choice([FIRST, SECOND])
        port, to, whose = 51000 + index, os.urandom(draw.choice([8, 18, 20])), os.urandom(draw.choice([0, 8]))
        text = hello(name, draw.choice([300, 1750, 1979, 2500, 4090]))
        payloads = packed(pieces_of(text, draw), 1080)
        datagrams = [initial(to, whose, payload, turn, version) for turn, payload in enumerate(payloads)]
        datagrams += draw.sample(datagrams, draw.choice([0, 1]))
        draw.shuffle(datagrams)
        for data in datagrams:
            capture.datagram((f"198.51.100.{61 + index % 3}", port), SERVER, data)
        yield {"port": port, "is": "clean" if name else "anomalous"}


def tricks(capture):
    """What somebody does who wants a name to speak for a hello without one. What is clean is what honest clients do."""
    source = "198.51.100.70"
    with_name, without = hello("shop.example", 300), hello(None, 300)
    whole = lambda text: crypto(text, 0, len(text))  # noqa: E731
    to, other, mine = os.urandom(8), os.urandom(8), os.urandom(8)
    spoilt = bytearray(initial(to, mine, whole(with_name)))
    spoilt[-1] ^= 1
    bare = bytearray(initial(to, mine, whole(with_name)))
    bare[40] ^= 1
    begun = initial(to, mine, whole(without))
    front = initial(to, mine, whole(with_name), 0, size=600)
    zero_rtt = long_head(1, FIRST, to, mine) + number(40) + bytes(40)
    rows = {
        "the tag is wrong": ("unjudged", [bytes(spoilt)]),
        "a byte of the payload is wrong": ("unjudged", [bytes(bare)]),
        "a decoy with a wrong tag, and behind it the hello": ("anomalous", [bytes(spoilt), begun]),
        "a name that comes later": ("anomalous", [begun, initial(to, mine, whole(with_name), 1)]),
        "a name that came before": ("anomalous", [initial(to, mine, whole(with_name)), initial(to, mine, whole(without), 1)]),
        "a name in the same packet": ("anomalous", [initial(to, mine, whole(without) + whole(with_name))]),
        "the other packet of the datagram": ("anomalous", [front + initial(to, mine, whole(without), 1, size=600)]),
        "another id behind it": ("anomalous", [front + initial(other, mine, whole(without), size=600)]),
        "a frame that no Initial bears": ("anomalous", [initial(to, mine, whole(with_name) + b"\x08\0abc")]),
        "half a hello": ("unjudged", [initial(to, mine, crypto(with_name, 0, 150))]),
        "longer than what is kept": ("unjudged", [initial(to, mine, crypto(hello("shop.example", 5000), 0, 900))]),
        "early data that overtook its hello": ("clean", [zero_rtt + bytes(1200), initial(to, mine, whole(with_name))]),
        "another id under the first one's keys": ("anomalous", [begun, initial(other, mine, b"\1", 1, keys=to)]),
        "a datagram too small": ("unjudged", [initial(to, mine, whole(with_name), size=700)]),
        "behind early data": ("clean", [zero_rtt + initial(to, mine, whole(with_name), size=1200)]),
        "early data behind it, in the same datagram and the next": (
            "clean", [initial(to, mine, b"\2\0\0\0\0" + whole(with_name), size=1140) + zero_rtt, zero_rtt + bytes(1200)]),
    }
    for index, (says, (verdict, datagrams)) in enumerate(rows.items()):
        for data in datagrams:
            capture.datagram((source, 52000 + index), SERVER, data)
        yield {"port": 52000 + index, "is": verdict, "says": says}


def spoilt(capture):
    """Initials with a drawn byte changed: of header, payload or tag. Whatever comes of it, none is opened."""
    draw = random.Random(11)
    for index in range(120):
        version = draw.choice([FIRST, SECOND])
        text = hello("shop.example", draw.choice([300, 1000]))
        data = bytearray(initial(os.urandom(8), os.urandom(8), crypto(text, 0, len(text)), version=version))
        for _ in range(draw.choice([1, 1, 3])):
            data[draw.choice([draw.randrange(24), draw.randrange(len(data))])] ^= 1 << draw.randrange(8)
        capture.datagram(("198.51.100.80", 53000 + index), SERVER, bytes(data))
        yield {"port": 53000 + index, "is": "unjudged"}


def many(capture):
    """A thousand connections, each with its hello in one Initial of 1,200 bytes: for `make bench`."""
    for index in range(1000):
        text = hello("shop.example", 517)
        capture.datagram(("203.0.113.9", 20000 + index), SERVER, initial(os.urandom(8), os.urandom(8), crypto(text, 0, len(text))))
    yield {"port": 0, "is": "clean"}


def main():
    kind, path = sys.argv[1:]
    capture = Capture(path)
    print(json.dumps(list(globals()[kind](capture))))


if __name__ == "__main__":
    main()

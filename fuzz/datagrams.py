"""Seeds for quic_fuzz.c: a hello in one Initial, in two out of order, behind a Retry, contradicted, and a second one behind it.

usage: datagrams.py FOLDER
"""

import os
import struct
import sys

PROVES, RETRIED = 4, 32
EXTENSIONS = b"\0\0\0\x11\0\x0f\0\0\x0cshop.example" + b"\0\x2b\0\x03\x02\x03\x04"
BODY = b"\x03\x03" + b"R" * 32 + b"\0" + b"\0\x02\x13\x01" + b"\1\0" + struct.pack("!H", len(EXTENSIONS)) + EXTENSIONS
HELLO = b"\1" + len(BODY).to_bytes(3, "big") + BODY
SIZE = len(HELLO)


def crypto(start, end, at=0):
    """A CRYPTO frame (RFC 9000 section 19.6) with these bytes of the hello."""
    return b"\6" + struct.pack("!HH", 0x4000 | at + start, 0x4000 | end - start) + HELLO[start:end]


def datagram(flags, frames):
    return bytes([flags]) + struct.pack("!H", len(frames)) + frames


SEEDS = [
    datagram(PROVES, crypto(0, SIZE) + bytes(20)),
    datagram(0, crypto(40, SIZE)) + datagram(PROVES, b"\2\0\0\0\0" + crypto(0, 40)),
    datagram(0, crypto(0, SIZE)) + datagram(PROVES | RETRIED, crypto(0, SIZE)),
    datagram(0, crypto(0, SIZE)) + datagram(0, crypto(0, SIZE)[:-3] + b"abc") + datagram(PROVES, b"\1"),
    datagram(PROVES, crypto(0, SIZE)) + datagram(PROVES, crypto(0, SIZE, at=SIZE)),
]

os.makedirs(sys.argv[1], exist_ok=True)
for number, seed in enumerate(SEEDS):
    with open(os.path.join(sys.argv[1], str(number)), "wb") as file:
        file.write(seed)

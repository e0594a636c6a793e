"""ClientHellos by hand (RFC 8446 section 4.1.2), and the records that bear them."""
import os
import struct

# The generator of each curve: a point that every server takes as a share.
P256 = bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                     "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
P384 = bytes.fromhex("04aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7"
                     "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f")
SUITES = (0x1301, 0x1302, 0x1303, 0xC02B, 0xC02C, 0xC02F, 0xC030)


def u16(number):
    return struct.pack(">H", number)


def u16s(numbers):
    return b"".join(map(u16, numbers))


def vector(body):
    return u16(len(body)) + body


def extension(kind, body):
    return u16(kind) + vector(body)


def server_name(name):
    return extension(0, vector(b"\0" + vector(name.encode())))


GROUPS = extension(10, vector(u16s((0x17, 0x18))))
SIGNATURES = extension(13, vector(u16s((0x0403, 0x0804, 0x0401, 0x0503, 0x0603))))
VERSIONS = extension(43, b"\x04\x03\x04\x03\x03")
P256_SHARE = extension(51, vector(u16(0x17) + vector(P256)))
P384_SHARE = extension(51, vector(u16(0x18) + vector(P384)))
REST = GROUPS + extension(11, b"\x01\0") + SIGNATURES + VERSIONS + extension(45, b"\x01\x01")


def message(extensions, random=None, session=None):
    body = b"\x03\x03" + (random or os.urandom(32)) + b"\x20" + (session or os.urandom(32))
    body += vector(u16s(SUITES)) + b"\x01\0" + vector(extensions)
    return b"\x01" + len(body).to_bytes(3, "big") + body


def padding(size):
    return extension(21, bytes(size - 4)) if size >= 4 else b""


def records(handshake, size=16384):
    return b"".join(b"\x16\x03\x01" + vector(handshake[i:i + size]) for i in range(0, len(handshake), size))


def nameless(pad=0, **more):
    return records(message(REST + P256_SHARE + padding(pad), **more))


def named(name="shop.example", pad=0, **more):
    return records(message(server_name(name) + REST + P256_SHARE + padding(pad), **more))


def pair(size=400):
    """A nameless hello and a named one, alike in length and random."""
    random, session = os.urandom(32), os.urandom(32)
    made = []
    for make in (nameless, named):
        bare = len(make(random=random, session=session))
        made.append(make(pad=size - bare, random=random, session=session))
    return made


def retried(name=None):
    """The two hellos of one client whose share has to change (RFC 8446 section 4.1.4)."""
    random, session, first = os.urandom(32), os.urandom(32), server_name(name) if name else b""
    return [records(message(first + REST + share, random, session)) for share in (P256_SHARE, P384_SHARE)]


def shifted():
    """A nameless hello, and the place where one more byte, a zero, makes it read as a named one: there an extension's length begins."""
    tail = REST + P256_SHARE
    inner = b"\x23" + u16(0) + server_name("shop.example") + GROUPS + SIGNATURES + VERSIONS + u16(0x5151) + u16(len(tail) - 1)
    mark = u16(0x5050) + vector(inner)
    hello = records(message(mark + tail))
    return hello, hello.index(mark) + 2


def sslv2():
    """RFC 5246 appendix E.2."""
    suites = b"".join(b"\0" + u16(suite) for suite in SUITES + (0x009C, 0x002F, 0x0035))
    body = b"\x01\x03\x03" + u16(len(suites)) + u16(0) + u16(32) + suites + os.urandom(32)
    return u16(0x8000 | len(body)) + body

"""JA3 and JA4 from their descriptions alone (docs/detections.md), over captures read by dpkt: an opinion that owes Weir's code nothing.

Usage: ja4.py FILE...   prints a line for each whole ClientHello: file, client port, JA3, JA4, JA4_r.
"""
import hashlib, socket, struct, sys

import dpkt


def grease(value):
    return value >> 8 == value & 255 and value & 15 == 10


def numbers(data):
    return [n for (n,) in struct.iter_unpack("!H", data[:len(data) // 2 * 2])]


def vector(data, at, width):
    size = int.from_bytes(data[at:at + width], "big")
    return data[at + width:at + width + size], at + width + size


def read(body):
    """What both fingerprints are made of."""
    hello = {"version": int.from_bytes(body[:2], "big"), "extensions": [], "groups": [], "formats": [], "versions": [], "algorithms": [], "alpn": []}
    _, at = vector(body, 34, 1)
    ciphers, at = vector(body, at, 2)
    hello["ciphers"] = numbers(ciphers)
    _, at = vector(body, at, 1)
    block, _ = vector(body, at, 2)
    at = 0
    while at < len(block):
        kind = int.from_bytes(block[at:at + 2], "big")
        content, at = vector(block, at + 2, 2)
        hello["extensions"].append(kind)
        if kind == 10: hello["groups"] = numbers(content[2:])
        if kind == 11: hello["formats"] = list(content[1:])
        if kind == 13: hello["algorithms"] = numbers(content[2:])
        if kind == 43: hello["versions"] = numbers(content[1:])
        if kind == 16:
            inner = 2
            while inner < len(content):
                name, inner = vector(content, inner, 1)
                hello["alpn"].append(name)
    return hello


def ja3(h):
    parts = [[h["version"]]] + [[n for n in h[key] if not grease(n)] for key in ("ciphers", "extensions", "groups")] + [h["formats"]]
    return hashlib.md5(",".join("-".join(map(str, part)) for part in parts).encode()).hexdigest()


def ja4(h):
    offered = [v for v in h["versions"] if not grease(v)]
    version = {0x304: "13", 0x303: "12", 0x302: "11", 0x301: "10", 0x300: "s3", 0x2: "s2"}.get(max(offered) if offered else h["version"], "00")
    ciphers = sorted(n for n in h["ciphers"] if not grease(n))
    kinds = [n for n in h["extensions"] if not grease(n)]
    ends = "00"
    if h["alpn"] and h["alpn"][0]:
        first = h["alpn"][0]
        letters = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        text = chr(first[0]) + chr(first[-1]) if first[0] in letters and first[-1] in letters else first.hex()[0] + first.hex()[-1]
        ends = text
    head = f"t{version}{'d' if 0 in kinds else 'i'}{min(len(ciphers), 99):02d}{min(len(kinds), 99):02d}{ends}"
    listed = ",".join(f"{n:04x}" for n in ciphers)
    rest = ",".join(f"{n:04x}" for n in sorted(n for n in kinds if n not in (0, 16)))
    algorithms = ",".join(f"{n:04x}" for n in h["algorithms"] if not grease(n))
    if rest and algorithms: rest += "_" + algorithms
    short = lambda text: hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12
    return f"{head}_{short(listed)}_{short(rest)}", f"{head}_{listed}_{rest}"


def hellos(path):
    """(client port, hello body) of every client stream that begins with a whole ClientHello."""
    streams = {}
    with open(path, "rb") as file:
        reader = dpkt.pcapng.Reader(file) if file.read(4) == b"\x0a\x0d\x0d\x0a" and not file.seek(0) else (file.seek(0), dpkt.pcap.Reader(file))[1]
        for _, frame in reader:
            try:
                packet = dpkt.ethernet.Ethernet(frame).data
                segment = packet.data
            except (dpkt.UnpackError, AttributeError):
                continue
            if not isinstance(segment, dpkt.tcp.TCP) or segment.dport not in (443, 8443): continue
            if segment.flags & dpkt.tcp.TH_SYN:
                streams[segment.sport] = {}
            elif segment.data:
                streams.setdefault(segment.sport, {}).setdefault(segment.seq, bytes(segment.data))
    for port, parts in streams.items():
        data, expected = b"", None
        for sequence in sorted(parts):
            if expected is not None and sequence != expected: break
            data += parts[sequence]
            expected = (sequence + len(parts[sequence])) & 0xffffffff
        message = b""
        while len(data) >= 5 and data[0] == 22:
            content, at = vector(data, 3, 2)
            message += content
            data = data[at:]
            if len(message) >= 4 and len(message) >= 4 + int.from_bytes(message[1:4], "big"): break
        if len(message) >= 42 and message[0] == 1 and len(message) >= 4 + int.from_bytes(message[1:4], "big"):
            yield port, message[4:4 + int.from_bytes(message[1:4], "big")]


if __name__ == "__main__":
    for path in sys.argv[1:]:
        for port, body in hellos(path):
            h = read(body)
            print(path.rsplit("/", 1)[-1], port, ja3(h), *ja4(h))

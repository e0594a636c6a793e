"""Seeds for engine_fuzz from the recorded captures: each capture as frames, each client stream as bytes, also behind preambles. usage: seeds.py FROM TO"""
import pathlib
import struct
import sys

source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir(parents=True, exist_ok=True)
PREAMBLES = {
    "proxy1": b"PROXY TCP4 192.0.2.1 198.51.100.2 4000 443\r\n",
    "proxy2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x0f\xa0\1\xbb",
    "connect": b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "socks4": b"\4\1\1\xbb\xc6\x33\x64\2\0",
    "socks5": b"\5\1\0",
}
for path in sorted(source.glob("*.pcap")):
    data, frames, at = path.read_bytes(), b"", 24
    while at + 16 <= len(data):
        size = struct.unpack_from("<I", data, at + 8)[0]
        frame = data[at + 16:at + 16 + size]
        at += 16 + size
        if len(frames) < 60000:
            frames += struct.pack(">H", len(frame)) + frame
        start = frame.find(b"\x16\x03\x01")
        if 40 < start < 100:
            (target / f"{path.stem}-{at}").write_bytes(b"\x00\xb5" + frame[start:])
            if path.stem == "openssl-tls13":
                for name, preamble in PREAMBLES.items():
                    (target / f"{name}-{at}").write_bytes(b"\x02\x05" + preamble + frame[start:])
    (target / path.stem).write_bytes(b"\x01" + frames)
    (target / f"{path.stem}-every-port").write_bytes(b"\x21" + frames)

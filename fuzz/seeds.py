"""Seeds for the fuzzer from the recorded captures: each capture as frames, each client stream as bytes. usage: seeds.py FROM TO"""
import pathlib
import struct
import sys

source, target = map(pathlib.Path, sys.argv[1:])
target.mkdir(parents=True, exist_ok=True)
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
    (target / path.stem).write_bytes(b"\x01" + frames)
    (target / f"{path.stem}-every-port").write_bytes(b"\x21" + frames)

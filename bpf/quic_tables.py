#!/usr/bin/env python3
"""Writes bpf/shared/include/weir/quic_tables.h: what HKDF and AES need and no packet changes. `make quic-tables` runs it.

usage: quic_tables.py FILE      (- prints it)
"""

import struct
import sys

MASK = 0xFFFFFFFF

# RFC 9001 section 5.2, RFC 9369 section 3.3.1; of two drafts, which old clients still speak.
SALTS = [
    ("version 1", "38762cf7f55934b34d179ae6a4c80cadccbb7f0a"),
    ("version 2", "0dede3def700a6db819381be6e269dcbf9bd2ed9"),
    ("drafts 29 to 32", "afbfec289993d24c9e9786f19c6111e04390a899"),
    ("drafts 23 to 28", "c3eef712c72ebb5a11a7d2432bb46365bef9f502"),
]
LABELS = [("client in", 32), ("quic key", 16), ("quic iv", 12), ("quic hp", 16)]
LABELS += [("client in", 32), ("quicv2 key", 16), ("quicv2 iv", 12), ("quicv2 hp", 16)]


def primes(count):
    found, candidate = [], 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found


def root(value, degree):
    """The largest whole number whose power is not above the value."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= value else (low, middle - 1)
    return low


# FIPS 180-4 sections 4.2.2 and 5.3.3.
CONSTANTS = [root(prime << 96, 3) & MASK for prime in primes(64)]
FIRST = [root(prime << 64, 2) & MASK for prime in primes(8)]


def rotated(x, by):
    return (x >> by | x << (32 - by)) & MASK


def schedule(block):
    w = list(struct.unpack(">16I", block))
    for i in range(16, 64):
        a, b = w[i - 15], w[i - 2]
        first, second = rotated(a, 7) ^ rotated(a, 18) ^ a >> 3, rotated(b, 17) ^ rotated(b, 19) ^ b >> 10
        w.append((w[i - 16] + first + w[i - 7] + second) & MASK)
    return w


def compressed(state, block):
    a, b, c, d, e, f, g, h = state
    for constant, word in zip(CONSTANTS, schedule(block)):
        t = (h + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + (e & f ^ ~e & MASK & g) + constant + word) & MASK
        u = ((rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + (a & b ^ a & c ^ b & c)) & MASK
        a, b, c, d, e, f, g, h = (t + u) & MASK, a, b, c, (d + t) & MASK, e, f, g
    return [(x + y) & MASK for x, y in zip(state, (a, b, c, d, e, f, g, h))]


def padded(key, byte):
    return bytes(b ^ byte for b in key.ljust(64, b"\0"))


def label_block(label, length):
    """HkdfLabel (RFC 8446 section 7.1) and HKDF's counter, behind a block of HMAC's: they never change."""
    name = b"tls13 " + label.encode()
    text = struct.pack(">HB", length, len(name)) + name + b"\0" + b"\1"
    return (text + b"\x80").ljust(56, b"\0") + struct.pack(">Q", (64 + len(text)) * 8)


def substitutions():
    """FIPS 197 section 5.1.1."""
    power, log, x = [0] * 512, [0] * 256, 1
    for i in range(255):
        power[i] = power[i + 255] = x
        log[x] = i
        x ^= (x << 1) ^ (0x11B if x & 0x80 else 0)
        x &= 0xFF
    box = []
    for value in range(256):
        inverse, out = power[255 - log[value]] if value else 0, 0x63
        for turn in range(5):
            out ^= ((inverse << turn) | (inverse >> (8 - turn))) & 0xFF
        box.append(out)
    return box


def doubled(s):
    """Bytes 2S S S 3S, twice: a load at +0, +3, +2, +1 is what rows 0, 1, 2, 3 of a column need."""
    twice = ((s << 1) ^ (0x1B if s & 0x80 else 0)) & 0xFF
    word = twice | s << 8 | s << 16 | (twice ^ s) << 24
    return word | word << 32


def rows(values, form, each, indent="\t"):
    return "".join(indent + " ".join(form % value + "," for value in values[at : at + each]) + "\n" for at in range(0, len(values), each))


def main(path):
    out = [
        "/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */\n",
        "/* What HKDF and AES need and no packet changes. Written by bpf/quic_tables.py. */\n",
        "#ifndef WEIR_QUIC_TABLES_H\n#define WEIR_QUIC_TABLES_H\n\n#include <linux/types.h>\n\n",
        "/* In the kernel .rodata: a frozen map, whose values the verifier reads. */\n",
        "#define WEIR_TABLE static const __attribute__((aligned(64)))\n\n",
        "WEIR_TABLE __u32 weir_sha_constants[64] = {\n" + rows(CONSTANTS, "0x%08x", 8) + "};\n\n",
        "WEIR_TABLE __u32 weir_sha_first[8] = {\n" + rows(FIRST, "0x%08x", 8) + "};\n\n",
        "/* HMAC under a version's salt: its inner state, its outer state. */\n",
        f"WEIR_TABLE __u32 weir_quic_salts[{len(SALTS)}][2][8] = {{\n",
    ]
    for name, salt in SALTS:
        out.append(f"\t{{ /* {name} */\n")
        for byte in (0x36, 0x5C):
            state = compressed(FIRST, padded(bytes.fromhex(salt), byte))
            out.append("\t\t{ " + ", ".join(f"0x{word:08x}" for word in state) + " },\n")
        out.append("\t},\n")
    out.append("};\n\n/* A label's block as 64 rounds take it: schedule and constants added. */\n")
    out.append(f"WEIR_TABLE __u32 weir_quic_labels[{len(LABELS)}][64] = {{\n")
    for label, length in LABELS:
        words = [(constant + word) & MASK for constant, word in zip(CONSTANTS, schedule(label_block(label, length)))]
        out.append(f"\t{{ /* {label}, {length} bytes */\n" + rows(words, "0x%08x", 8, "\t\t") + "\t},\n")
    out.append("};\n\nWEIR_TABLE __u64 weir_aes_rows[256] = {\n" + rows([doubled(s) for s in substitutions()], "0x%016xull", 4) + "};\n\n")
    out.append("WEIR_TABLE __u8 weir_aes_rounds[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 0x1b, 0x36 };\n\n#endif\n")
    with sys.stdout if path == "-" else open(path, "w") as file:
        file.write("".join(out))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""TCP by hand over a packet socket: every flag, number and checksum is ours."""
import os
import select
import socket
import struct
import time

from witness import dissect, has_right_sum, packet_socket, sum16

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
MOST = 1400    # bytes in a segment of ours


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


class Wire:
    """One source address. `hear` takes what comes for it to its flows."""

    def __init__(self, network, source, target):
        self.v6 = ":" in source
        self.source, self.target, self.network, self.flows = packed(source), packed(target), network, {}
        self.head = network.gateway + network.own
        at, kind = (50, 0x86DD) if self.v6 else (30, 0x0800)
        word = int.from_bytes(self.source[-4:], "big") if not self.v6 else int.from_bytes(self.source[4:8], "big")
        at = at if not self.v6 else 42
        self.socket = packet_socket("c0", [(0x28, 0, 0, 12), (0x15, 0, 3, kind), (0x20, 0, 0, at), (0x15, 0, 1, word), (6, 0, 0, 0xFFFF), (6, 0, 0, 0)])

    def segment(self, ports, sequence, acknowledged, flags, data=b"", bad_sum=False, urgent=0, options=b"", window=64240, source=None):
        options += b"\x01" * (-len(options) % 4)
        tcp = struct.pack(">HHIIBBHHH", *ports, sequence & 0xFFFFFFFF, acknowledged & 0xFFFFFFFF, (20 + len(options)) << 2, flags, window, 0, urgent)
        tcp += options + data
        source = source or self.source
        pseudo = struct.pack(">IHBB", len(tcp), 0, 0, 6) if self.v6 else struct.pack(">BBH", 0, 6, len(tcp))
        check = ~sum16(source + self.target + pseudo + tcp) & 0xFFFF
        return tcp[:16] + struct.pack(">H", check ^ (0x5555 if bad_sum else 0)) + tcp[18:]

    def datagram(self, body, ttl=64, ip_options=b"", fragment=None, source=None, kind=6, bad_header=False, total=0):
        """`fragment`: (number, place, more). In IPv6 `ip_options` are whole extension headers, the first of the kind `kind`."""
        source = source or self.source
        if self.v6:
            if fragment:
                number, place, more = fragment
                body, kind = struct.pack(">BBHI", kind, 0, place | more, number) + body, 44
            return struct.pack(">IHBB", 6 << 28, len(ip_options + body) + total, kind, ttl) + source + self.target + ip_options + body
        ip_options += b"\0" * (-len(ip_options) % 4)
        number, place, more = fragment or (int.from_bytes(os.urandom(2), "big"), 0, 0)
        bits = (place >> 3 | more << 13) if fragment else 0x4000
        size = 20 + len(ip_options)
        header = struct.pack(">BBHHHBBH", 0x40 | size >> 2, 0, size + len(body) + total, number & 0xFFFF, bits, ttl, 6, 0) + source + self.target + ip_options
        check = ~sum16(header) & 0xFFFF
        return header[:10] + struct.pack(">H", check ^ (0x0F0F if bad_header else 0)) + header[12:] + body

    def put(self, datagram, tag=None, to=None):
        tags = struct.pack(">HH", 0x8100, tag) if tag is not None else b""
        for _ in range(200):
            try:
                return self.socket.send((to + self.head[6:] if to else self.head) + tags + (b"\x86\xdd" if self.v6 else b"\x08\0") + datagram)
            except OSError:                             # the queue is full
                time.sleep(0.001)

    def fragments(self, segment, cuts, number=None, rewritten=()):
        """The segment's datagram in pieces at these places, which are multiples of eight."""
        number = int.from_bytes(os.urandom(2), "big") if number is None else number
        ends = [*cuts, len(segment)]
        return [self.datagram(segment[a:b], fragment=(number, a, int(b < len(segment)))) for a, b in zip([0, *cuts], ends)]

    def hear(self, seconds, until=None):
        """Takes what comes, for so long or until `until` says enough."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not (until and until()):
            if not select.select([self.socket], [], [], min(left, 0.05))[0]:
                continue
            frame, extra, _, _ = self.socket.recvmsg(70000)
            found = dissect(frame)
            if found and len(found[3]) >= 20:
                port = int.from_bytes(found[3][2:4], "big")
                if port in self.flows:
                    self.flows[port].take(found[3])

    def close(self):
        self.socket.close()


class Flow:
    """One connection; places count from the first byte behind the SYN."""

    def __init__(self, wire, port, server_port=443, isn=None, window=64240):
        self.wire, self.ports, self.window = wire, (port, server_port), window
        self.isn = int.from_bytes(os.urandom(4), "big") if isn is None else isn
        self.base, self.server_isn, self.heard, self.said, self.acked = (self.isn + 1) & 0xFFFFFFFF, None, 0, None, 0
        self.bytes, self.acks, self.stamp, self.options = {}, True, 0, b""
        wire.flows[port] = self

    def syn(self, data=b"", options=b"\x02\x04\x05\xb4", **more):
        self.wire.put(self.wire.datagram(self.wire.segment(self.ports, self.isn, 0, SYN, data, options=options, window=self.window, **more)))

    def take(self, segment):
        sequence, acknowledged, offset, flags = struct.unpack(">IIBB", segment[4:14])
        data = segment[(offset >> 4) * 4:]
        if flags & SYN:
            self.server_isn = sequence
            self.acked = (acknowledged - self.base) & 0xFFFFFFFF
            return
        if self.server_isn is None:
            return
        place = (sequence - self.server_isn - 1) & 0xFFFFFFFF
        if flags & ACK:
            self.acked = max(self.acked, (acknowledged - self.base) & 0xFFFFFFFF if (acknowledged - self.base) & 0xFFFFFFFF < 1 << 31 else 0)
        if flags & RST:
            # A client's stack takes it only at the number that it expects (RFC 5961).
            self.said = self.said or ("reset" if place == self.heard else f"reset at {place} rather than {self.heard}")
        if data and place <= self.heard < place + len(data):
            self.said = self.said if self.said and self.said != "acknowledged" else "answer"
            for i, byte in enumerate(data):
                self.bytes[place + i] = byte
            self.heard = place + len(data)
            if self.acks:
                self.send(self.acked, b"", ACK)

    @property
    def ack_number(self):
        return ((self.server_isn or 0) + 1 + self.heard) & 0xFFFFFFFF

    def segment(self, place, data=b"", flags=PSH | ACK, ack=0, window=None, options=None, **more):
        return self.wire.segment(self.ports, self.base + place, self.ack_number + ack if flags & ACK else 0, flags, data,
                                 window=self.window if window is None else window, options=self.options if options is None else options, **more)

    def send(self, place, data=b"", flags=PSH | ACK, way=None, tag=None, to=None, **more):
        """`way`: how the datagram is made; `tag`: a VLAN; `to`: another station."""
        self.wire.put(self.wire.datagram(self.segment(place, data, flags, **more), **(way or {})), tag, to)

    def ack(self):
        self.send(self.acked, b"", ACK)

    def whole(self, data, place=0, size=MOST, **more):
        for at in range(0, len(data), size):
            self.send(place + at, data[at:at + size], **more)

    def end(self):
        """Resets at every number that the server may expect."""
        for place in {0, self.acked}:
            self.send(place, b"", RST | ACK)

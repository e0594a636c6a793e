"""Who counts answers: a packet socket at the far end of the server's cable. It knows nothing of Weir, and takes each frame's time from the kernel."""
import ctypes
import select
import socket
import struct
import threading
import time

SLACK = 0.97    # of a second: each answer arrives a little after it was let out, and each by another little


def most_in_a_second(events):
    """The most connections that were answered within any sliding second; an event is (time, connection)."""
    events = sorted(events)
    return max([len({who for t, who in events[i:] if t < events[i][0] + SLACK}) for i in range(len(events))], default=0)


def sum16(data):
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def attach_filter(s, instructions):
    """Classic BPF: only what matters waits in the socket's queue."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *i) for i in instructions))
    s.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxQ", len(instructions), ctypes.addressof(code)))


def packet_socket(device, instructions=None):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    if instructions:
        attach_filter(s, instructions)
    s.setsockopt(263, 23, 1)                            # PACKET_IGNORE_OUTGOING
    s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)       # SO_RCVBUFFORCE
    s.bind((device, 3))
    return s


def dissect(frame):
    """(family, source, destination, TCP with what follows), or None."""
    at = 18 if frame[12:14] == b"\x81\0" else 14
    kind = frame[at - 2:at]
    if kind == b"\x08\0" and frame[at + 9] == 6:
        size, total = (frame[at] & 15) * 4, int.from_bytes(frame[at + 2:at + 4], "big") or len(frame) - at
        return 4, frame[at + 12:at + 16], frame[at + 16:at + 20], frame[at + size:at + total]
    if kind == b"\x86\xdd":
        end = at + 40 + (int.from_bytes(frame[at + 4:at + 6], "big") or len(frame) - at - 40)
        kind, behind = frame[at + 6], at + 40
        while kind in (0, 43, 44, 60) and behind + 8 < end:
            kind, behind = frame[behind], behind + 8 + (8 * frame[behind + 1] if kind != 44 else 0)
        if kind == 6:
            return 6, frame[at + 8:at + 24], frame[at + 24:at + 40], frame[behind:end]
    return None


def has_right_sum(family, source, target, segment):
    pseudo = struct.pack(">BBH", 0, 6, len(segment)) if family == 4 else struct.pack(">IHBB", len(segment), 0, 0, 6)
    return sum16(source + target + pseudo + segment) == 0xFFFF


class Heard:
    """What one connection's client was sent: bytes of the stream by their place, each with the time at which it came first."""

    def __init__(self, isn):
        self.isn, self.data, self.times = isn, {}, {}

    def take(self, sequence, data, now):
        at = (sequence - self.isn - 1) & 0xFFFFFFFF
        if at > 8192:
            return
        for i, byte in enumerate(data[:2048]):
            if at + i not in self.data:
                self.data[at + i], self.times[at + i] = byte, now

    def answers(self):
        """Times at which a ServerHello (or a HelloRetryRequest) or an alert in the clear began to leave, even if only its first byte did."""
        at, found, clear = 0, [], True
        while at in self.data:
            kind, size = self.data[at], (self.data.get(at + 3, 0) << 8) + self.data.get(at + 4, 0)
            if kind not in (20, 21, 22) or not size and at + 4 in self.data:
                break
            if kind == 22 and self.data.get(at + 5, 2) == 2 or kind == 21 and clear:
                found.append(self.times[at])
                clear = bytes(self.data.get(at + 11 + i, 0) for i in range(4)) == b"\xcf\x21\xad\x74"
            at += 5 + size
        return found


class Witness(threading.Thread):
    def __init__(self, device):
        super().__init__(daemon=True)
        self.connections, self.heard, self.bad_sums, self.lock, self.idle = {}, [], 0, threading.Lock(), 0.0
        self.socket = packet_socket(device)
        self.socket.setsockopt(socket.SOL_SOCKET, 35, 1)    # SO_TIMESTAMPNS
        self.socket.setsockopt(263, 8, 1)                   # PACKET_AUXDATA
        self.start()

    def run(self):
        while True:
            now = time.monotonic()
            if not select.select([self.socket], [], [], 0)[0]:
                self.idle = now
                select.select([self.socket], [], [], 0.05)
                continue
            try:
                frame, extra, _, _ = self.socket.recvmsg(70000, 256)
            except OSError:                                 # the cable is gone: the stage is over
                return
            now, partial = 0.0, False
            for level, kind, data in extra:
                if level == socket.SOL_SOCKET and kind == 35:
                    seconds, nanoseconds = struct.unpack("qq", data[:16])
                    now = seconds + nanoseconds / 1e9
                elif level == 263 and kind == 8:
                    partial = bool(struct.unpack_from("I", data)[0] & 8)
            with self.lock:
                self.look(frame, now, partial)

    def look(self, frame, now, partial):
        found = dissect(frame)
        if not found or len(found[3]) < 20:
            return
        family, source, target, segment = found
        if not partial and len(segment) <= 1500 and not has_right_sum(family, source, target, segment):
            self.bad_sums += 1
        server_port, port, sequence, _, offset, flags = struct.unpack(">HHIIBB", segment[:14])
        key, data = (target, port, server_port), segment[(offset >> 4) * 4:]
        known = self.connections.get(key)
        if flags & 0x12 == 0x12:
            # With SYN cookies a tuple may get the same number again: what follows an answered one is another connection.
            if not known or known.isn != sequence or known.data:
                self.connections[key] = known = Heard(sequence)
                self.heard.append((key, known))
        if known and data:
            known.take(sequence, data, now)

    def catch_up(self):
        """Returns when everything that arrived before has been looked at."""
        began = time.monotonic()
        while self.idle < began and self.is_alive():
            time.sleep(0.005)

    def events(self, source, since=0.0, skip=0):
        """(time, connection) of every answer that left for this source, but for the first `skip` of each connection."""
        with self.lock:
            return [(t, i) for i, (key, heard) in enumerate(self.heard) if key[0] == source for t in heard.answers()[skip:] if t >= since]

    def answered_ports(self, source):
        with self.lock:
            return {key[1] for key, heard in self.heard if key[0] == source and heard.answers()}

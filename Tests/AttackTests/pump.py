"""Frames from one cable to another, of which some are lost, some come late and some twice. usage: pump.py [SEED]; prints "ready"."""
import heapq
import random
import select
import socket
import sys
import time

chance = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
LOSS, REORDERING, DUPLICATION = 0.05, 0.25, 0.10
ends = []
for name in ("p0", "p1"):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    s.setsockopt(263, 23, 1)                        # PACKET_IGNORE_OUTGOING
    s.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)   # SO_RCVBUFFORCE
    s.bind((name, 3))
    ends.append(s)
print("ready", flush=True)
waiting, number = [], 0
while True:
    left = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    for s in select.select(ends, [], [], left)[0]:
        frame, other, now = s.recv(70000), ends[1 - ends.index(s)], time.monotonic()
        if frame[12:14] in (b"\x08\x06",) or chance.random() >= LOSS:
            for _ in range(2 if chance.random() < DUPLICATION else 1):
                number += 1
                late = chance.uniform(0.002, 0.02) if chance.random() < REORDERING else 0
                heapq.heappush(waiting, (now + late, number, other, frame))
    while waiting and waiting[0][0] <= time.monotonic():
        _, _, other, frame = heapq.heappop(waiting)
        try:
            other.send(frame)
        except OSError:                             # longer than the cable takes, or the queue is full
            pass

"""What a long list costs an Envoy: with 10,000 and 100,000 limited sources, the push's size, the time to its acknowledgement, one more source, and memory.

usage (by `make bench-envoy`): unshare -n python3 envoy.py PROGRAMS [SOURCES ...]
One controller, one broker process (noida-db), one Envoy, all on this machine's cores; ends within three minutes.
"""
import ctypes
import datetime
import http.client
import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import lab

MORE, MOST, SECONDS = 20, 190_000, 170


class Producer:
    """By the C library that Weir uses too."""

    def __init__(self, topic):
        self.library = ctypes.CDLL("librdkafka.so.1")
        for function in (self.library.rd_kafka_conf_new, self.library.rd_kafka_new, self.library.rd_kafka_topic_new):
            function.restype = ctypes.c_void_p
        error = ctypes.create_string_buffer(512)
        settings = ctypes.c_void_p(self.library.rd_kafka_conf_new())
        for name, value in (("bootstrap.servers", lab.KAFKA), ("linger.ms", "0"), ("queue.buffering.max.messages", str(2 * MOST)), ("log_level", "0")):
            self.library.rd_kafka_conf_set(settings, name.encode(), value.encode(), error, 512)
        self.handle = ctypes.c_void_p(self.library.rd_kafka_new(0, settings, error, 512))
        self.topic = ctypes.c_void_p(self.library.rd_kafka_topic_new(self.handle, topic.encode(), None))

    def limit(self, *addresses):
        """As another node's controller says it; returns when the broker has all of them."""
        until = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        for address in addresses:
            key = f"{address}/32|all".encode()
            value = json.dumps({"schema": "weir.dev/limit/v1", "prefix": f"{address}/32", "class": "all", "per_second": 3, "answer": "reset", "until": until, "step": 0,
                                "scope": "cluster", "origin": "operator", "generation": 1, "has_refused": True, "reason": {"anomalies": ["missing_sni"], "events_in_window": 7, "event_ids": []},
                                "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}).encode()
            if self.library.rd_kafka_produce(self.topic, 0, 2, value, ctypes.c_size_t(len(value)), key, ctypes.c_size_t(len(key)), None):
                raise SystemExit("a record was refused")
        if self.library.rd_kafka_flush(self.handle, 30000):
            raise SystemExit("records were not delivered")


def until_refused(producer, source):
    """From before the limit is sent until a request is answered by 429, in seconds; before that it is served."""
    connection = http.client.HTTPConnection("127.0.0.1", 10000, timeout=10, source_address=(source, 0))

    def status():
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        return answer.status
    if status() != 200:
        raise SystemExit(f"{source} was refused before it was limited")
    began = time.monotonic()
    producer.limit(source)
    while time.monotonic() - began < 10:
        if status() == 429:
            connection.close()
            return time.monotonic() - began
    raise SystemExit(f"{source} was not limited within 10 s")


def serve():
    upstream = socket.create_server(("127.0.0.1", 8080), backlog=256)

    def answer(connection):
        while connection.recv(4096):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def accept():
        while True:
            threading.Thread(target=answer, args=(upstream.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()


def measure(programs, count):
    with tempfile.TemporaryDirectory(prefix="weir-envoy-") as home:
        open(f"{home}/policy.yaml", "w").write("apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {name: bench}\nspec: {mode: enforce}\n")
        kafka = lab.broker(home, programs)
        # The operator's command makes the topic, with the settings that it needs.
        subprocess.run([f"{programs}/weir", "limits", "add", "10.255.255.255", "--kafka", kafka], check=True, stdout=subprocess.DEVNULL)
        producer = Producer("security-throttle-limits")
        producer.limit(*(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(1, count)))
        envoy = lab.start(home, f"{lab.VENV}/envoy", "-c", f"{lab.ROOT}/manifests/envoy/bootstrap.yaml", "--log-level", "error", "--concurrency", "1")
        lab.wait(home, "Envoy", lambda: socket.socket().connect_ex(("127.0.0.1", 10000)) == 0)
        before = lab.megabytes(envoy)
        began = time.monotonic()
        controller = lab.start(home, f"{programs}/weir-controller", "--kafka", kafka, "--policy", f"{home}/policy.yaml", "--listen", "127.0.0.1:9741", "--grpc", "127.0.0.1:9742")
        lab.wait(home, "Envoy's acknowledgement", lambda: lab.metric("xds_accepted_total"))
        acknowledged = time.monotonic() - began
        if lab.metric("listed_sources") != count or lab.metric("xds_refused_total"):
            raise SystemExit(f"{lab.metric('listed_sources')} sources are listed, not {count}; {lab.metric('xds_refused_total')} pushes were refused")
        size = lab.metric("listed_bytes")
        # librdkafka asks again and again while it waits, whatever the list is.
        parts = [lambda: lab.processor(controller, lambda name: not name.startswith("rdk:")), lambda: lab.processor(controller, lambda name: name.startswith("rdk:")), lambda: lab.processor(envoy)]
        used = [part() for part in parts]
        times = sorted(until_refused(producer, f"127.1.0.{number + 1}") for number in range(MORE))
        used = [1000 * (part() - then) / MORE for part, then in zip(parts, used)]
        print(f"{count:7,} sources: push {size / 1e6:.2f} MB, controller's start to Envoy's ACK {acknowledged:.2f} s, one more source to its 429 {1000 * times[len(times) // 2]:.0f} ms p50 {1000 * times[-1]:.0f} ms most "
              f"({MORE}; computing: controller {used[0]:.1f} ms, its Kafka client {used[1]:.0f} ms, Envoy {used[2]:.0f} ms each), Envoy {lab.megabytes(envoy):.0f} MB (before {before:.0f}), controller {lab.megabytes(controller):.0f} MB", flush=True)
        lab.end()


def main():
    programs, *words = sys.argv[1:] or lab.refuse("usage: unshare -n python3 bench/envoy.py PROGRAMS [SOURCES ...]")
    for word in words:
        if not (word.isascii() and word.isdigit() and 1 <= int(word) <= MOST):
            lab.refuse(f"`{word}`: a number of sources from 1 to {MOST} is expected")
    lab.begin(programs)

    def late(*_):
        raise SystemExit(f"not done within {SECONDS} s")
    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    serve()
    try:
        for count in [int(word) for word in words] or (10_000, 100_000):
            measure(programs, count)
    finally:
        lab.end()


main()

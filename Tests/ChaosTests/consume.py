"""Every event on the topic, read by librdkafka's own command-line cousin: our library, without any of Weir's code.

usage: consume.py BOOTSTRAP   prints, for each run of an agent, how many events it has and when the last was made
"""

import collections
import ctypes
import ctypes.util
import json
import sys
import time

lib = ctypes.CDLL(ctypes.util.find_library("rdkafka"))
for name, result, *arguments in (
    ("rd_kafka_conf_new", ctypes.c_void_p),
    ("rd_kafka_conf_set", ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t),
    ("rd_kafka_new", ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t),
    ("rd_kafka_topic_partition_list_new", ctypes.c_void_p, ctypes.c_int),
    ("rd_kafka_topic_partition_list_add", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int),
    ("rd_kafka_subscribe", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p),
    ("rd_kafka_consumer_poll", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int),
    ("rd_kafka_message_destroy", None, ctypes.c_void_p),
    ("rd_kafka_poll_set_consumer", ctypes.c_int, ctypes.c_void_p),
):
    getattr(lib, name).restype, getattr(lib, name).argtypes = result, arguments


class Message(ctypes.Structure):
    _fields_ = [
        ("err", ctypes.c_int),
        ("topic", ctypes.c_void_p),
        ("partition", ctypes.c_int32),
        ("payload", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
    ]


def main(bootstrap):
    conf, why = lib.rd_kafka_conf_new(), ctypes.create_string_buffer(512)
    for key, value in (
        ("bootstrap.servers", bootstrap),
        ("group.id", f"chaos-{time.time()}"),
        ("auto.offset.reset", "earliest"),
        ("enable.partition.eof", "true"),
    ):
        if lib.rd_kafka_conf_set(conf, key.encode(), value.encode(), why, 512):
            raise SystemExit(why.value.decode())
    client = lib.rd_kafka_new(1, conf, why, 512)
    topics = lib.rd_kafka_topic_partition_list_new(1)
    lib.rd_kafka_topic_partition_list_add(topics, b"security-throttle-events", -1)
    lib.rd_kafka_subscribe(client, topics)
    ids, runs, quiet, ends, end = set(), collections.defaultdict(lambda: {"count": 0, "time": ""}), 0, set(), time.monotonic() + 60
    while time.monotonic() < end and quiet < 20:
        pointer = lib.rd_kafka_consumer_poll(client, 250)
        if not pointer:
            quiet += bool(ends)
            continue
        message = Message.from_address(pointer)
        if message.err == -191:
            ends.add(message.partition)
        elif not message.err:
            quiet = 0
            event = json.loads(ctypes.string_at(message.payload, message.size))
            if event["schema"].startswith("weir.dev/throttle-event/") and event["id"] not in ids:
                ids.add(event["id"])
                run = runs[event["id"].rsplit(":", 1)[0]]
                run["count"] += 1
                run["time"] = max(run["time"], event["time"])
        lib.rd_kafka_message_destroy(pointer)
    print(json.dumps({"events": len(ids), "runs": runs}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])

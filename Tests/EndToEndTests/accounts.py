"""What an agent saw and made, against what others count: a consumer without Weir in between, the spool's file read by Python.

usage: as stage.py
"""
import re
import shutil
import sqlite3

from stage import *

# The spool's events as a version had them that noted no times.
OLDER = "id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, headers TEXT NOT NULL, value BLOB NOT NULL"
EVENTS, PARTITIONS = "security-throttle-events", 12
DISTRIBUTION = os.environ.get("WEIR_KAFKA_DISTRIBUTION", "")


class Message(ctypes.Structure):
    """rd_kafka_message_t of rdkafka.h."""
    _fields_ = [("err", ctypes.c_int), ("rkt", ctypes.c_void_p), ("partition", ctypes.c_int32), ("payload", ctypes.c_void_p),
                ("len", ctypes.c_size_t), ("key", ctypes.c_void_p), ("key_len", ctypes.c_size_t), ("offset", ctypes.c_int64), ("private", ctypes.c_void_p)]


def consume(bootstrap):
    """All records of the events topic as they are now: (partition, offset, key, type, value), by librdkafka alone."""
    kafka = ctypes.CDLL("librdkafka.so.1")
    for name in ("conf_new", "new", "topic_new", "consume"):
        getattr(kafka, f"rd_kafka_{name}").restype = ctypes.c_void_p
    error, conf = ctypes.create_string_buffer(512), ctypes.c_void_p(kafka.rd_kafka_conf_new())
    for name, value in (("bootstrap.servers", bootstrap), ("log_level", "0"), ("enable.partition.eof", "true")):
        if kafka.rd_kafka_conf_set(conf, name.encode(), value.encode(), error, 512):
            raise SystemExit(error.value.decode())
    handle = ctypes.c_void_p(kafka.rd_kafka_new(1, conf, error, 512))
    topic, records = ctypes.c_void_p(kafka.rd_kafka_topic_new(handle, EVENTS.encode(), None)), []
    for partition in range(PARTITIONS):
        kafka.rd_kafka_consume_start(topic, partition, ctypes.c_int64(-2))
        while True:
            found = kafka.rd_kafka_consume(topic, partition, 20_000)
            if not found:
                raise SystemExit(f"partition {partition} does not answer")
            message = Message.from_address(found)
            if message.err == 0:
                name, value, size = b"ce_type", ctypes.c_void_p(), ctypes.c_size_t()
                headers, kind = ctypes.c_void_p(), ""
                if kafka.rd_kafka_message_headers(ctypes.c_void_p(found), ctypes.byref(headers)) == 0 \
                        and kafka.rd_kafka_header_get_last(headers, name, ctypes.byref(value), ctypes.byref(size)) == 0:
                    kind = ctypes.string_at(value.value, size.value).decode()
                records.append((partition, message.offset, ctypes.string_at(message.key, message.key_len).decode(), kind,
                                ctypes.string_at(message.payload, message.len)))
            end = message.err == -191    # RD_KAFKA_RESP_ERR__PARTITION_EOF
            kafka.rd_kafka_message_destroy(ctypes.c_void_p(found))
            if end:
                break
        kafka.rd_kafka_consume_stop(topic, partition)
    return records


class Away:
    """A broker's address at which nobody listens, until `back`: then a relay to a real one, which tells its own address."""

    def __init__(self):
        self.port = next(PORTS)
        self.address = f"127.0.0.1:{self.port}"

    def back(self, bootstrap):
        host, port = bootstrap.split(":")
        listener = socket.create_server(("127.0.0.1", self.port))

        def pump(one, other):
            try:
                while data := one.recv(65536):
                    other.sendall(data)
            except OSError:
                pass
            other.close()

        def serve():
            while True:
                near = listener.accept()[0]
                far = socket.create_connection((host, int(port)))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()
        threading.Thread(target=serve, daemon=True).start()
        return bootstrap


def terms_of(agent, member):
    """All terms of /status, `account term` each."""
    every = [(account["account"], term) for account in agent.status["accounts"] for term in account["terms"]]
    return {f"{account} {term['term']}": term[member] for account, term in every}


def accounts(agent): return terms_of(agent, "count")


KINDS = {}


def gap(agent, terms):
    """What does not balance, added up here."""
    if not KINDS:
        KINDS.update(terms_of(agent, "kind"))
    gaps = {"records": 0, "events": 0}
    for term, count in terms.items():
        gaps[term.split()[0]] += count if KINDS[term] == "came" else -count
    return gaps


def metrics(agent):
    found = {}
    for line in agent.get("/metrics").splitlines():
        if match := re.match(r'weir_agent_account_(?:total|waiting)\{account="(\w+)",kind="\w+",term="(\w+)"\} (\d+)$', line):
            found[f"{match[1]} {match[2]}"] = int(match[3])
    return found


def doctor_said(agent):
    words = [WEIR, "doctor", "--interface", "inner", "--port", str(agent.port)]
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def doctor_terms(text):
    found = {}
    for line in text.splitlines():
        if match := re.search(r"its account of (\w+) +(.*)$", line):
            found |= {f"{match[1]} {term}": int(count) for count, term in re.findall(r"(\d+) ([a-z_]+)", match[2])}
    return found


def everywhere(agent):
    """The same figures from /status, /metrics and doctor, at a moment at which nothing moved: flows that fell silent are told of late."""
    def once():
        before, told, said, after = accounts(agent), metrics(agent), doctor_said(agent), accounts(agent)
        if before != after:
            return None
        return {"terms": after, "gap": gap(agent, after), "metrics_agree": told == after,
                "doctor_agrees": doctor_terms(said) == {term: count for term, count in after.items() if count}, "doctor": said}
    return wait("a quiet moment", once, 60)


def sums(terms, *names): return sum(terms[f"events {name}"] for name in names)


def stopped_copy(agent, state):
    """Rows of the spool's file: of a copy, while the agent, which has locked it, stands still."""
    agent.process.send_signal(signal.SIGSTOP)
    wait("the stop", lambda: open(f"/proc/{agent.process.pid}/stat").read().split()[2] == "T")
    copy = f"{HOME.name}/copy-{time.monotonic_ns()}"
    shutil.copytree(state, copy)
    agent.process.send_signal(signal.SIGCONT)
    database = sqlite3.connect(f"{copy}/spool.sqlite3")
    rows = {table: database.execute(f"SELECT id, key, value FROM {table} ORDER BY id").fetchall() for table in ("events", "aside")}
    reasons = [reason for reason, in database.execute("SELECT reason FROM aside ORDER BY id")]
    database.close()
    size = os.path.getsize(f"{copy}/spool.sqlite3")
    return rows, reasons, size


def left_in_spool(state, rows):
    """What an earlier run would have left: (key, value) each."""
    os.makedirs(state)
    database = sqlite3.connect(f"{state}/spool.sqlite3")
    database.execute(f"CREATE TABLE events ({OLDER})")
    database.executemany("INSERT INTO events (key, headers, value) VALUES (?, '', ?)", rows)
    database.commit()
    database.close()


MOVING = ("records gathering", "records in_ring", "events waiting", "events under_way")


def settled(agent, seconds=30):
    """Nothing is under way, and nothing gathers."""
    def quiet():
        terms = accounts(agent)
        return None if any(terms[name] for name in MOVING) else terms
    return wait("what is under way", quiet, seconds)


BURST = """
import socket, sys
sys.path.insert(0, sys.argv[1])
from hellos import *
hello = bytes.fromhex(sys.argv[2])
for turn in range(int(sys.argv[3])):
    for source in sys.argv[4:]:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
        raw.settimeout(5)
        try:
            raw.bind((source, 0)); raw.connect(("198.51.100.2", 443)); raw.send(hello)
        except OSError: pass
        raw.close()
"""


def nameless_hello():
    """OpenSSL's, without a name."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def burst(client, sources, turns):
    folder = os.path.dirname(os.path.abspath(__file__)) + "/../AttackTests"
    return client.run(sys.executable, "-c", BURST, folder, nameless_hello().hex(), str(turns), *sources, timeout=120)


def overload():
    """The ring is full, no broker answers, and the spool is the smallest there is: afterwards everything is accounted for, by everybody."""
    client, away, state = stage(others=120), Away(), f"{HOME.name}/state"
    sources = [f"203.0.113.{100 + i}" for i in range(120)]
    agent = Agent("--interface", "inner", "--policy", policy(), "--node", "busy", "--state", state, "--state-size", "64K",
                  "--kafka", away.address)
    agent.process.send_signal(signal.SIGSTOP)
    wait("the stop", lambda: open(f"/proc/{agent.process.pid}/stat").read().split()[2] == "T")
    burst(client, sources, 40)
    agent.process.send_signal(signal.SIGCONT)
    # While records come and events go, too.
    gaps, more = [], threading.Thread(target=burst, args=(client, sources, 6))
    more.start()
    while more.is_alive():
        gaps.append(max(map(abs, gap(agent, accounts(agent)).values())))
    # Flows that fell silent are told of ten seconds later, so some events come late: what is compared is of one moment.
    def with_file():
        # Within a tick the disk has what happened.
        wait("the disk", lambda: agent.status["spooled"] == sums(accounts(agent), "waiting", "under_way"))
        before, (rows, _, size), last = accounts(agent), stopped_copy(agent, state), everywhere(agent)
        return {"rows": len(rows["events"]) + len(rows["aside"]), "size": size, **last} if before == last["terms"] else None
    first = wait("a quiet moment without a broker", with_file, 60)
    bootstrap = away.back(broker())
    wait("a notice of loss", lambda: accounts(agent)["events notices"] > 0, 60)

    def with_consumer():
        settled(agent, 60)
        last = with_file()
        records = consume(bootstrap)
        if not last or accounts(agent) != last["terms"]:
            return None
        told, lost = {}, {term: count for term, count in last["terms"].items() if count and KINDS[term] == "lost"}
        for _, _, _, kind, value in records:
            for loss in json.loads(value)["losses"] if kind == "dev.weir.loss.v1" else ():
                told[f"{loss['what']} {loss['cause']}"] = told.get(f"{loss['what']} {loss['cause']}", 0) + loss["count"]
        # What was lost since the last notice is told of ten seconds after it.
        return ({**last, "told": told, "lost": lost}, records) if told == lost else None
    last, records = wait("a quiet moment with one, and all losses told", with_consumer, 90)
    notices = [json.loads(value) for _, _, _, kind, value in records if kind == "dev.weir.loss.v1"]
    events = [json.loads(value) for _, _, _, kind, value in records if kind == "dev.weir.throttle-event.v1"]
    lines = subprocess.Popen([WEIR, "tail", "events", "--from-beginning", "--kafka", bootstrap], stdout=subprocess.PIPE, text=True)
    processes.append(lines)
    shown = ""
    while "  lost " not in shown:
        shown = lines.stdout.readline()
    lines.send_signal(signal.SIGINT)
    return {"first": first, "readings": len(gaps), "widest": max(gaps), **last, "balance": agent.status["balance"],
            "consumed": len(records), "ids": len({event["id"] for event in events}), "notices": len(notices),
            "notice_keys": sorted({key for _, _, key, kind, _ in records if "loss" in kind}),
            "shown": shown, "code": agent.stop()}


def poison():
    """A real Kafka refuses some events for their size: they go aside, and nobody waits for them."""
    client, state, place, port = stage(), f"{HOME.name}/state", f"{HOME.name}/kafka", next(PORTS)
    next(PORTS)
    script = ["bash", f"{DISTRIBUTION}/kafka.sh"]
    subprocess.run([*script, "start", place, str(port)], check=True, stdout=subprocess.DEVNULL, timeout=120)
    try:
        bootstrap = f"127.0.0.1:{port}"
        subprocess.run([*script, "topics", "--bootstrap-server", bootstrap, "--create", "--topic", EVENTS, "--partitions", str(PARTITIONS),
                        "--config", "max.message.bytes=6000"], check=True, stdout=subprocess.DEVNULL, timeout=120)
        small = [(f"203.0.113.{i % 7}/32", f"small {i}".encode() + os.urandom(500)) for i in range(140)]
        large = [("203.0.113.3/32", os.urandom(8_000)), ("203.0.113.4/32", os.urandom(8_000))]
        # One that not even the client takes.
        huge = [("203.0.113.3/32", os.urandom(2_000_000))]
        left_in_spool(state, small[:50] + large[:1] + small[50:70] + huge + small[70:100] + large[1:] + small[100:])
        agent = Agent("--interface", "inner", "--policy", policy(), "--state", state, "--kafka", bootstrap)
        client.handshakes([CLIENT], 1)
        wait("the rest", lambda: accounts(agent)["events aside"] == 3 and settled(agent), 60)
        terms, said = accounts(agent), doctor_said(agent)
        rows, reasons, _ = wait("the disk", lambda: (found := stopped_copy(agent, state))[0]["events"] == [] and found)
        values = [value for _, _, _, _, value in consume(bootstrap)]
        result = {"terms": terms, "gap": gap(agent, terms), "aside": len(rows["aside"]), "reasons": reasons,
                  "consumed": len(values), "small": len({value for value in values} & {value for _, value in small}), "doctor": said,
                  "metric": metrics(agent)["events aside"], "said": agent.said, "code": agent.stop()}
        # They are there in the next life as well, and so is nothing else.
        again = Agent("--interface", "inner", "--policy", policy(), "--state", state, "--kafka", bootstrap)
        return {**result, "found": accounts(again)["events found"], "still": accounts(again)["events aside"], "again": again.stop()}
    finally:
        subprocess.run([*script, "kill", place])


def drained():
    """A long backlog and a kill in its midst: nothing is missed, a source's events keep their order, and the news need not wait for it."""
    client, state, bootstrap = stage(), f"{HOME.name}/state", broker()
    backlog = [(f"198.18.{i % 200}.1/32", b"%d" % i) for i in range(30_000)]
    left_in_spool(state, backlog)
    options = ("--interface", "inner", "--policy", policy(), "--state", state, "--kafka", bootstrap)
    first = Agent(*options, "--node", "first")
    client.handshakes([CLIENT], 1)
    wait("some of it", lambda: accounts(first)["events delivered"] > 2_000)
    first.process.kill()
    first.process.wait()
    second = Agent(*options, "--node", "second")
    found = accounts(second)["events found"]
    wait("the rest", lambda: settled(second, 60), 60)
    terms = accounts(second)
    balance, code = gap(second, terms), second.stop()
    records, firsts, news = consume(bootstrap), {}, []
    for partition, offset, key, kind, value in records:
        if kind:
            news.append((partition, offset))
        else:
            firsts.setdefault(key, []).append(int(value))
    ordered = all(list(dict.fromkeys(numbers)) == sorted(set(numbers)) for numbers in firsts.values())
    after = [offset for partition, offset, _, kind, _ in records if not kind and news and partition == news[0][0] and offset > news[0][1]]
    return {"found": found, "distinct": len({number for numbers in firsts.values() for number in numbers}),
            "ordered": ordered, "news": len(news), "behind_news": len(after), "terms": terms, "gap": balance, "code": code}


def full_disk():
    """The disk takes nothing more while no broker answers: what memory holds goes on from there, and nothing is missed."""
    client, away, state = stage(others=120), Away(), f"{HOME.name}/state"
    # In a mount namespace of our own: nobody else sees it.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) != 0:    # CLONE_NEWNS
        raise SystemExit(os.strerror(ctypes.get_errno()))
    os.makedirs(state)
    sh(f"mount --make-rprivate / && mount -t tmpfs -o size=1400k,mode=0777 weir-full {state}")
    sources = [f"203.0.113.{100 + i}" for i in range(120)]
    agent = Agent("--interface", "inner", "--policy", policy(), "--state", state, "--kafka", away.address)
    for turn in range(30):
        burst(client, sources, 2)
        if "the spool cannot be written" in agent.said:
            break
    burst(client, sources[:40], 2)
    cannot = "the spool cannot be written" in agent.said
    wait("what gathers", lambda: not accounts(agent)["records gathering"], 30)
    before, spooled = accounts(agent), agent.status["spooled"]
    bootstrap = away.back(broker())
    after = settled(agent, 60)
    wait("the disk", lambda: "the spool is written again" in agent.said and agent.status["spooled"] == 0)
    balance, events, code = gap(agent, after), [json.loads(value) for _, _, _, _, value in consume(bootstrap)], agent.stop()
    sh(f"umount --lazy {state}")
    return {"cannot": cannot, "before": before, "spooled": spooled, "terms": after, "gap": balance, "consumed": len(events),
            "ids": len({event["id"] for event in events}),
            "told": sum(event["counts"]["seen"] for event in events), "code": code}


def aged():
    """What has waited longer than it may is given up, and counted; the rest waits on."""
    stage()
    away, state, now = Away(), f"{HOME.name}/state", int(time.time())
    os.makedirs(state)
    database = sqlite3.connect(f"{state}/spool.sqlite3")
    database.executescript(f"CREATE TABLE events ({OLDER}, added INTEGER NOT NULL DEFAULT 0); CREATE TABLE aside (id INTEGER PRIMARY KEY, "
                           "key TEXT NOT NULL, headers TEXT NOT NULL, value BLOB NOT NULL, added INTEGER NOT NULL, size INTEGER NOT NULL, "
                           "reason TEXT NOT NULL); PRAGMA user_version = 1")
    ages = [7_300] * 10 + [7_100] * 5
    insertion = "INSERT INTO events (key, headers, value, added) VALUES ('203.0.113.1/32', '', '{}', ?)"
    database.executemany(insertion, [(now - age,) for age in ages])
    database.commit()
    database.close()
    agent = Agent("--interface", "inner", "--policy", policy(), "--state", state, "--state-age", "2h", "--kafka", away.address)
    wait("the old ones to go", lambda: accounts(agent)["events too_old"] == 10)
    terms = accounts(agent)
    bootstrap = away.back(broker())
    wait("the notice", lambda: accounts(agent)["events notices"] == 1 and settled(agent))
    return {"terms": terms, "gap": gap(agent, accounts(agent)), "consumed": len(consume(bootstrap)), "code": agent.stop()}


if __name__ == "__main__":
    main(globals())

"""Who counts what an agent says of itself: a consumer without Weir in between, the spool's file read by Python, other pages."""
import http.server
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
                ("len", ctypes.c_size_t), ("key", ctypes.c_void_p), ("key_len", ctypes.c_size_t),
                ("offset", ctypes.c_int64), ("private", ctypes.c_void_p)]


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


def accounts(agent):
    """All terms of /status, `account term` each."""
    found = agent.status["accounts"]
    return {f"{account} {term}": count for account in ("records", "events") for term, count in found[account].items()}


METRIC = re.compile(r'weir_agent_account_(?:total|waiting)\{account="(\w+)",kind="(\w+)",term="(\w+)"\} (\d+)$')


STRICTLY = """
import json, sys, jsonschema

def closed(part):
    if isinstance(part, dict):
        return {**{name: closed(one) for name, one in part.items()}, **({"additionalProperties": False} if "required" in part else {})}
    return [closed(one) for one in part] if isinstance(part, list) else part

schema = closed(json.load(open(sys.argv[1])))
jsonschema.Draft202012Validator.check_schema(schema)
for error in jsonschema.Draft202012Validator(schema).iter_errors(json.load(sys.stdin)):
    print("/".join(map(str, error.path)), error.message[:200])
"""


def misfits(agent):
    """Where the agent's /status is not what its schema says, members that the schema does not have among them."""
    schema = f"{os.path.dirname(os.path.abspath(__file__))}/../../manifests/schemas/agent-status.v1.schema.json"
    done = subprocess.run([PYTHON, "-c", STRICTLY, schema], input=agent.get("/status"), capture_output=True, text=True)
    return done.stdout + done.stderr[-500:]


def metric_lines(agent): return [match for line in agent.get("/metrics").splitlines() if (match := METRIC.match(line))]


def metrics(agent): return {f"{line[1]} {line[3]}": int(line[4]) for line in metric_lines(agent)}


KINDS = {}


def gap(agent, terms):
    """What does not balance, added up here."""
    if not KINDS:
        KINDS.update({f"{line[1]} {line[3]}": line[2] for line in metric_lines(agent)})
    gaps = {"records": 0, "events": 0}
    for term, count in terms.items():
        gaps[term.split()[0]] += count if KINDS[term] == "came" else -count
    return gaps


def doctor_said(agent):
    words = [WEIR, "doctor", "--interface", "inner", "--port", str(agent.port)]
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=60).stdout


def doctor_of(status):
    """What doctor says, and its exit code, of an agent that says this of itself."""
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(status).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): pass
    server = http.server.HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    words = [WEIR, "doctor", "--interface", "inner", "--port", str(server.server_port)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=60)
    server.shutdown()
    return done.stdout, done.returncode


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

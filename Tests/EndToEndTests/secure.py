"""A real Apache Kafka that trusts nobody: certificates on both sides or a password over TLS, and for each of Weir's users what
manifests/kafka/users.yaml gives to it. The agent and the controller meet over it, and then each user tries everything.

usage: as stage.py, with WEIR_KAFKA_DISTRIBUTION
"""
import base64

from privilege import threads
from stage import *

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
DISTRIBUTION = os.environ.get("WEIR_KAFKA_DISTRIBUTION", "")
CONTROLLER = os.path.join(os.path.dirname(AGENT), "weir-controller")
PLAIN, CONTROL, SASL, MUTUAL = 19092, 19093, 19094, 19095
TOPICS = ["security-throttle-events", "security-throttle-limits", "security-scale-decisions", "security-throttle-nodes",
          "security-throttle-policies"]
rdkafka = ctypes.CDLL("librdkafka.so.1")
for name in ("conf_new", "new", "topic_new", "topic_conf_new", "queue_new", "queue_poll", "event_CreateAcls_result", "AclBinding_new", "consume", "CreateAcls_result_acls", "acl_result_error"):
    getattr(rdkafka, f"rd_kafka_{name}").restype = ctypes.c_void_p


def file(name, text="", mode=0o600):
    path = f"{HOME.name}/{name}"
    with open(path, "w", opener=lambda path, flags: os.open(path, flags, mode)) as opened:
        opened.write(text)
    return path


def certificate(name, authority="ca"):
    sh(f"cd {HOME.name} && openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr 2>/dev/null && "
       f"openssl x509 -req -in {name}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 2 -out {name}.pem -extfile san 2>/dev/null && chmod 600 {name}.key")


def authorities(users):
    file("san", "subjectAltName=IP:127.0.0.1")
    for authority in ("ca", "stranger-ca"):
        sh(f"cd {HOME.name} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={authority} -keyout {authority}.key -out {authority}.pem 2>/dev/null")
    for name in ["kafka", *users]:
        certificate(name)
    certificate("stranger", "stranger-ca")
    file("keystore.pem", open(f"{HOME.name}/kafka.key").read() + open(f"{HOME.name}/kafka.pem").read())
    for name in users:
        file(f"{name}.password", base64.b64encode(os.urandom(18)).decode() + "\n")


def password(name): return open(f"{HOME.name}/{name}.password").read().strip()


def kafka(users):
    """One broker: PLAIN is its administrator's, who is everybody that reaches it here; SASL and MUTUAL are for Weir."""
    known = " ".join(f'user_{name}="{password(name)}"' for name in users)
    listeners = ",".join(f"{name}://127.0.0.1:{port}" for name, port in (("PLAINTEXT", PLAIN), ("SASL_SSL", SASL), ("SSL", MUTUAL)))
    settings = file("server.properties", f"""process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{CONTROL}
controller.listener.names=CONTROLLER
listeners={listeners},CONTROLLER://127.0.0.1:{CONTROL}
advertised.listeners={listeners}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
inter.broker.listener.name=PLAINTEXT
log.dirs={HOME.name}/kafka-log
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
group.initial.rebalance.delay.ms=0
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required {known};
ssl.keystore.type=PEM
ssl.keystore.location={HOME.name}/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location={HOME.name}/ca.pem
listener.name.ssl.ssl.client.auth=required
""")
    java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", f"-Dlog4j2.configurationFile={DISTRIBUTION}/log4j2.yaml", "-cp", f"{DISTRIBUTION}/libs/*"]
    cluster = "W" + base64.urlsafe_b64encode(os.urandom(16)).decode()[1:22]
    subprocess.run([*java, "kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", cluster, "-c", settings], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = open(f"{HOME.name}/kafka.log", "w")
    broker = subprocess.Popen([*java, "kafka.Kafka", settings], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    processes.append(broker)
    wait("Apache Kafka", lambda: "Kafka Server started" in open(log.name).read() or broker.poll() is not None, 60)
    if broker.poll() is not None:
        raise SystemExit(open(log.name).read()[-1500:])


def by_certificate(name): return {"bootstrap.servers": f"127.0.0.1:{MUTUAL}", "security.protocol": "SSL", "ssl.ca.location": f"{HOME.name}/ca.pem",
                                  "ssl.certificate.location": f"{HOME.name}/{name}.pem", "ssl.key.location": f"{HOME.name}/{name}.key"}


def by_password(name): return {"bootstrap.servers": f"127.0.0.1:{SASL}", "security.protocol": "SASL_SSL", "ssl.ca.location": f"{HOME.name}/ca.pem", "sasl.mechanisms": "PLAIN",
                               "sasl.username": name, "sasl.password.file": f"{HOME.name}/{name}.password"}


def properties(name, values): return file(f"{name}.conf", "".join(f"{key}={value}\n" for key, value in values.items()))


class Topic(ctypes.Structure):
    """struct rd_kafka_metadata_topic of rdkafka.h; its list's head is struct rd_kafka_metadata."""
    _fields_ = [("topic", ctypes.c_char_p), ("partitions", ctypes.c_int), ("each", ctypes.c_void_p), ("error", ctypes.c_int)]


class Metadata(ctypes.Structure):
    _fields_ = [("brokers", ctypes.c_int), ("each", ctypes.c_void_p), ("count", ctypes.c_int), ("topics", ctypes.POINTER(Topic))]


class Library:
    """librdkafka, without Weir in between."""

    def __init__(self, values, consumes=False):
        error, conf = ctypes.create_string_buffer(512), ctypes.c_void_p(rdkafka.rd_kafka_conf_new())
        values = {key: value for key, value in values.items() if key != "sasl.password.file"}
        if "sasl.username" in values:
            values["sasl.password"] = password(values["sasl.username"])
        self.outcomes = []
        # rd_kafka_message_t begins with its error.
        self.report = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(lambda _, message, __: self.outcomes.append(ctypes.c_int32.from_address(message).value))
        if not consumes:
            rdkafka.rd_kafka_conf_set_dr_msg_cb(conf, self.report)
        for key, value in {**values, "log_level": "0", "message.timeout.ms": "20000", "enable.partition.eof": "true"}.items():
            if key.startswith(("message.", "enable.")) and (key.startswith("enable.") != consumes):
                continue
            if rdkafka.rd_kafka_conf_set(conf, key.encode(), value.encode(), error, 512):
                raise SystemExit(f"{key}: {error.value.decode()}")
        handle = rdkafka.rd_kafka_new(1 if consumes else 0, conf, error, 512)
        if not handle:
            raise SystemExit(error.value.decode())
        self.handle = ctypes.c_void_p(handle)

    def topic(self, name): return ctypes.c_void_p(rdkafka.rd_kafka_topic_new(self.handle, name.encode(), None))

    def writes(self, topic):
        """The broker's answer to one record: 0, or its error."""
        rdkafka.rd_kafka_produce(self.topic(topic), 0, 2, b"{}", ctypes.c_size_t(2), b"trial", ctypes.c_size_t(5), None)
        rdkafka.rd_kafka_flush(self.handle, 20_000)
        return self.outcomes.pop() if self.outcomes else None

    def knows(self, handle):
        """The broker's answer to the question what partitions a topic has; who may not know gets nothing else from the library."""
        found = ctypes.POINTER(Metadata)()
        code = rdkafka.rd_kafka_metadata(self.handle, 0, handle, ctypes.byref(found), 20_000)
        return code or found.contents.topics[0].error

    def reads(self, topic):
        handle = self.topic(topic)
        if refusal := self.knows(handle):
            return refusal
        rdkafka.rd_kafka_consume_start(handle, 0, ctypes.c_int64(-2))
        end, code = time.monotonic() + 20, None
        while time.monotonic() < end:
            message = rdkafka.rd_kafka_consume(handle, 0, 1000)
            if message:
                code = ctypes.c_int32.from_address(message).value
                rdkafka.rd_kafka_message_destroy(ctypes.c_void_p(message))
                break
        rdkafka.rd_kafka_consume_stop(handle, 0)
        # The end of a partition is an answer as good as a record (RD_KAFKA_RESP_ERR__PARTITION_EOF).
        return 0 if code == -191 else code

    def allows(self, bindings):
        """Adds permissions of (resource type, name, pattern type, principal, operation); the errors of those that are refused."""
        error, queue = ctypes.create_string_buffer(512), ctypes.c_void_p(rdkafka.rd_kafka_queue_new(self.handle))
        made = [rdkafka.rd_kafka_AclBinding_new(kind, name.encode(), pattern, principal.encode(), b"*", operation, 3, error, 512) for kind, name, pattern, principal, operation in bindings]
        if not all(made):
            raise SystemExit(error.value.decode())
        rdkafka.rd_kafka_CreateAcls(self.handle, (ctypes.c_void_p * len(made))(*made), ctypes.c_size_t(len(made)), None, queue)
        event = ctypes.c_void_p(rdkafka.rd_kafka_queue_poll(queue, 30_000))
        if not event or rdkafka.rd_kafka_event_error(event):
            return [rdkafka.rd_kafka_event_error(event) if event else None]
        count = ctypes.c_size_t()
        results = ctypes.cast(rdkafka.rd_kafka_CreateAcls_result_acls(ctypes.c_void_p(rdkafka.rd_kafka_event_CreateAcls_result(event)), ctypes.byref(count)), ctypes.POINTER(ctypes.c_void_p))
        found = [rdkafka.rd_kafka_acl_result_error(ctypes.c_void_p(results[i])) for i in range(count.value)]
        return [rdkafka.rd_kafka_error_code(ctypes.c_void_p(one)) for one in found if one]


def users():
    read = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))"
    return {user["metadata"]["name"]: user["spec"]["authorization"]["acls"] for user in json.loads(subprocess.check_output([PYTHON, "-c", read, f"{ROOT}/manifests/kafka/users.yaml"]))}


def bindings(manifest):
    """For either way to say who one is: a certificate's name, as Strimzi has it, and a user name."""
    kinds, patterns, operations = {"topic": 2, "group": 3}, {"literal": 3, "prefix": 4}, {"Read": 3, "Write": 4, "Create": 5, "Describe": 8}
    return [(kinds[acl["resource"]["type"]], acl["resource"]["name"], patterns[acl["resource"]["patternType"]], f"User:{who}", operations[operation])
            for name, acls in manifest.items() for who in (f"CN={name}", name) for acl in acls for operation in acl["operations"]]


def secured():
    client, manifest = stage(), users()
    authorities(manifest)
    kafka(manifest)
    allowed = Library({"bootstrap.servers": f"127.0.0.1:{PLAIN}"}).allows(bindings(manifest))
    # The controller has a certificate, the agent a password; key and password are root's alone, which neither is for long.
    port, log = next(PORTS), open(f"{HOME.name}/controller.log", "w")
    controller = subprocess.Popen([CONTROLLER, "--kafka-config", properties("controller", by_certificate("weir-controller")), "--policy", policy(), "--listen", f"127.0.0.1:{port}", "--grpc", "127.0.0.1:0"],
                                  stdout=log, stderr=log)
    processes.append(controller)

    def ready(port):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2).status == 200
        except OSError:
            return False

    wait("the controller", lambda: ready(port), 40)
    agent = Agent("--interface", "inner", "--policy", policy(), "--node", "secured", "--state", f"{HOME.name}/state", "--kafka-config", properties("agent", by_password("weir-agent")))
    wait("the agent", lambda: ready(agent.port), 40)
    got = client.handshakes([CLIENT], 6)[CLIENT]
    operator = properties("operator", by_certificate("weir-operator"))

    def limits(): return {line["prefix"]: line for line in map(json.loads, weir("limits", "--format", "json", "--kafka-config", operator).splitlines())}

    wait("the cluster's limit", lambda: f"{CLIENT}/32" in limits(), 30)
    wait("the agent to hold it", lambda: limits()[f"{CLIENT}/32"]["nodes"]["holding"] == 1, 30)
    weir("limits", "add", "192.0.2.7", "--wait", "20s", "--kafka-config", operator)
    said = weir("doctor", "--kafka-config", operator, "--interface", "inner")
    # The agent's own credentials, in the operator's hand.
    liar = weir("limits", "add", "192.0.2.8", "--kafka-config", properties("liar", by_password("weir-agent")), code=3)
    strangers = [weir("limits", "--kafka-config", properties(name, values), code=3) for name, values in (
        ("stranger", by_certificate("stranger")), ("guess", {**by_password("weir-agent"), "sasl.password.file": file("guess.password", "guess\n")}))]
    kinds = {"agent_threads": threads(agent.process), "controller_threads": threads(controller)}
    delivered, code = agent.status["delivered"], agent.stop()
    controller.send_signal(signal.SIGTERM)
    ended = controller.wait(20)
    trials, groups = {}, {}
    for name in manifest:
        ways = by_certificate(name)
        writer, reader = Library(ways), Library(ways, consumes=True)
        trials[name] = {topic: [writer.writes(topic), reader.reads(topic)] for topic in TOPICS}
        # Nobody of them may give permissions.
        groups[name] = writer.allows([(2, "*", 3, "User:stranger", 2)])
    return {"allowed": allowed, "succeeded": len(got["spans"]), **kinds, "delivered": delivered, "code": code, "controller_code": ended, "controller": open(log.name).read(), "agent": agent.said,
            "doctor": said, "liar": liar, "strangers": strangers, "trials": [f"{name} {topic} {codes[0]} {codes[1]}" for name, topics in trials.items() for topic, codes in topics.items()],
            "administrators": [str(code) for codes in groups.values() for code in codes]}


if __name__ == "__main__":
    main(globals())

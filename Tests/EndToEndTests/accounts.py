"""What an agent saw and made, against what others count (witness.py), when the ring is full, the disk is, or a broker is away or refuses.

usage: as stage.py
"""
from witness import *


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
        # Within a tick the disk has what happened before it, and this is what `before` has to say.
        before = accounts(agent)
        wait("the disk", lambda: agent.status["spooled"] == sums(accounts(agent), "waiting", "under_way"))
        (rows, _, size), last = stopped_copy(agent, state), everywhere(agent)
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
    sh(f"mount --make-rprivate / && mount -t tmpfs -o size=8m,mode=0777 weir-full {state}")
    sources = [f"203.0.113.{100 + i}" for i in range(120)]
    agent = Agent("--interface", "inner", "--policy", policy(), "--state", state, "--kafka", away.address)
    burst(client, sources[:40], 1)
    wait("the disk", lambda: agent.status["spooled"] >= 40)
    with open(f"{state}/ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            pass
    burst(client, sources, 2)
    wait("a full disk", lambda: "the spool cannot be written" in agent.said and burst(client, sources, 1))
    wait("what gathers", lambda: not accounts(agent)["records gathering"], 30)
    before, spooled = accounts(agent), agent.status["spooled"]
    bootstrap = away.back(broker())
    after = settled(agent, 60)
    wait("the disk", lambda: "the spool is written again" in agent.said and agent.status["spooled"] == 0)
    balance, events, code = gap(agent, after), [json.loads(value) for _, _, _, _, value in consume(bootstrap)], agent.stop()
    sh(f"umount --lazy {state}")
    return {"before": before, "spooled": spooled, "terms": after, "gap": balance, "consumed": len(events),
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
    # Somebody's figures that do not add up.
    status = agent.status
    status["unready"] = None
    well = doctor_of(status)[1]
    status["accounts"]["events"]["delivered"] -= 3
    status["accounts"]["records"]["clean"] += 2
    wrong, code = doctor_of(status)
    return {"terms": terms, "gap": gap(agent, accounts(agent)), "consumed": len(consume(bootstrap)), "code": agent.stop(),
            "wrong": wrong, "well_code": well, "wrong_code": code}


def evidence():
    """The hello of an event is on the disk, in a file that nobody else reads, also after a kill; it replays as what it was."""
    client, away, state = stage(others=2), Away(), f"{HOME.name}/state"
    agent = Agent("--interface", "inner", "--policy", policy(), "--state", state, "--kafka", away.address)
    burst(client, ["203.0.113.100"], 1)

    def listed():
        done = subprocess.run([WEIR, "evidence", "--state", state, "--format", "json"], capture_output=True, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]
    wait("a hello on the disk", listed)
    metric = [line for line in agent.get("/metrics").splitlines() if line.startswith("weir_agent_evidence_total")]
    agent.process.kill()
    agent.process.wait()
    found = listed()
    capture = f"{HOME.name}/hello.pcapng"
    with open(capture, "wb") as file:
        code = subprocess.run([WEIR, "evidence", found[0]["trace_id"], "--state", state], stdout=file).returncode
    replayed = subprocess.run([WEIR, "replay", capture, "--format", "json"], capture_output=True, text=True).stdout.splitlines()
    hellos = [line for line in map(json.loads, replayed) if "source.address" in line]
    files = [os.stat(f"{state}/evidence.{i}.jsonl") for i in (0, 1)]
    unknown = subprocess.run([WEIR, "evidence", "f" * 32, "--state", state], capture_output=True, text=True)
    return {"sources": [one["source.address"] for one in found], "metric": metric, "code": code,
            "replayed": [anomaly for line in hellos for anomaly in line["anomalies"]],
            "from": sorted({line["source.address"] for line in hellos}),
            "modes": sorted({oct(status.st_mode & 0o7777) for status in files}), "owners": len({status.st_uid for status in files}),
            "unknown": unknown.returncode, "unknown_said": unknown.stderr}


STRANGERS = """
import socket, ssl, sys
first, count, server, port = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
out = ssl.MemoryBIO()
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
tls = context.wrap_bio(ssl.MemoryBIO(), out)
try:
    tls.do_handshake()
except ssl.SSLWantReadError:
    pass
hello, answered = out.read(), 0
for number in range(first, first + count):
    with socket.socket(socket.AF_INET6) as one:
        one.settimeout(5)
        one.setsockopt(socket.IPPROTO_IPV6, 78, 1)    # IPV6_FREEBIND
        one.bind((f"2001:db8:{0x8000 + number:x}::1", 0))
        one.connect((server, port))
        one.sendall(hello)
        try:
            answered += one.recv(1) == b"\\x16"
        except ConnectionResetError:
            print(number, file=sys.stderr)
print(answered)
"""


def strangers():
    """More sources than the agent remembers come once each, each from a network of its own; an attacker among them is told all the same."""
    client, count, bootstrap = stage(), 20_000, broker()
    client.sh("ip -6 route add local 2001:db8:8000::/33 dev lo")
    sh(f"ip -6 route add 2001:db8:8000::/33 via {CLIENT6} dev inner")
    agent = Agent("--interface", "inner", "--policy", policy(), "--kafka", bootstrap)

    def come(first, number):
        return int(client.run("python3", "-c", STRANGERS, str(first), str(number), SERVER6, str(PORT), timeout=120).stdout)
    answered = come(0, count - 500)
    attack = client.handshakes([CLIENT], 60)[CLIENT]
    answered += come(count - 500, 500)
    wait("all of them", lambda: agent.metric("weir_agent_anomalous_total") >= count + 60, 30)
    last = everywhere(agent)
    wait("the broker", lambda: sums(accounts(agent), "waiting", "under_way") == 0)
    events = [json.loads(value) for _, _, _, kind, value in consume(bootstrap) if kind == "dev.weir.throttle-event.v1"]
    his = [event["counts"] for event in events if event["source.prefix"] == f"{CLIENT}/32"]
    return {**last, "count": count, "answered": answered, "crowd": len({event["source.prefix"] for event in events}) - 1,
            "his_seen": sum(counts["seen"] for counts in his), "his_reset": sum(counts["reset"] for counts in his),
            "failed": attack["attempted"] - len(attack["spans"]), "misfits": misfits(agent), "code": agent.stop()}


if __name__ == "__main__":
    main(globals())

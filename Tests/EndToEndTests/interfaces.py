"""Which interfaces a node watches, and what becomes of that when they and their routes come and go, and others have their hands on them.

usage: as stage.py
"""
import fcntl
import resource

import stage as base
from stage import *


def free_network():
    sh("ip link set lo up")


def veths(first, last, prefix="v"):
    lines = "".join(f"link add {prefix}{i} type veth peer name {prefix}{i + 1}\n" for i in range(first, last, 2))
    links.update(f"{prefix}{i}" for i in range(first, last))
    sh("ip -batch -", input=lines)


def pair(name, *addresses):
    links.update((name, f"{name}p"))
    sh(f"ip link add {name} type veth peer name {name}p && ip link set {name} up && ip link set {name}p up")
    for address in addresses:
        sh(f"ip addr add {address} dev {name} {'nodad' if ':' in address else ''}")


def page(agent, path):
    """A page's status and text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{agent.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()


def many():
    """500 interfaces with a soft limit of 1,024 open files, and 200 that come while it runs."""
    free_network()
    veths(0, 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    def expedited(): return open("/sys/kernel/rcu_expedited").read().strip() == "1"
    before = open("/sys/kernel/rcu_expedited").read()
    # Killed while the switch is on, as near as that can be met.
    killed = Agent("--interface", "v*", ready=False)
    wait("the switch", lambda: expedited() or killed.process.poll() is not None)
    killed.process.kill()
    killed.process.wait()
    wait("the switch to be off", lambda: not expedited())
    agent = Agent("--interface", "v*")
    status, ready = agent.status, page(agent, "/readyz")
    programs = {hook: len(found) for hook, found in attached("v499").items()}
    veths(500, 700)
    wait("700 interfaces", lambda: len(agent.status["interfaces"]) == 700)
    named = agent.get("/metrics").count("weir_agent_interface_attached{")
    veths(700, 1100)    # more than may have a line each
    wait("1,100 interfaces", lambda: agent.metric("weir_agent_interfaces") == 1100)
    code, switch = agent.stop(), wait("the switch to be what it was", lambda: open("/sys/kernel/rcu_expedited").read() == before)
    return {"first": len(status["interfaces"]), "failed": len(status["failed"]), "ready": ready[1], "programs": [str(count) for count in programs.values()], "named": named, "code": code,
            "switch": switch, "lines": len(agent.said.splitlines())}


def retried():
    """Too few open files for all: some are watched, the agent says which are not, and tries again until there is room."""
    free_network()
    veths(0, 100)
    base.AGENT_WORDS[:] = ["sh", "-c", 'ulimit -n 260 && exec "$0" "$@"', AGENT]
    agent = Agent("--interface", "v*")
    first, ready, metrics = agent.status, page(agent, "/readyz"), agent.get("/metrics")
    sh("ip -batch -", input="".join(f"link del v{i}\n" for i in range(0, 80, 2)))
    links.difference_update(f"v{i}" for i in range(80))
    wait("the others", lambda: page(agent, "/readyz")[0] == 200, 60)
    return {"all": len(first["interfaces"]) + len(first["failed"]), "watched": len(first["interfaces"]), "ready": ready[0], "why": ready[1], "zeros": sum(1 for line in metrics.splitlines() if line.startswith("weir_agent_interface_attached{") and line.endswith(" 0")),
            "last": agent.status["interfaces"], "errors": agent.said.count(" error: "), "code": agent.stop()}


def slow():
    """Where the machine's switch is not ours: the rest is attached while the loop runs, and the end does not wait for the kernel."""
    free_network()
    veths(0, 160)
    # A mount namespace of its own, in which /sys cannot be written.
    base.AGENT_WORDS[:] = ["unshare", "-m", "sh", "-c", 'mount -o remount,ro,bind /sys && exec "$0" "$@"', AGENT]
    agent = Agent("--interface", "v*")
    first, ready = agent.metric("weir_agent_interfaces"), page(agent, "/readyz")
    wait("all of them", lambda: page(agent, "/readyz")[0] == 200, 60)
    last = agent.metric("weir_agent_interfaces")
    code = agent.stop()
    # The process is gone; the kernel lets go behind it.
    wait("the last of them", lambda: not left_behind(), 60)
    return {"first": int(first), "unready": ready[0], "why": ready[1], "last": int(last), "code": code, "said": agent.said}


def uplinks():
    """Multipath, a second table, a next hop object, IPv6; then routes that go and come."""
    free_network()
    for number, name in enumerate(("up1", "up2", "up3", "up4", "up5", "way", "pod")):
        pair(name, f"10.0.{number}.1/24", f"2001:db8:{number}::1/64")
    sh("ip route add default nexthop via 10.0.0.2 dev up1 nexthop via 10.0.1.2 dev up2")
    sh("ip route add default via 10.0.2.2 dev up3 table 100")
    sh("ip -6 route add default via 2001:db8:3::2 dev up4")
    sh("ip nexthop add id 7 via 10.0.4.2 dev up5 && ip route add default nhid 7 table 200")
    sh("ip route add 192.0.2.0/24 via 10.0.5.2 dev way")
    agent = Agent()
    first = agent.status
    sh("ip route del default; ip route del default table 100; ip -6 route del default")
    sh("ip route add default via 10.0.6.2 dev pod")
    wait("the new route's", lambda: "pod" in agent.status["interfaces"])
    kept = agent.status["interfaces"]
    sh("ip link del up2")
    wait("up2 to go", lambda: "up2" not in agent.status["interfaces"])
    doctor, of_agent = weir("doctor"), weir("doctor", "--port", str(agent.port))
    return {"agent": of_agent, "first": first["interfaces"], "unwatched": [f"{u['interface']}: {u['why']}" for u in first["unwatched"]], "kept": kept, "left_over": agent.status["interfaces"],
            "said": agent.said, "doctor": doctor, "code": agent.stop()}


BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]


def bpf(command, attributes):
    buffer = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    done = ctypes.CDLL(None, use_errno=True).syscall(BPF, command, buffer, 128)
    if done < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command})")
    return done


def foreign_program(verdict, name=b"foreign"):
    """A program that does nothing but end the chain so."""
    instructions = struct.pack("=BBhi", 0xb7, 0, 0, verdict) + struct.pack("=BBhi", 0x95, 0, 0, 0)
    code, licence = ctypes.create_string_buffer(instructions, len(instructions)), ctypes.create_string_buffer(b"GPL")
    # union bpf_attr, as BPF_PROG_LOAD has it: type, count, code, licence, log, version, flags, name.
    return bpf(5, struct.pack("=IIQQIIQII16s", 3, 2, ctypes.addressof(code), ctypes.addressof(licence), 0, 0, 0, 0, 0, name))


def foreign_link(name, kind, program):
    return bpf(28, struct.pack("=IIII", program, socket.if_nametoindex(name), kind, 0))


def in_front():
    """Somebody's TCX programs that end the chain stand on both hooks before the agent comes."""
    client = stage()
    program = foreign_program(0)
    held = [foreign_link("inner", kind, program) for kind in (46, 47)]
    agent = Agent("--interface", "inner", "--policy", policy())
    programs = attached("inner")
    got = client.handshakes([CLIENT], 8)[CLIENT]
    status = agent.settled(8)
    said, code = agent.said, agent.stop()
    doctor = weir("doctor", "--interface", "inner")
    for link in held:
        os.close(link)
    return {"ingress": programs["ingress"], "egress": programs["egress"], "most": most_in_a_second(got["spans"]), "seen": status["counters"]["handshakes_seen"], "said": said, "doctor": doctor, "code": code}


def not_first():
    """A filter of another kind has the first priority of clsact: the kernel lets nobody before it."""
    stage()
    sh("tc qdisc add dev inner clsact && tc filter add dev inner ingress prio 1 protocol all u32 match u8 0 0 classid 1:1")
    agent = Agent("--interface", "inner", "--policy", policy(), "--attach", "clsact")
    said, ours, doctor = agent.said, filters("inner", "ingress"), weir("doctor", "--interface", "inner")
    code = agent.stop()
    foreign = "u32" in sh("tc filter show dev inner ingress")
    sh("tc qdisc del dev inner clsact")
    return {"said": said, "filters": ours, "doctor": doctor, "foreign": foreign, "code": code}


def detach(link_id):
    """As `bpftool link detach` does; Debian's knows no TCX."""
    descriptor = bpf(30, struct.pack("=I", link_id))
    bpf(34, struct.pack("=I", descriptor))
    os.close(descriptor)


def links_of(agent):
    """Ids of the links that it holds."""
    folder = f"/proc/{agent.process.pid}/fdinfo"
    said = [open(f"{folder}/{name}").read() for name in os.listdir(folder)]
    return [int(line.split()[1]) for text in said for line in text.splitlines() if line.startswith("link_id:")]


def hands():
    """What somebody takes away from either kind of hook is put back; a second agent that is refused takes nothing."""
    client = stage()
    agent = Agent("--interface", "inner", "--policy", policy())
    # By the agent's own descriptors: another namespace has interfaces of the same index, and another test's agent on them.
    for number in links_of(agent):
        detach(number)
    gone = attached("inner")
    wait("the links", lambda: attached("inner") == {"ingress": ["limiter"], "egress": ["limiter_out"]}, 10)
    wait("the count", lambda: agent.metric("weir_agent_attachments_put_back_total") == 1)
    tcx = {"gone": gone["ingress"] + gone["egress"], "said": agent.said, "code": agent.stop()}

    options = ("--interface", "inner", "--policy", policy(), "--attach", "clsact")
    agent = Agent(*options)
    second = subprocess.run([AGENT, "--listen", f"127.0.0.1:{agent.port}", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
    after_second = filters("inner", "ingress") + filters("inner", "egress")
    sh("tc filter del dev inner ingress")
    wait("the filter", lambda: filters("inner", "ingress") == ["limiter"], 10)
    sh("tc qdisc del dev inner clsact")
    wait("the qdisc", lambda: filters("inner", "ingress") + filters("inner", "egress") == ["limiter", "limiter_out"], 10)
    wait("the count", lambda: agent.metric("weir_agent_attachments_put_back_total") == 2)
    got = client.handshakes([CLIENT], 8)[CLIENT]
    code = agent.stop()
    return {"tcx_gone": tcx["gone"], "tcx_said": tcx["said"], "refused": second.returncode, "why": second.stderr, "after_second": after_second, "most": most_in_a_second(got["spans"]),
            "failed": len(got["errors"]), "said": agent.said, "code": code, "qdisc": "clsact" in sh("tc qdisc show dev inner")}


def two():
    """Two agents on one interface, by either method."""
    stage()
    result = {}
    for method in ("tcx", "clsact"):
        first = Agent("--interface", "inner", "--policy", policy(), "--attach", method, "--node", "first")
        second = Agent("--interface", "inner", "--policy", policy(), "--attach", method, "--node", "second")
        wait("both", lambda: "another agent" in first.said and "another agent" in second.said)
        both = filters("inner", "ingress") if method == "clsact" else attached("inner")["ingress"]
        first.stop()
        left = filters("inner", "ingress") if method == "clsact" else attached("inner")["ingress"]
        second.stop()
        result[method] = {"first": first.said, "second": second.said, "both": both, "left": left}
    return result


def tun(name, kind=None):
    """A device without Ethernet headers; with a kind, it says that it is one of those."""
    links.add(name)
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x1001))
    if kind:
        fcntl.ioctl(device, 0x400454cd, kind)
    sh(f"ip link set {name} up")
    return device


def kinds():
    """A tunnel is attached to; a kind that we cannot read is refused, loudly when it was asked for."""
    free_network()
    held = [tun("tun0"), tun("can0", 280)]
    agent = Agent("--interface", "*0")
    status = agent.status
    pair("late0")
    wait("late0", lambda: "late0" in agent.status["interfaces"])
    said, code = agent.said, agent.stop()
    refused = subprocess.run([AGENT, "--listen", "127.0.0.1:0", "--interface", "can0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
    # A device of tun goes with its descriptor.
    for device in held:
        os.close(device)
    return {"interfaces": status["interfaces"], "said": said, "code": code, "refused": refused.returncode, "why": refused.stderr}


def readiness():
    """Ready is who watches, and knows the topic."""
    free_network()
    pair("a0")
    alone = Agent("--interface", "a0")
    well = page(alone, "/readyz")
    sh("ip link del a0")
    wait("a0 to go", lambda: page(alone, "/readyz")[0] == 503)
    nothing, gauges = page(alone, "/readyz"), (alone.metric("weir_agent_ready"), alone.metric("weir_agent_interfaces"))
    pair("a0")
    wait("a0 again", lambda: page(alone, "/readyz")[0] == 200)
    alone.stop()
    away = Agent("--interface", "a0", "--kafka", "127.0.0.1:1")
    unread = page(away, "/readyz")
    away.stop()
    sh("ip addr add 10.0.0.1/32 dev lo")
    kafka = ("--kafka", broker())
    weir("limits", "add", "203.0.113.1", *kafka)
    reader = Agent("--interface", "a0", *kafka)
    wait("the topic", lambda: page(reader, "/readyz")[0] == 200)
    return {"well": well[1], "nothing": nothing[1], "gauges": [str(g) for g in gauges], "unread": unread[1], "code": reader.stop()}


def kept_limits():
    """The topic's limits outlive agent and broker; a topic that no longer has one frees it."""
    client = stage()
    state = ("--state", f"{HOME.name}/state")
    options = ("--interface", "inner", "--policy", policy(), *state)
    first_broker = broker()
    weir("limits", "add", "203.0.113.0/24", "--per-second", "1", "--for", "1h", "--kafka", first_broker)
    first = Agent(*options, "--kafka", first_broker)
    wait("the limit", lambda: first.metric("weir_agent_limits_held") == 1)
    # A transaction of the spool is a tenth of a second.
    wait("the disk", lambda: b"203.0.113.0/24|all" in open(f"{state[1]}/spool.sqlite3-wal", "rb").read())
    first.process.kill()
    first.process.wait()
    # Nobody answers, and the very first frames are limited. Side by side, so that the time that a busy machine takes is none between them.
    second = Agent(*options, "--kafka", "127.0.0.1:1")
    held, ready = second.metric("weir_agent_limits_held"), page(second, "/readyz")
    got = client.at_once(6, *NAMED["openssl"])
    said = second.said
    second.stop()
    next_broker = broker()
    weir("limits", "add", "192.0.2.0/24", "--kafka", next_broker)
    third = Agent(*options, "--kafka", next_broker)
    wait("the topic", lambda: page(third, "/readyz")[0] == 200)
    after, free = third.metric("weir_agent_limits_held"), client.handshakes([CLIENT], 4, name="shop.example")[CLIENT]
    third.stop()
    fourth = Agent(*options, "--kafka", "127.0.0.1:1")
    last = fourth.metric("weir_agent_limits_held")
    # What has ended is not kept either; and dead DNS holds up no end.
    fourth.stop()
    deaf = Agent("--interface", "inner", "--kafka", "no-such-broker.invalid:9092")
    return {"held": int(held), "ready": ready[0], "most": got["most"], "failed": 6 - got["succeeded"], "said": said, "after": int(after), "free": len(free["spans"]), "last": int(last), "code": deaf.stop()}


def take_over():
    """A new agent takes a running one's port, spool and interfaces, under an attack that gets three a second from both together; the old one goes on when the new one ends."""
    client = stage()
    bootstrap = broker()
    weir("limits", "add", "192.0.2.0/24", "--kafka", bootstrap)
    options = ("--interface", "inner", "--policy", policy(), "--state", f"{HOME.name}/state", "--kafka", bootstrap, "--node", "n")
    old = Agent(*options)
    wait("the topic", lambda: page(old, "/readyz")[0] == 200)
    attack = client.attack(CLIENT, 2000)
    counts = []
    new = Agent(*options, "--take-over", listen=old.port, ready=False)
    while "stands by" not in old.said:
        counts.append(len(attached("inner")["ingress"]))
        if new.process.poll() is not None:
            raise SystemExit(new.said)
        time.sleep(0.02)
    counts.append(len(attached("inner")["ingress"]))
    spans = json.loads(attack.communicate("stop\n", timeout=20)[0].splitlines()[-1])["spans"]
    wait("the new one", lambda: page(new, "/readyz")[0] == 200)
    third = subprocess.run([AGENT, "--listen", f"127.0.0.1:{old.port}", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
    new.process.kill()
    new.process.wait()
    wait("the old one", lambda: "this one goes on" in old.said and page(old, "/readyz")[0] == 200)
    again = limited_again(client)
    # An orderly way: the old one ends while it stands by, and takes nothing along.
    last = Agent(*options, "--take-over", listen=old.port, ready=False)
    wait("the old one to stand by", lambda: old.said.count("stands by") == 2)
    code = old.stop()
    wait("the last", lambda: page(last, "/readyz")[0] == 200)
    kept = attached("inner")["ingress"]
    return {"unwatched": sum(1 for count in counts if count == 0), "both": counts.count(2), "last_count": counts[-1], "most": most_in_a_second(spans), "refused": third.returncode,
            "again": most_in_a_second(again["spans"]), "again_failed": len(again["errors"]), "old": old.said, "new": new.said, "code": code, "kept": kept, "end": last.stop()}


def one_way():
    """Clients come in by a watched interface, and the answers leave by one that is not watched; then by the same one again."""
    client = stage()
    link("other", 2, client.holder.pid)
    client.sh("ip link set otherc up")
    sh("ip route replace 203.0.113.0/24 dev other metric 0")
    agent = Agent("--interface", "inner", "--policy", policy(extra="  ports: [443, 8443]\n"))

    def echo():
        listener = socket.create_server((SERVER, 8443))
        while True:
            connection = listener.accept()[0]
            with connection:
                while data := connection.recv(64):
                    connection.sendall(data)
    threading.Thread(target=echo, daemon=True).start()
    # One byte each way in turn: each is a segment of its own.
    turns = f"import socket; s = socket.create_connection(('{SERVER}', 8443), 5); s.settimeout(5); [(s.sendall(b'x'), s.recv(1)) for _ in range(600)]; print('ok')"

    def until(found):
        said = []

        def exchanged():
            said.append(client.run(sys.executable, "-c", turns).stdout.decode().strip())
            return found(agent.status["one_way"])
        wait("the direction", exchanged, 60)
        return all(line == "ok" for line in said)
    answered = until(lambda ways: ways)
    ways, metrics, doctor = agent.status["one_way"], agent.get("/metrics"), weir("doctor", "--interface", "inner", "--port", str(agent.port), code=3)
    sh("ip route del 203.0.113.0/24 dev other metric 0")
    answered = until(lambda ways: not ways) and answered
    gauges = [line for line in metrics.splitlines() if line.startswith(("weir_agent_interface_one_way{", "weir_agent_interface_segments_total{"))]
    return {"answered": answered, "ways": ways, "gauges": gauges, "doctor": doctor, "said": agent.said, "code": agent.stop()}


if __name__ == "__main__":
    main(globals())

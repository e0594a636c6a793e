"""What the real agent still is once it is attached: its user, capabilities, filter and files, and that everything goes on under them.

usage: as stage.py
"""
import contextlib
import stat

from interfaces import page
from stage import *

FIELDS = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")


def status(path):
    lines = dict(line.split(":", 1) for line in open(path).read().splitlines())
    return " ".join(f"{field}={','.join(lines[field].split())}" for field in FIELDS)


def threads(process):
    """What the threads are: one line for each kind."""
    kinds = set()
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        # The Kafka clients' threads end when they like; what has ended meanwhile has no rights.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            kinds.add(status(f"/proc/{process.pid}/task/{thread}/status"))
    return sorted(kinds)


def children(process):
    """The same of its children; the kernel lists those of each thread."""
    found = []
    for thread in os.listdir(f"/proc/{process.pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += open(f"/proc/{process.pid}/task/{thread}/children").read().split()
    return sorted(status(f"/proc/{child}/status") for child in found)


def files(folder):
    """Owner and mode of a directory and of what is in it."""
    return [f"{os.path.relpath(path, HOME.name)} {found.st_uid} {stat.S_IMODE(found.st_mode):o}"
            for path in sorted([folder, *(os.path.join(folder, name) for name in os.listdir(folder))]) for found in [os.stat(path)]]


def refused(those):
    """What the kernel's log says that these were refused: nothing that they need may be missing from the list."""
    log = subprocess.run(["dmesg"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return [line for line in log.splitlines() if "type=1326" in line and any(f" pid={process.pid} " in line for process in those)]


ASKS = """
import socket, sys
asker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
asker.bind("\\0weir-agent/00beef")
asker.settimeout(10)
name = next(line.split("@")[1].strip() for line in open("/proc/net/unix") if "@weir-agent/" in line and "00beef" not in line)
for verb in ("yield", "watching"):
    asker.sendto(f"{verb}\\nliar\\n{sys.argv[1]}\\n".encode(), "\\0" + name)
print(asker.recv(65536).decode().split("\\n")[0])
"""


def ask_for_place(agent, *become):
    """Asks the agent for its place and then for what it watches; what it answers first."""
    return subprocess.run([*become, sys.executable, "-c", ASKS, f"127.0.0.1:{agent.port}"], stdout=subprocess.PIPE, text=True, timeout=20).stdout.strip()


def descriptors(process):
    return [os.readlink(f"/proc/{process.pid}/fd/{number}") for number in os.listdir(f"/proc/{process.pid}/fd")]


def late_ones(agent, client):
    """Interfaces that come now, more than a burst, the first of them with a client."""
    links.update(f"late{number}" for number in range(10))
    for number in range(1, 10):
        links.add(f"other{number}")
        sh(f"ip link add late{number} type veth peer name other{number}")
    sh(f"ip link add late0 type veth peer name late0c netns {client.holder.pid} && ip link set late0 up && ip addr add 192.0.2.1/24 dev late0")
    client.sh("ip link set late0c up; ip addr add 192.0.2.66/24 dev late0c")
    wait("ten more", lambda: all(f"late{number}" in agent.status["interfaces"] for number in range(10)))
    got = client.handshakes(["192.0.2.66"], 12, server="192.0.2.1")["192.0.2.66"]
    for number in range(10):
        sh(f"ip link del late{number}")
    wait("them to go", lambda: agent.status["interfaces"] == ["inner"])
    return got


def nobody():
    """A root's agent becomes nobody. State and policy lie where only root may go."""
    # A name, which a library looks up when the agent is nobody already.
    client, bootstrap = stage(), broker().replace("127.0.0.1", "localhost")
    trace, state = f"{HOME.name}/trace", f"{HOME.name}/state"
    switch = open("/sys/kernel/rcu_expedited").read()
    options = ("--interface", "inner", "--interface", "late*", "--policy", policy(), "--state", state, "--history-size", "4M", "--kafka", bootstrap, "--node", "n")
    agent = Agent(*options, "--startup-trace", trace)
    wait("the topic", lambda: page(agent, "/readyz")[0] == 200)
    seen = {"threads": threads(agent.process), "count": len(os.listdir(f"/proc/{agent.process.pid}/task")), "children": children(agent.process), "files": files(state), "trace": oct(os.stat(trace).st_mode & 0o777),
            "switch": sum(1 for name in descriptors(agent.process) if name == "/sys/kernel/rcu_expedited")}
    # Nobody else of that user can look into it.
    look = subprocess.run(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "cat", f"/proc/{agent.process.pid}/environ"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    asked = ask_for_place(agent, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    got = client.handshakes([CLIENT], 12)[CLIENT]
    wait("delivery", lambda: (agent.status["delivered"] or 0) >= 1)
    weir("limits", "add", "192.0.2.200", "--wait", "20s", "--kafka", bootstrap)
    late = late_ones(agent, client)
    policy("observe")
    wait("observe", lambda: agent.status["mode"] == "observe")
    policy("enforce", "  portz: [443]\n")
    wait("the refusal", lambda: "portz" in agent.said)
    policy("enforce")
    wait("enforce", lambda: agent.status["mode"] == "enforce")
    # Its place is taken, by one that ends at once; it goes on, with port, spool and interfaces.
    new = Agent(*options, "--take-over", listen=agent.port, ready=False)
    wait("the old one to stand by", lambda: "stands by" in agent.said or new.process.poll() is not None)
    wait("the new one", lambda: page(new, "/readyz")[0] == 200)
    both = {"new": threads(new.process), "old": threads(agent.process)}
    new.process.kill()
    new.process.wait()
    wait("the old one", lambda: "this one goes on" in agent.said and page(agent, "/readyz")[0] == 200)
    before = agent.status["delivered"] or 0
    again = limited_again(client)
    wait("delivery", lambda: (agent.status["delivered"] or 0) > before and agent.status["spooled"] == 0)
    words = ("rewind", "--policy", policy(), "--state", state, "--format", "json")
    judged = lambda: json.loads(weir(*words).splitlines()[-1])
    wait("its history", lambda: judged()["records"] > 24)
    rewound = judged()
    seen |= {"unknown_policies": rewound["unknown_policies"], "rewound": rewound["records"]}
    helpers = [int(child) for child in open(f"/proc/{agent.process.pid}/task/{agent.process.pid}/children").read().split()]
    code = agent.stop()
    wait("its child to end", lambda: not any(os.path.exists(f"/proc/{child}") and open(f"/proc/{child}/stat").read().split()[2] != "Z" for child in helpers))
    return {**seen, **both, "look": look.returncode, "asked": asked, "most": most_in_a_second(got["spans"]), "failed": len(got["spans"]) < 12, "late": most_in_a_second(late["spans"]), "late_failed": len(late["spans"]) < 12,
            "again": most_in_a_second(again["spans"]), "after": files(state), "refused": refused([one.process for one in agents]), "unchanged": wait("the switch to be what it was", lambda: open("/sys/kernel/rcu_expedited").read() == switch), "said": agent.said, "code": code}


def others():
    """Whom else it can become, and where it stays root."""
    # Without an address that is not loopback librdkafka asks no DNS.
    sh("ip link set lo up && ip addr add 10.0.0.1/32 dev lo")
    os.chmod(HOME.name, 0o755)
    state = f"{HOME.name}/state"
    agent = Agent("--interface", "lo", "--policy", policy(), "--user", "4711")
    seen = {"number": threads(agent.process), "children": len(children(agent.process)), "number_code": agent.stop()}
    agent = Agent("--interface", "lo", "--user", "root")
    seen |= {"root": threads(agent.process), "root_said": agent.said, "root_code": agent.stop()}
    # As a container starts it: root, with these capabilities and no others. The second time the directory is nobody's already.
    for name, bounds in (("bounded", "-all,+bpf,+net_admin,+perfmon,+setuid,+setgid,+chown"), ("older", "-all,+bpf,+net_admin,+perfmon")):
        AGENT_WORDS[:] = ["setpriv", f"--bounding-set={bounds}", f"--inh-caps={bounds}", AGENT]
        for turn in range(2):
            agent = Agent("--interface", "lo", "--policy", policy(), *(("--state", state, "--kafka", "broker.invalid:9092") if name == "bounded" else ()))
            if name == "bounded":
                wait("a name that nobody knows", lambda: "does not answer" in agent.said)
            seen |= {name: threads(agent.process), f"{name}_said": agent.said, f"{name}_code": agent.stop()}
    seen["files"] = files(state)
    refusals = {}
    for name, words in {"unknown": [AGENT, "--interface", "lo", "--user", "no-such-user"], "incapable": [*AGENT_WORDS, "--interface", "lo", "--user", "nobody"],
                        "not root": ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", AGENT, "--interface", "lo", "--user", "4711"]}.items():
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
        refusals[name] = f"{done.returncode} {done.stderr.strip()}"
    AGENT_WORDS[:] = [AGENT]
    return {**seen, "refused": refused([one.process for one in agents]), "refusals": refusals}


if __name__ == "__main__":
    main(globals())

"""Signed policies and the real agent, as nobody behind its filter: what it takes, what it refuses, and what runs after a kill.

usage: as stage.py
"""
import base64
import hashlib

from privilege import files, refused
from stage import *
from witness import misfits

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../manifests/schemas/policy-bundle.v1.schema.json")
KIND = "application/vnd.weir.policy-bundle.v1+json"


def key(name):
    weir("policy", "keygen", f"{HOME.name}/{name}")
    return f"{HOME.name}/{name}"


def written(name, mode, extra=""):
    path = f"{HOME.name}/{name}.yaml"
    with open(path, "w") as file:
        file.write(f"apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {{name: {name}}}\nspec:\n  mode: {mode}\n{extra}")
    return path


def signed(*words):
    """A bundle's document, from the real command."""
    return subprocess.run([WEIR, "policy", *words], stdout=subprocess.PIPE, check=True, timeout=30).stdout


def payload(document): return base64.b64decode(json.loads(document)["payload"])


def digest(document): return "sha256:" + hashlib.sha256(payload(document)).hexdigest()


def by_openssl(name, claims):
    """A bundle that Weir had no hand in: Python writes it and OpenSSL signs it."""
    body = json.dumps(claims).encode()
    with open(f"{HOME.name}/pae", "wb") as file:
        file.write(b"DSSEv1 %d %s %d " % (len(KIND), KIND.encode(), len(body)) + body)
    signature = subprocess.check_output(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", f"{name}.key", "-in", file.name])
    public = subprocess.check_output(["openssl", "pkey", "-in", f"{name}.key", "-pubout", "-outform", "DER"])[-32:]
    signatures = [{"sig": base64.b64encode(signature).decode(), "keyid": hashlib.sha256(public).hexdigest()[:16]}]
    return json.dumps({"payload": base64.b64encode(body).decode(), "payloadType": KIND, "signatures": signatures}, indent=2).encode()


def claims(sequence, mode, expires="2099-01-01T00:00:00Z", kind="policy"):
    text = f"apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {{name: theirs}}\nspec: {{mode: {mode}}}\n"
    return {"kind": kind, "policy": text, "canary_percent": 100, "schema": "weir.dev/policy-bundle/v1", "name": "theirs",
            "sequence": sequence, "signed": "2026-01-01T00:00:00Z", "expires": expires, "later": ["a member that nobody knows yet"]}


def put(name, document):
    """As a ConfigMap does: under another name first."""
    path = f"{HOME.name}/bundles/{name}"
    with open(path + ".new", "wb") as file:
        file.write(document)
    os.rename(path + ".new", path)


def running(agent): return (agent.status["bundles"]["running"] or {}).get("sequence")


def refusals(agent):
    found = re.findall(r'^weir_agent_bundles_refused_total\{reason="([a-z_]+)"\} ([0-9]+)$', agent.get("/metrics"), re.M)
    return {reason: int(count) for reason, count in found if count != "0"}


def directory():
    sh("ip link set lo up")
    # The directory is read by its name; the state lies where only root may go.
    os.chmod(HOME.name, 0o755)
    os.mkdir(f"{HOME.name}/bundles")
    os.mkdir(f"{HOME.name}/private", 0o700)
    state, shop, other = f"{HOME.name}/private/state", key("shop"), key("other")
    source, believed = ("--bundles", f"{HOME.name}/bundles"), ("--bundle-key", f"{shop}.pub")
    options = ("--interface", "lo", *source, *believed, "--bundle-floor", "2", "--state", state)
    agent = Agent(*options)
    before = {"none": agent.status["bundles"], "none_mode": agent.status["mode"]}
    first = signed("sign", "--key", f"{shop}.key", "--sequence", "5", written("first", "observe"))
    put("5.json", first)
    wait("the first", lambda: running(agent) == 5)
    put("6.json", by_openssl(shop, claims(6, "enforce")))
    wait("the second", lambda: running(agent) == 6 and agent.status["mode"] == "enforce")
    good = json.loads(signed("sign", "--key", f"{shop}.key", "--sequence", "7", written("third", "observe")))
    body = json.loads(base64.b64decode(good["payload"]))
    harder = json.dumps({**body, "policy": body["policy"].replace("observe", "enforce")}).encode()
    tampered = {**good, "payload": base64.b64encode(harder).decode()}
    bad = {"unsigned": json.dumps({**good, "signatures": []}).encode(), "bad_signature": json.dumps(tampered).encode(),
           "unknown_key": signed("sign", "--key", f"{other}.key", "--sequence", "7", f"{HOME.name}/third.yaml"),
           "older": signed("sign", "--key", f"{shop}.key", "--sequence", "6", f"{HOME.name}/third.yaml"),
           "below_floor": signed("sign", "--key", f"{shop}.key", "--sequence", "1", f"{HOME.name}/third.yaml"),
           "expired": by_openssl(shop, claims(7, "observe", expires="2026-01-02T00:00:00Z")), "too_large": b" " * (600 << 10),
           "not_parseable": by_openssl(shop, {**claims(7, "observe"), "policy": "spec: [\n"})}
    seen = {}
    for reason, document in bad.items():
        put(f"{reason}.json", document)
        wait(reason, lambda: refusals(agent).get(reason) == 1)
        seen[reason] = f"{running(agent)} {agent.status['mode']} {agent.status['bundles']['refused']['reason']}"
    misfit = misfits(agent)
    counted, lines = refusals(agent), [line for line in agent.said.splitlines() if "policy bundle refused" in line]
    status = weir("policy", "status", "--port", str(agent.port), code=1)
    agent.process.kill()
    agent.process.wait()
    # Nothing is there any more but what was kept.
    for name in os.listdir(f"{HOME.name}/bundles"):
        os.unlink(f"{HOME.name}/bundles/{name}")
    os.rmdir(f"{HOME.name}/bundles")
    again = Agent(*options)
    offline = {"offline": running(again), "offline_mode": again.status["mode"]}
    wait("word of the directory", lambda: "bundles: cannot be read: No such file or directory" in again.said)
    os.mkdir(f"{HOME.name}/bundles")
    put("5.json", first)
    wait("the old one", lambda: refusals(again).get("older") == 1)
    offline["still"] = running(again)
    put("7.json", json.dumps(good).encode())
    wait("the next one", lambda: running(again) == 7 and again.status["mode"] == "observe")
    kept = files(state)
    code = again.stop()
    wrong = {}
    for name, words in {"no key": source, "no source": believed, "private": [*source, "--bundle-key", f"{shop}.key"],
                        "both": [*source, *believed, "--policy", f"{HOME.name}/first.yaml"],
                        "unreadable": ["--bundles", f"{HOME.name}/private", *believed], "no broker": ["--bundle-topic", *believed]}.items():
        done = subprocess.run([AGENT, "--interface", "lo", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
        wrong[name] = f"{done.returncode} {done.stderr.strip()}"
    validate = "import json, sys, jsonschema; jsonschema.validate(json.load(sys.stdin), json.load(open(sys.argv[1])))"
    valid = subprocess.run([PYTHON, "-c", validate, SCHEMA], input=payload(first), stderr=subprocess.PIPE)
    show = [WEIR, "policy", "show", "--key", f"{shop}.pub", "-"]
    before["piped"] = subprocess.run(show, input=first, stdout=subprocess.PIPE).stdout.decode()
    return {**before, **offline, "seen": seen, "counted": [f"{reason} {count}" for reason, count in sorted(counted.items())],
            "lines": lines, "misfit": misfit, "status": status, "files": kept, "code": code, "wrong": wrong,
            "refused": refused([agent.process, again.process]), "valid": valid.stderr.decode()}


def place(document, node): return int.from_bytes(hashlib.sha256(f"{digest(document)}\n{node}".encode()).digest()[:8], "big") * 100 >> 64


def topic():
    sh("ip link set lo up")
    os.chmod(HOME.name, 0o755)
    bootstrap, shop, new, stranger = broker(), key("shop"), key("new"), key("stranger")
    kafka = ("--kafka", bootstrap)
    number = 0

    def publish(*words, by=shop):
        nonlocal number
        number += 1
        path = f"{HOME.name}/{number}.json"
        with open(path, "wb") as file:
            file.write(signed(*words))
        weir("policy", "publish", "--key", f"{by}.pub", *kafka, path)
        return file.name

    def status():
        """What every node says. The exit code is 1 as long as one of them has refused something since it took a bundle."""
        done = subprocess.run([WEIR, "policy", "status", "--format", "json", *kafka], stdout=subprocess.PIPE, text=True, timeout=30)
        rows = {row["node"]: row for row in map(json.loads, done.stdout.splitlines())}
        if done.returncode != any(row["bundles"] and row["bundles"]["refused"] for row in rows.values()):
            raise SystemExit(f"{done.returncode}: {done.stdout}")
        return rows

    def all_run(sequence):
        rows = status()
        return len(rows) == 2 and all((row["bundles"]["running"] or {}).get("sequence") == sequence for row in rows.values())

    # Which node is a canary is known before: the hash is of the bundle.
    half = signed("sign", "--key", f"{shop}.key", "--sequence", "2", "--canary", "50%", written("second", "enforce"))
    canary = next(f"node-{i}" for i in range(1000) if place(half, f"node-{i}") < 50)
    waiter = next(f"node-{i}" for i in range(1000) if place(half, f"node-{i}") >= 50)
    def node(name, *brokers):
        return Agent("--interface", "lo", "--bundle-topic", "--bundle-key", f"{shop}.pub", "--state", f"{HOME.name}/{name}", "--node", name,
                     *brokers)

    agents_of = {name: node(name, *kafka) for name in (canary, waiter)}
    publish("sign", "--key", f"{shop}.key", "--sequence", "1", written("first", "observe"))
    wait("the first on both", lambda: all_run(1))
    with open(f"{HOME.name}/half.json", "wb") as file:
        file.write(half)
    weir("policy", "publish", *kafka, file.name)

    def word(row, what): return (row["bundles"][what] or {}).get("sequence")

    # Each reports for itself.
    def both(rows): return rows if word(rows[canary], "running") == 2 and word(rows[waiter], "waiting") == 2 else None

    split = wait("the canary's word and the other's", lambda: both(status()))
    table = weir("policy", "status", *kafka)
    publish("promote", "--key", f"{shop}.key", file.name)
    wait("the promotion", lambda: all_run(3))
    # A stranger may write there; nobody takes it.
    publish("sign", "--key", f"{stranger}.key", "--sequence", "9", written("stranger", "observe"), by=stranger)
    wait("the refusals", lambda: all(refusals(agent).get("unknown_key") == 1 for agent in agents_of.values()))
    wait("their word of it", lambda: all(row["bundles"]["refused"] for row in status().values()))
    after = status()
    publish("sign", "--key", f"{shop}.key", "--sequence", "4", "--next-key", f"{new}.pub")
    publish("sign", "--key", f"{new}.key", "--sequence", "5", written("fifth", "observe"), by=new)
    wait("the next key's", lambda: all_run(5))
    publish("sign", "--key", f"{shop}.key", "--sequence", "10", written("tenth", "enforce"))
    wait("the old key's end", lambda: all(refusals(agent).get("unknown_key") == 2 for agent in agents_of.values()))
    weir("limits", "add", "192.0.2.7", "--wait", "15s", *kafka)
    codes = [agent.stop() for agent in agents_of.values()]
    lonely = node(canary, "--kafka", "127.0.0.1:1")
    first, second = split[canary]["bundles"]["running"], split[waiter]["bundles"]["running"]
    return {"canary": split[canary]["canary"], "canary_runs": first["sequence"], "waiter": split[waiter]["canary"],
            "waiter_runs": second["sequence"], "digest": first["digest"] == digest(half), "table": table,
            "modes": sorted({row["mode"] for row in after.values()}),
            "after": sorted({f"{row['bundles']['running']['sequence']} {row['bundles']['refused']['reason']}" for row in after.values()}),
            "steps": [json.loads(line)["step"] for line in open(f"{HOME.name}/{canary}/audit.jsonl")],
            "codes": [str(code) for code in codes], "lonely": running(lonely), "lonely_code": lonely.stop(),
            "refused": refused([one.process for one in agents])}


if __name__ == "__main__":
    main(globals())

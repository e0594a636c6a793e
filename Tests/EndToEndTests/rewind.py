"""A history that a real agent keeps as nobody, judged again after it was killed and after it was stopped; and an event verified.

usage: as stage.py
"""
import base64
import glob

from stage import *

PARTNER, SCANNER = "203.0.113.100", "203.0.113.101"


def kept(agent, outcome="kept"):
    name = f'weir_agent_history_records_total{{outcome="{outcome}"}}'
    return next((int(float(line.split()[-1])) for line in agent.get("/metrics").splitlines() if line.startswith(name)), 0)


def written(name, text):
    path = f"{HOME.name}/{name}.yaml"
    with open(path, "w") as file:
        file.write(f"apiVersion: weir.dev/v1alpha1\nkind: ThrottlePolicy\nmetadata: {{name: {name}}}\nspec:\n{text}")
    return path


def rewound(state, policy_path, *words, code=0):
    """The lines by kind: sources by address, the summary, and what is missing."""
    line = [WEIR, "rewind", "--policy", policy_path, "--state", state, "--format", "json", *words]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    if done.returncode != code:
        raise SystemExit(f"weir rewind {policy_path}: {done.returncode}, not {code}: {done.stdout}{done.stderr}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    sources = {line["source.address"]: line for line in lines if line["kind"] == "source"}
    return sources, lines[-1], [line for line in lines if line["kind"] == "missing"], [line for line in lines if line["kind"] == "workload"]


def changes(sources):
    return [f"{address} {line['change']}{' good' if line['good'] else ''}" for address, line in sorted(sources.items())]


def history():
    client, bootstrap, state = stage(others=3), broker(), f"{HOME.name}/state"
    words = ("--interface", "inner", "--policy", policy(), "--state", state, "--history-size", "8M", "--kafka", bootstrap,
             "--node", "first")
    agent = Agent(*words)
    client.handshakes([PARTNER], 5, name="shop.example")
    client.handshakes([SCANNER], 5, name="scan.example")
    attack = client.handshakes([CLIENT], 12)[CLIENT]
    agent.settled(22)
    wait("the records of 22 handshakes", lambda: kept(agent) >= 22)
    user = open(f"/proc/{agent.process.pid}/status").read().split("Uid:")[1].split()[1]
    count = kept(agent)
    # Torn wherever the thread was.
    agent.process.kill()
    agent.process.wait()
    files = [os.stat(path) for path in glob.glob(f"{state}/history.*")]

    same, _, _, _ = rewound(state, policy())
    nobody = written("nobody", "  detections: {missing_sni: {severity: med}}\n")
    milder, _, _, _ = rewound(state, nobody, "--good", PARTNER, "--good", CLIENT)
    served = "unknown_sni: {severity: high, serverNames: [shop.example], limit: {perSecond: 3}}"
    strict = written("strict", f"  detections: {{{served}}}\n")
    stricter, strict_summary, _, _ = rewound(state, strict, "--good", PARTNER)
    hurtful = written("hurtful", f"  detections: {{{served.replace('shop', 'other')}}}\n")
    partners = f"{HOME.name}/partners.txt"
    open(partners, "w").write(f"# ours\n{PARTNER}/32   # the shop's\n\n2001:db8:7::/48\n")
    hurt, hurt_summary, _, _ = rewound(state, hurtful, "--good", partners, code=1)
    target = "{workload: shop/web, match: {ports: [443]}, min: 1, max: 9, step: 2}"
    scaling = written("scaling", f"  scaleOut: {{window: 5m, moreThan: 1, targets: [{target}]}}\n")
    _, _, _, workloads = rewound(state, scaling)
    table = subprocess.run([WEIR, "rewind", "--policy", hurtful, "--state", state, "--good", PARTNER], capture_output=True, text=True)

    # The next agent goes on with it, and ends as it should; what lies between is told.
    second = Agent(*words)
    client.handshakes(["203.0.113.102"], 6)
    wait("its records", lambda: kept(second) >= 6)
    code = second.stop()
    after, _, missing, _ = rewound(state, policy())

    # Evidence: as it is, as a lie, and without.
    traces = [json.loads(line) for line in weir("evidence", "--state", state, "--format", "json").splitlines()]
    trace = next(one["trace_id"] for one in traces if one["source.address"] == CLIENT)
    verified = json.loads(weir("verify", trace, "--state", state, "--format", "json"))
    lines = [line for path in glob.glob(f"{state}/evidence.*.jsonl") for line in open(path)]
    line = json.loads(next(line for line in lines if trace in line))
    bare = f"{HOME.name}/event.json"
    json.dump({name: value for name, value in line.items() if name != "hello"}, open(bare, "w"))
    weir("verify", bare, "--state", state)
    alone = weir("verify", bare, code=4)
    whole = f"{HOME.name}/line.json"
    hello = bytearray(base64.b64decode(line["hello"]))
    json.dump(line, open(whole, "w"))
    weir("verify", whole)
    json.dump({**line, "tls.client.ja4": "t13d1516h2_8daaf6152771_e5627efa2ab1"}, open(whole, "w"))
    lie = weir("verify", whole, code=1)
    # Another suite in the hello: another fingerprint.
    at = 39 + hello[38] + 2
    hello[at:at + 2] = b"\xc0\x2c" if hello[at:at + 2] != b"\xc0\x2c" else b"\xc0\x2b"
    json.dump({**line, "hello": base64.b64encode(bytes(hello)).decode()}, open(whole, "w"))
    changed = weir("verify", whole, code=1)
    refusals = {}
    wrong = {"nothing": ("--state", HOME.name), "nowhere": ("--state", "/nowhere"), "no state": (),
             "good": ("--state", state, "--good", "nobody"), "until": ("--state", state, "--until", "yesterday"),
             "long ago": ("--state", state, "--until", "2020-01-01T00:00:00Z")}
    for name, options in wrong.items():
        refusals[name] = weir("rewind", "--policy", nobody, *options, code=2).strip().replace(HOME.name, "HOME")
    return {"user": user, "count": count, "modes": sorted({oct(one.st_mode & 0o7777) for one in files}),
            "owners": sorted({str(one.st_uid) for one in files}), "refused": len(attack["errors"]), "same": changes(same),
            "milder": changes(milder), "stricter": changes(stricter), "strict_good": strict_summary["good_limited"],
            "hurt": changes(hurt), "hurt_summary": hurt_summary,
            "scaled": [f"{one['workload']} {one['change']} {one['before']['decisions']}" for one in workloads],
            "table": table.stdout, "table_code": table.returncode, "code": code, "after": changes(after),
            "missing": [f"{one['node']} {one['cause']}" for one in missing], "verified": verified["agrees"], "alone": alone,
            "lie": lie, "changed": changed, "refusals": [f"{name}: {said}" for name, said in refusals.items()]}


def full_disk():
    """Somebody fills the disk: the history goes, all of it, and is counted; the agent goes on."""
    client, state = stage(), f"{HOME.name}/state"
    # In a mount namespace of our own: nobody else sees it.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x20000) != 0:    # CLONE_NEWNS
        raise SystemExit(os.strerror(ctypes.get_errno()))
    os.makedirs(state)
    sh(f"mount --make-rprivate / && mount -t tmpfs -o size=16m,mode=0777 weir-history-full {state}")
    agent = Agent("--interface", "inner", "--policy", policy(), "--state", state, "--history-size", "64M", "--kafka", broker())
    client.handshakes([CLIENT], 5)
    wait("its records", lambda: kept(agent) >= 5)
    before = len(glob.glob(f"{state}/history.*"))
    with open(f"{state}/ballast", "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            pass
    most = limited_again(client)
    wait("what was not written", lambda: kept(agent, "unwritten") > 0)
    after = len(glob.glob(f"{state}/history.*"))
    missed, said, code = kept(agent, "buffer_full"), agent.said, agent.stop()
    sh(f"umount --lazy {state}")
    return {"before": before, "after": after, "missed": missed, "limited": most_in_a_second(most["spans"]), "code": code, "said": said}


if __name__ == "__main__":
    main(globals())

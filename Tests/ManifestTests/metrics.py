"""docs/metrics.md, made from what agent and controller say of themselves.

usage: unshare -n python3 metrics.py PROGRAMS ROOT   prints the page
Both run for a moment, with a broker of their own. Metrics that only appear when something is wrong are taken from the sources.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

PROGRAMS, ROOT = sys.argv[1:3]
PAGES = ("agent", "controller", "archive")
HEAD = """# Metrics

What `/metrics` of each program says, in Prometheus' text format. The page is made by `make metrics-page`; a test compares it.
[operations.md](operations.md) says which of these wake somebody up.
"""


def wait(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if value := condition():
                return value
        except OSError:
            pass
        time.sleep(0.02)
    raise SystemExit(f"not within {seconds} s: {what}")


def get(port, path):
    return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=3).read().decode()


def told(text):
    """By name: kind, what it says, and the labels that it has."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name, words = line[7:].split(" ", 1)
            found[name] = ["", words, []]
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ", 1)
            found[name][0] = kind
        elif "{" in line:
            name = line.split("{", 1)[0]
            base = next((n for n in (name, re.sub(r"_(bucket|sum|count)$", "", name)) if n in found), None)
            for label in re.findall(r'([a-z_]+)="', line):
                if base and label != "le" and label not in found[base][2]:
                    found[base][2].append(label)
    return found


def written():
    """Those whose name and words stand in the sources as they are."""
    pattern = re.compile(r'\b(counter|gauge|count|histogram)\(\s*"(weir_[a-z0-9_]+)",\s*"((?:[^"\\]|\\.)*)"(.{0,200})', re.S)
    found = {}
    for folder, _, names in os.walk(f"{ROOT}/Sources/Programs"):
        for name in names:
            if name.endswith(".swift"):
                with open(os.path.join(folder, name)) as file:
                    for kind, metric, words, rest in pattern.findall(file.read()):
                        call = rest.split("\n\n")[0].split("\n        for ")[0]
                        labels = re.findall(r'\("([a-z_]+)", ', call.split("gauge(")[0].split("count(")[0])
                        found[metric] = ["gauge" if kind == "gauge" else "counter", words, labels]
    return found


def section(title, found):
    lines = [f"\n## {title}\n", "| name | kind | labels | what |", "|---|---|---|---|"]
    for name, (kind, words, labels) in sorted(found.items()):
        lines.append(f"| `{name}` | {kind} | {', '.join(f'`{label}`' for label in labels)} | {words.rstrip('.')} |")
    return "\n".join(lines) + "\n"


def main():
    subprocess.run(
        "ip link set lo up && ip addr add 10.0.0.1/32 dev lo && ip link add w0 type veth peer name w1 && ip link set w0 up && ip link set w1 up",
        shell=True,
        check=True,
    )
    home = tempfile.TemporaryDirectory(prefix="weir-metrics-")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    broker = subprocess.Popen([f"{PROGRAMS}/weir", "broker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    started = [broker]
    try:
        kafka = broker.stdout.readline().strip()
        agent = [
            f"{PROGRAMS}/weir-agent",
            "--kafka",
            kafka,
            "--interface",
            "w0",
            "--node",
            "node",
            "--state",
            f"{home.name}/state",
            "--history-size",
            "4M",
            "--mode",
            "enforce",
        ]
        started.append(subprocess.Popen([*agent, "--user", "root"], **quiet))
        started.append(subprocess.Popen([f"{PROGRAMS}/weir-controller", "--kafka", kafka, "--grpc", "127.0.0.1:0"], **quiet))
        archive = [f"{PROGRAMS}/weir-archive", "--kafka", kafka, "--archive", f"{home.name}/archive"]
        started.append(subprocess.Popen(archive, **quiet))
        pages = []
        for port in (9740, 9741, 9743):
            wait(f"port {port}", lambda: get(port, "/readyz"))
            pages.append(told(get(port, "/metrics")))
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()
    for name, row in written().items():
        pages[next((at for at, page in enumerate(pages) if name.split("_")[1] == PAGES[at]), 0)].setdefault(name, row)
    print(HEAD + "".join(section(f"weir-{program}", page) for program, page in zip(PAGES, pages)), end="")


main()

"""What the tree says of itself, held against the tree.

usage: tidy.py CHECK ROOT   prints a line for each thing that is not so; the names of the checks are the functions' below
       tidy.py list ROOT    prints exceptions.tsv anew: it may only become shorter
"""

import collections
import functools
import json
import os
import re
import subprocess
import sys
import tempfile

ROOT = sys.argv[2] if len(sys.argv) > 2 else "."
FLOORS = ["System", "Core", "Adapters", "Programs"]
MOST_COLUMNS, MOST_LINES = 140, 350
# An adapter that is built on another one; nothing else crosses that floor.
BUILT_ON = {("Envoy", "GRPC"), ("KEDA", "GRPC"),
            ("Kubernetes", "JSON"), ("Archive", "JSON"), ("Kubernetes", "Requests"), ("OTLP", "Requests"),
            ("Evidence", "JSON"), ("BPF", "Probe"), ("Bundles", "JSON"), ("Bundles", "PolicyFile")}
# The simulation is no product: it makes its hellos as the tests do.
FOR_TESTS = {("Simulation", "Support")}
# Modules that handle the kernel's records and map entries. To talk of addresses and anomalies takes no C layout.
BRIDGED = {"AgentCore", "Fingerprints", "Probe", "BPF", "weir-agent", "weir", "Simulation"}
# C modules that several use: plain types and constants, or the platform itself.
SHARED = {"CWire", "CLinux"}
# Where options are declared; the parser adds --help and --version.
COMMANDS = ("Sources/Adapters/Arguments/", "Sources/Programs/Commands/", "Sources/Programs/WeirCommands/")
PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
# Programs of others that the pages name, and their options.
OTHERS = re.compile(
    r"(kubectl|kafka-[a-z-]+\.sh|apt|docker|podman|openssl|ip|nft|curl|tcpdump|swift|git|qemu\S*|clang|tshark|ethtool|setcap|systemctl|unshare|nsenter|pip|npx|envoy) "
)


def path(*parts):
    return os.path.join(ROOT, *parts)


def read(name):
    with open(path(name), errors="replace") as file:
        return file.read()


@functools.cache
def tracked():
    return [
        name
        for name in subprocess.run(
            ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.split("\n")
        if name and os.path.isfile(path(name))
    ]


def pages():
    return [name for name in tracked() if name in PAGES or name.startswith("docs/") and name.endswith(".md")]


@functools.cache
def targets():
    """Package.swift as the package manager reads it. In a folder of its own: a build may hold the lock of this one."""
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "Package.swift"), "w") as file:
            file.write(read("Package.swift"))
        done = subprocess.run(
            ["swift", "package", "--package-path", folder, "dump-package"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    if done.returncode:
        raise SystemExit(done.stderr[-500:])
    found = {}
    for target in json.loads(done.stdout)["targets"]:
        names = [(dependency.get("byName") or dependency.get("target"))[0] for dependency in target["dependencies"]]
        found[target["name"]] = (target.get("path") or "", names, target["type"])
    return found


def floor(folder):
    parts = folder.split("/")
    return FLOORS.index(parts[1]) if parts[0] == "Sources" and parts[1] in FLOORS else 0 if folder.startswith("bpf") else len(FLOORS)


@functools.cache
def imports():
    """(target, module) to the files that import it so."""
    found = collections.defaultdict(list)
    folders = sorted(((folder, name) for name, (folder, _, _) in targets().items()), reverse=True)
    for name in tracked():
        if not name.endswith(".swift"):
            continue
        owner = next((target for folder, target in folders if name.startswith(folder + "/")), None)
        for line in read(name).split("\n"):
            said = re.match(r"(?:@\w+(?:\(\w+\))? )*(?:(?:package|public|internal|fileprivate|private) )?import (?:\w+ )?(\w+)", line)
            if said:
                found[owner, said[1].replace("_", "-") if said[1].startswith("weir") else said[1]].append(name)
    return found


def floors():
    """A module imports only from floors below its own."""
    known = targets()
    for (target, module), files in imports().items():
        if module not in known or target not in known:
            continue
        above, below = floor(known[target][0]), floor(known[module][0])
        crosses = above == below == FLOORS.index("Adapters") and (target, module) not in BUILT_ON
        if (below > above or crosses) and (target, module) not in FOR_TESTS:
            yield f"{files[0]}: {target} imports {module}, which is not on a floor below it"
        if module == "Wire" and known[target][0].startswith("Sources/") and target not in BRIDGED:
            yield f"{files[0]}: {target} imports Wire; Units and Vocabulary are for modules that handle no record of the kernel's"


def dependencies():
    """Every dependency in Package.swift is imported by somebody."""
    for name, (folder, names, kind) in targets().items():
        if kind == "system" or not folder or not any(file.startswith(folder + "/") and file.endswith(".swift") for file in tracked()):
            continue
        for module in names:
            # A program that a test runs is a dependency, though nobody imports it.
            if (name, module) not in imports() and targets()[module][2] != "executable":
                yield f"Package.swift: {name} does not import {module}"


def importers():
    """Each C library stands behind one Swift module."""
    users = collections.defaultdict(set)
    for target, module in imports():
        if module in targets() and module.startswith("C") and module[1].isupper() and targets()[target][0].startswith("Sources/"):
            users[module].add(target)
    for module, names in sorted(users.items()):
        if len(names) > 1 and module not in SHARED:
            yield f"{module} has {len(names)} importers: {', '.join(sorted(names))}"


def sources():
    return [
        name for name in tracked() if name.endswith((".swift", ".c", ".h", ".py", ".sh")) or name in ("Makefile", ".ci/run", ".ci/deps")
    ]


def measured():
    """Of each file that is beyond a bound: its lines of more columns, and its lines if they are too many; 0 where it is within."""
    found = {}
    for name in sources():
        lines = read(name).split("\n")
        wide, long = sum(len(line) > MOST_COLUMNS for line in lines), len(lines) - 1
        if wide or long > MOST_LINES:
            found[name] = (wide, long if long > MOST_LINES else 0)
    return found


def exceptions():
    """Files are short and lines are not wide, but for a list that only becomes shorter."""
    listed = {}
    for line in read("Tests/TidyTests/exceptions.tsv").split("\n")[1:]:
        if line:
            name, wide, long = line.split("\t")
            listed[name] = (int(wide), int(long))
    now = measured()
    for name in sorted(listed.keys() | now.keys()):
        had, has = listed.get(name, (0, 0)), now.get(name, (0, 0))
        for what, before, after in (("lines of over %d columns" % MOST_COLUMNS, had[0], has[0]), ("lines", had[1], has[1])):
            if after > before:
                yield f"{name}: {after} {what}; at most {before or (MOST_LINES if what == 'lines' else 0)}"
            elif after < before:
                yield f"{name}: {after} {what}, fewer than exceptions.tsv lists ({before}): list it anew"


def formatted():
    """Swift looks as the toolchain's own formatter writes it (`make format`)."""
    words = ["swift", "format", "lint", "-r", "-p", "--strict", "--configuration", path(".swift-format")]
    done = subprocess.run([*words, path("Sources"), path("Tests"), path("bench")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield from sorted(set(re.sub(r":\d+:\d+: .*", ": make format", line) for line in done.stdout.split("\n") if line))


def quoted(text):
    """What stands in backticks outside of blocks, and the lines of blocks."""
    outside = re.sub(r"```.*?```", "", text, flags=re.S)
    blocks = "\n".join(re.findall(r"```[a-z]*\n(.*?)```", text, flags=re.S))
    blocks += "\n" + "\n".join(line[4:] for line in outside.split("\n") if line.startswith("    "))
    return re.findall(r"`([^`\n]+)`", outside), blocks.split("\n")


def anchors(text):
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", text, flags=re.M)}


def links():
    """Every link of a page leads somewhere."""
    for page in pages():
        for link in re.findall(r"\]\(([^)\s]+)\)", read(page)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            to = os.path.normpath(os.path.join(os.path.dirname(page), name)) if name else page
            if not os.path.exists(path(to)):
                yield f"{page}: {link} does not exist"
            elif anchor and anchor not in anchors(read(to)):
                yield f"{page}: {to} has no heading #{anchor}"


def files():
    """Every file that a page names is there."""
    tops = "|".join(sorted({re.escape(name.split("/")[0]) for name in tracked() if "/" in name}))
    known = set(tracked()) | {
        os.path.dirname(name)[: end.start()] if end else os.path.dirname(name)
        for name in tracked()
        for end in [None, *re.finditer("/", os.path.dirname(name))]
    }
    for page in pages():
        words = set(re.findall(rf"(?<![\w./~<-])((?:{tops})/[\w./+-]*[\w/+])", read(page)))
        for word in sorted(words):
            word = word.rstrip("/")
            # `bpf/build` and the like are made; a brace or a star stands for several.
            if (
                word not in known
                and not word.startswith((".build", "bpf/build", "fuzz/build", ".deps"))
                and not any(name.startswith(word) for name in known)
            ):
                yield f"{page}: {word} does not exist"


def make():
    """Every target of make that a page names exists, and `make help` tells of it."""
    known = dict(re.findall(r"^([a-z-]+):(.*)$", read("Makefile"), flags=re.M))
    for page in pages():
        for target in set(re.findall(r"`make ([a-z-]+)", read(page))) | set(re.findall(r"^ {4}make ([a-z-]+)", read(page), flags=re.M)):
            if target not in known:
                yield f"{page}: make {target} does not exist"
    for target, rest in known.items():
        if "##" not in rest:
            yield f"Makefile: {target} says nothing of itself"


def macros():
    """Every macro and constant of the kernel's side that a page or a comment names exists."""
    c = "\n".join(read(name) for name in tracked() if name.startswith(("bpf/", "fuzz/")) and name.endswith((".h", ".c")))
    swift = "\n".join(read(name) for name in tracked() if name.endswith((".swift", ".py", ".sh")) or name == "Makefile")
    words = lambda text: set(re.findall(r"\bWEIR_[A-Z0-9_]+\b", text))
    code = words(re.sub(r"/\*.*?\*/|//[^\n]*", "", c, flags=re.S))
    variables = words("\n".join(line for line in swift.split("\n") if not line.lstrip().startswith("//")))
    for name in [*pages(), *(name for name in tracked() if name.startswith("bpf/"))]:
        for word in sorted(words(read(name)) - code - variables):
            # A prefix of several, such as WEIR_BIT_*.
            if not any(known.startswith(word) for known in code):
                yield f"{name}: {word} does not exist"


def options():
    """Every option of ours that a page names exists."""
    known = set(
        re.findall(
            r"--[a-z0-9-]+",
            "\n".join(
                read(name)
                for name in tracked()
                if name.startswith(COMMANDS)
                or name == "Package.swift"
                or name.startswith(("bench/", "fuzz/", "Sources/Programs/weir-sim"))
            ),
        )
    )
    known |= {
        "--" + word
        for word in re.findall(
            r'"([a-z0-9-]+)"', "\n".join(read(name) for name in tracked() if name.startswith(COMMANDS))
        )
    }
    for page in pages():
        spans, lines = quoted(read(page))
        for said in [*spans, *lines]:
            if OTHERS.search(said + " "):
                continue
            for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", said):
                if option not in known:
                    yield f"{page}: {option} does not exist"


def metrics():
    """Every metric that a page names is one of ours."""
    code = "\n".join(read(name) for name in tracked() if name.startswith("Sources/"))
    known = set(re.findall(r"weir_[a-z0-9_]+", code))
    for page in pages():
        for word in sorted(set(re.findall(r"\bweir_(?:agent|probe|controller|spool)_[a-z0-9_]+\b", read(page)))):
            base = re.sub(r"_(bucket|sum|count)$", "", word)
            if word not in known and base not in known and not any(word.startswith(prefix) and prefix.endswith("_") for prefix in known):
                yield f"{page}: {word} does not exist"


def figures():
    """Every figure of docs/performance.md stands below or beside the command that makes it."""
    command, heading = None, ""
    for number, line in enumerate(read("docs/performance.md").split("\n"), 1):
        if line.startswith("#"):
            command, heading = None, line
        if re.search(r"`(make|weir-bench|weir|\./)[ `]", line) or "Tests`" in line:
            command = line
        if line.startswith("| ") and re.search(r"\d", line) and not command:
            yield f"docs/performance.md:{number}: no command above or in it makes this figure ({heading})"


def provisions():
    """Whoever takes what a start-up's component has provided starts after all that borrow it, else these find nothing (`Provision`)."""
    for name in tracked():
        if not name.endswith("/Start.swift"):
            continue
        blocks = read(name).split("startup.add(")[1:]
        blocks[-1] = blocks[-1].split("startup.run()")[0]
        needs, makes, takers, borrowers = [], {}, [], []
        for at, block in enumerate(blocks):
            head = block.split("in\n" if "in\n" in block else "\n", 1)[0]
            needs.append(set(re.findall(r"[\w.]+", head.partition("requires:")[2].partition("provides:")[0])))
            makes.update({made: at for made in re.findall(r"[\w.]+", head.partition("provides: [")[2].partition("]")[0])})
            takers += [(at, one) for one in re.findall(r"([\w.]+)\.take\(\)", block)]
            borrowers += [(at, one) for one in re.findall(r"([\w.]+)\.(?:copy\b|lend\b)", block)]
        for taker, what in takers:
            before, left = set(), [taker]
            while left:
                left += (found := {makes[one] for one in needs[left.pop()] if one in makes} - before)
                before |= found
            for borrower, _ in ((at, one) for at, one in borrowers if one == what and at not in before | {taker}):
                yield f"{name}: a component takes {what}, which {blocks[borrower].split(',')[0]} borrows, and does not require that one"


CHECKS = [provisions, floors, dependencies, importers, exceptions, formatted, links, files, make, macros, options, metrics, figures]

if __name__ == "__main__":
    if sys.argv[1] == "list":
        print("file\tlines of over 140 columns\tlines, if over 350")
        for name, (wide, long) in sorted(measured().items()):
            print(f"{name}\t{wide}\t{long}")
    else:
        for line in {check.__name__: check for check in CHECKS}[sys.argv[1]]():
            print(line)

"""What Weir is made of and tested with: each component, its version, and the chain that brought it."""
import importlib.metadata
import os
import re
import subprocess
from dataclasses import dataclass, field

CAPTION = {
    "linked": "linked into a program", "inside": "compiled into a program",
    "kernel": "loaded into the kernel", "tests": "used by tests",
}


@dataclass
class Component:
    ecosystem: str          # deb, pypi, swift or weir
    name: str
    version: str
    use: str                # one of CAPTION
    chain: list             # names, from one of our programs to this
    needs: set = field(default_factory=set)     # other components' names
    programs: set = field(default_factory=set)  # ours that have it
    source: str = ""        # Debian's source package
    paths: list = field(default_factory=list)   # where its licence is told

    @property
    def key(self):
        return f"{self.ecosystem}:{self.name}"

    @property
    def purl(self):
        return {"deb": f"pkg:deb/debian/{self.name}@{self.version}?distro=debian-12", "pypi": f"pkg:pypi/{self.name}@{self.version}",
                "swift": f"pkg:generic/{self.name}@{self.version}", "weir": f"pkg:generic/{self.name}@{self.version}"}[self.ecosystem]


def run(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout


def needed(path):
    """Names of the libraries that this file asks the loader for (ELF's DT_NEEDED)."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", path))


def loaded(path):
    """Where the loader finds each library of a program, those of libraries too."""
    return dict(re.findall(r"^\s*(\S+) => (/\S+)", run("ldd", path), re.M))


def owners(paths):
    """(Debian package, version, source package) of each file that has one. A directory that became a link has two names.
    One question for all, because each reads the lists of all packages."""
    names = {name: path for path in paths for real in [os.path.realpath(path)] for name in (real, real.removeprefix("/usr"), "/usr" + real)}
    told = [line.split(": ") for line in run("dpkg", "-S", *names).splitlines() if ": " in line]
    packages = {names[name]: package for package, name in told if name in names}
    form = "${binary:Package}\t${Package}\t${Version}\t${source:Package}\n"
    told = run("dpkg-query", "-W", "-f", form, *sorted(set(packages.values()))) if packages else ""
    rows = [line.split("\t") for line in told.splitlines()]
    known = {key: row for full, *row in rows for key in (full, row[0])}
    return {path: tuple(known[package]) for path, package in packages.items() if package in known}


def swift_version():
    found = re.search(r"Swift version (\S+)", run("swift", "--version"))
    return found[1] if found else "unknown"


def of_programs(paths, version):
    """Our programs, Swift's run-time library, and Debian's packages that the loader brings, breadth first: a chain is the shortest."""
    all = {}
    all_loaded = {path: loaded(path) for path in paths}
    owned = owners({where for found in all_loaded.values() for where in found.values()})
    swift = Component("swift", "swift-runtime", swift_version(), "inside", [])
    for path in paths:
        program = Component("weir", os.path.basename(path), version, "inside", [os.path.basename(path)])
        program.programs = {program.name}
        all[program.key] = program
        found, waiting, seen = all_loaded[path], [(path, program)], set()
        while waiting:
            file, parent = waiting.pop(0)
            for library in needed(file):
                where = found.get(library)
                if not where or library.startswith("libswift"):     # the loader itself, or Swift's own library, which is below
                    continue
                package = owned.get(where)
                name, debian, source = package or (library, "unknown", "")
                one = all.setdefault(f"deb:{name}", Component("deb", name, debian, "linked", parent.chain + [name], source=source))
                one.paths = [f"/usr/share/doc/{name}/copyright"] if package else [where]
                one.programs.add(program.name)
                if one is not parent:
                    parent.needs.add(one.key)
                if library not in seen:
                    seen.add(library)
                    waiting.append((where, one))
        swift.chain = swift.chain or [program.name, swift.name]
        swift.programs.add(program.name)
        program.needs.add(swift.key)
    all[swift.key] = swift
    return list(all.values())


def of_kernel(version):
    return [Component("weir", "weir.bpf.o", version, "kernel", ["weir-agent", "weir.bpf.o"], programs={"weir-agent"})]


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def of_tests(site, wanted):
    """What the tests' Python environment holds: those that make deps asks for, and whatever they bring."""
    held = {canonical(d.metadata["Name"]): d for d in importlib.metadata.distributions(path=[site]) if d.metadata["Name"]}
    all, waiting = {}, [(canonical(name), ["tests"]) for name in wanted]
    while waiting:
        name, chain = waiting.pop(0)
        if name not in held or f"pypi:{name}" in all:
            continue
        one = Component("pypi", name, held[name].version, "tests", chain + [name], paths=[str(held[name]._path)])
        all[one.key] = one
        for line in held[name].requires or []:
            other = canonical(re.match(r"[\w.-]+", line)[0])
            if "extra ==" not in line and other in held:
                one.needs.add(f"pypi:{other}")
                waiting.append((other, one.chain))
    # What nobody asked for is there all the same.
    for name, distribution in held.items():
        if f"pypi:{name}" not in all:
            all[f"pypi:{name}"] = Component("pypi", name, distribution.version, "tests", ["tests", name], paths=[str(distribution._path)])
    return list(all.values())

"""What Weir is made of, as CycloneDX and SPDX, and whether each licence is one that we can keep.

licences sbom PROGRAM... --site DIR --out DIR      writes weir.cdx.json and weir.spdx.json
licences check PROGRAM... --site DIR               exits with 1 where a licence is refused, and says why and what to do
"""
import argparse
import glob
import json
import os
import re
import sys
import time

import components
import terms
import write

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
# Of the JA4 family JA4 alone is free (BSD-3-Clause); the others are under FoxIO's own licence, which forbids to sell what has them.
NOT_FREE = re.compile(r"(?<![A-Za-z0-9])(JA4(SSH|LS|TScan|TS|[SHLXTD])|ja4_?(ssh|ls|tscan|ts|[shlxtdSHLXTD]))6?(?![a-z0-9])")
WAYS_OUT = [
    (r"AGPL|SSPL", "take another component: who offers this one over a network owes everybody its source"),
    (r"FoxIO", "leave this fingerprint out; JA4 itself is under BSD-3-Clause, and JA3 is free"),
    (r"^GPL|[( ]GPL", "link another library, or run it as a program of its own and talk to that"),
    (terms.UNKNOWN, "read its licence and write what you conclude into .ci/licences/reviewed.tsv"),
    (r"", "read it: what we can keep belongs into .ci/licences/allowed.tsv, what is of files that we do not link into reviewed.tsv"),
]


def table(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("#")]


def wanted_wheels():
    with open(os.path.join(ROOT, ".ci", "deps"), encoding="utf-8") as file:
        return re.search(r"^wheels=\((.*?)\)", file.read(), re.M)[1].split()


def own_version():
    with open(os.path.join(ROOT, "Sources/Programs/Front/Version.swift"), encoding="utf-8") as file:
        return re.search(r'let version = "(.*?)"', file.read())[1]


def not_free_names(root):
    """Places in our own sources that compute a fingerprint which is not free."""
    for top in ("Sources", "bpf"):
        for path in sorted(glob.glob(os.path.join(root, top, "**", "*.*"), recursive=True)):
            if not path.endswith((".swift", ".c", ".h")):
                continue
            with open(path, encoding="utf-8", errors="replace") as file:
                for number, line in enumerate(file, 1):
                    found = NOT_FREE.search(line)
                    if found:
                        yield f"{os.path.relpath(path, root)}:{number}", found[0]


def refused(component, text, is_reviewed, allowed):
    kinds = {"everywhere", component.use}
    if terms.allows(text, {licence for licence, where in allowed if where in kinds}):
        return None
    way = next(way for pattern, way in WAYS_OUT if re.search(pattern, text))
    told = "as somebody concluded" if is_reviewed else "by its own files"
    head = f"{component.name} {component.version}: {text} ({told}), {components.CAPTION[component.use]}"
    return f"{head}\n  it came by {' > '.join(component.chain)}\n  a way out: {way}"


def main():
    parser = argparse.ArgumentParser(prog="licences", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sbom", "check"])
    parser.add_argument("programs", nargs="+", metavar="PROGRAM", help="built executables")
    parser.add_argument("--site", required=True, metavar="DIR", help="the tests' Python packages")
    parser.add_argument("--out", default=".", metavar="DIR", help="where the two documents go")
    parser.add_argument("--root", default=ROOT, metavar="DIR", help="the sources that are searched for fingerprints that are not free")
    options = parser.parse_args()
    missing = [path for path in options.programs + [options.site] if not os.path.exists(path)]
    if missing:
        parser.error(f"not there: {', '.join(missing)}; make build makes the programs, make deps the rest")
    version = own_version()
    all = components.of_programs(options.programs, version) + components.of_kernel(version)
    all += components.of_tests(options.site, wanted_wheels())
    all.sort(key=lambda component: (list(components.CAPTION).index(component.use), component.key))
    reviewed = {key: text for key, text, _ in table("reviewed.tsv")}
    found = {component.key: terms.of(component, reviewed) for component in all}
    if options.what == "sbom":
        os.makedirs(options.out, exist_ok=True)
        # SOURCE_DATE_EPOCH: builds that can be repeated byte by byte (reproducible-builds.org).
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
        for name, form in (("weir.cdx.json", write.cyclonedx), ("weir.spdx.json", write.spdx)):
            path = os.path.join(options.out, name)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(form(all, {key: text for key, (text, _) in found.items()}, version, when), file, indent=1)
                file.write("\n")
            print(f"{path}: {len(all)} components")
        return 0
    allowed = [row[:2] for row in table("allowed.tsv")]
    bad = [one for one in (refused(c, *found[c.key], allowed) for c in all) if one]
    for place, name in not_free_names(options.root):
        bad.append(f"{place}: {name} is of the part of the JA4 family that is not free\n  a way out: {WAYS_OUT[1][1]}")
    for one in bad:
        print(f"refused: {one}", file=sys.stderr)
    print(f"{len(all)} components, {len(bad)} refused")
    return 1 if bad else 0


sys.exit(main())

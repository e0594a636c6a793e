"""The bill of materials by two readers that are not ours, and a licence of each refused kind, planted: licences.py PROGRAMS ROOT"""
import glob
import json
import os
import subprocess
import sys
import sysconfig
import tempfile

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

programs, root = sys.argv[1:3]
ours = [f"{programs}/{name}" for name in ("weir", "weir-agent", "weir-archive", "weir-controller")]
site = sysconfig.get_path("purelib")
trouble = []


def licences(*arguments):
    done = subprocess.run([sys.executable, "-B", f"{root}/.ci/licences", *arguments], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def expect(holds, says):
    if not holds:
        trouble.append(says)


def is_refused(says, words, *arguments):
    code, told = licences("check", *arguments)
    expect(code == 1 and all(word in told for word in words), f"{says}: {code}\n{told}")


def wheel(folder, name, metadata):
    os.makedirs(f"{folder}/{name}-1.0.dist-info")
    with open(f"{folder}/{name}-1.0.dist-info/METADATA", "w", encoding="utf-8") as file:
        file.write(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}\n")


with tempfile.TemporaryDirectory() as folder:
    code, told = licences("check", *ours, "--site", site)
    expect(code == 0, f"ours: {code}\n{told}")

    code, told = licences("sbom", *ours, "--site", site, "--out", folder)
    expect(code == 0, told)
    with open(f"{folder}/weir.cdx.json", encoding="utf-8") as file:
        text = file.read()
    expect(not (error := JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)), f"CycloneDX: {error}")
    document = parse_file(f"{folder}/weir.spdx.json")
    expect(not (errors := validate_full_spdx_document(document)), f"SPDX: {[error.validation_message for error in errors]}")

    # Whatever the loader maps for a program is in both, and nothing is left without a licence.
    told = {one["name"]: one for one in json.loads(text)["components"]}
    expect({package.name for package in document.packages} == set(told), "the two name other components")
    expect("NOASSERTION" not in " ".join(one["licenses"][0]["expression"] for one in told.values()), "a component without a licence")
    mapped = {path for program in ours for path in subprocess.run(["ldd", program], capture_output=True, text=True).stdout.split()
              if path.startswith("/") and "swift" not in path and "ld-linux" not in path}
    names = [name for path in mapped for name in (os.path.realpath(path), os.path.realpath(path).removeprefix("/usr"))]
    found = subprocess.run(["dpkg", "-S", *names], capture_output=True, text=True).stdout.splitlines()
    owners = dict(line.split(": ")[::-1] for line in found)
    for path in mapped:
        real = os.path.realpath(path)
        owner = owners.get(real) or owners.get(real.removeprefix("/usr"), "")
        expect(owner.split(":")[0] in told, f"{path} is in no document")

    # GPL, linked: Python's own readline brings it.
    planted = glob.glob("/usr/lib/python3*/lib-dynload/readline*.so")[0]
    is_refused("GPL, linked", ["libreadline8", "GPL-3.0-or-later", f"{os.path.basename(planted)} > libreadline8", "link another"],
               *ours, planted, "--site", site)

    # AGPL, brought by something harmless; SSPL; one that says nothing; and GPL, which tests may have.
    wheel(f"{folder}/agpl", "harmless", "License: MIT\nRequires-Dist: copyleft (>=1)")
    wheel(f"{folder}/agpl", "copyleft", "Classifier: License :: OSI Approved :: GNU Affero General Public License v3")
    wheel(f"{folder}/agpl", "dpkt", "License: MIT\nRequires-Dist: harmless")
    is_refused("AGPL", ["copyleft 1.0", "AGPL-3.0-only", "tests > dpkt > harmless > copyleft", "a way out"],
               *ours, "--site", f"{folder}/agpl")
    wheel(f"{folder}/sspl", "store", "License: SSPL")
    is_refused("SSPL", ["store 1.0", "SSPL-1.0", "tests > store"], *ours, "--site", f"{folder}/sspl")
    wheel(f"{folder}/none", "silent", "")
    is_refused("no licence", ["silent 1.0", "NOASSERTION", "reviewed.tsv"], *ours, "--site", f"{folder}/none")
    wheel(f"{folder}/foxio", "ja4plus", "License: FoxIO License 1.1")
    is_refused("FoxIO's licence", ["ja4plus 1.0", "FoxIO"], *ours, "--site", f"{folder}/foxio")
    wheel(f"{folder}/gpl", "tool", "License-Expression: GPL-3.0-or-later")
    code, told = licences("check", *ours, "--site", f"{folder}/gpl")
    expect(code == 0, f"tests may have GPL: {told}")

    # A fingerprint of the family's other part in our sources.
    os.makedirs(f"{folder}/tree/Sources")
    with open(f"{folder}/tree/Sources/Server.swift", "w", encoding="utf-8") as file:
        file.write("func ja4s(_ hello: [UInt8]) -> String { \"\" }\n")
    is_refused("JA4S", ["Sources/Server.swift:1", "ja4s", "leave this fingerprint out"], *ours, "--site", site, "--root", f"{folder}/tree")

print("\n".join(trouble))
sys.exit(1 if trouble else 0)

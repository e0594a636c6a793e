"""Which licence a component is under: what somebody concluded who read it (reviewed.tsv), else what its own files say."""
import email.parser
import glob
import os
import re

UNKNOWN = "NOASSERTION"
# Names of Debian's copyright files (DEP-5) and of PyPI's classifiers, by SPDX's.
NAMES = {
    "expat": "MIT", "mit": "MIT", "mit license": "MIT", "the mit license": "MIT",
    "x11": "X11",
    "curl": "curl",
    "isc": "ISC", "isc license (iscl)": "ISC",
    "zlib": "Zlib",
    "bsd": "BSD-3-Clause", "bsd license": "BSD-3-Clause", "bsd-3-clause": "BSD-3-Clause", "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause": "BSD-3-Clause", "new bsd": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-4-clause": "BSD-4-Clause",
    "apache": "Apache-2.0", "apache-2.0": "Apache-2.0", "apache 2.0": "Apache-2.0", "apache license 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0", "apache license, version 2.0": "Apache-2.0", "apache-2": "Apache-2.0",
    "cc0": "CC0-1.0", "cc0-1.0": "CC0-1.0",
    "public-domain": "LicenseRef-public-domain", "public domain": "LicenseRef-public-domain",
    "openldap-2.8": "OLDAP-2.8",
    "python software foundation license": "PSF-2.0", "psf-2.0": "PSF-2.0",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0", "mpl-2.0": "MPL-2.0",
    "gnu affero general public license v3": "AGPL-3.0-only",
    "gnu affero general public license v3 or later (agplv3+)": "AGPL-3.0-or-later",
    "gnu general public license v2 (gplv2)": "GPL-2.0-only",
    "gnu general public license v2 or later (gplv2+)": "GPL-2.0-or-later",
    "gnu general public license v3 (gplv3)": "GPL-3.0-only",
    "gnu general public license v3 or later (gplv3+)": "GPL-3.0-or-later",
    "gnu lesser general public license v3 (lgplv3)": "LGPL-3.0-only",
    "sspl": "SSPL-1.0", "server side public license": "SSPL-1.0",
    "foxio license 1.1": "LicenseRef-FoxIO-1.1", "foxio": "LicenseRef-FoxIO-1.1",
}
# A file that follows no form: the phrase that only this licence has.
PHRASES = [
    (r"affero general public license", "AGPL-3.0-or-later"),
    (r"server side public license", "SSPL-1.0"), (r"foxio license", "LicenseRef-FoxIO-1.1"),
    (r"lesser general public license|library general public license|\bLGPL", "LGPL-2.1-or-later"),
    (r"gnu general public license", "GPL-2.0-or-later"),
    (r"apache license", "Apache-2.0"), (r"mozilla public license", "MPL-2.0"), (r"permission is hereby granted, free of charge", "MIT"),
    (r"redistribution and use in source and binary forms", "BSD-3-Clause"),
    (r"permission to use, copy, modify, and(/or)? distribute this software", "ISC"),
]


def short(name):
    """SPDX's identifier for one name of a licence."""
    name = name.strip()
    gnu = re.fullmatch(r"(A|L)?GPL-?v?(\d(?:\.\d)?)(\+?)", name, re.I)
    if gnu:
        number = gnu[2] if "." in gnu[2] else gnu[2] + ".0"
        return f"{(gnu[1] or '').upper()}GPL-{number}-{'or-later' if gnu[3] else 'only'}"
    if name.lower() in NAMES:
        return NAMES[name.lower()]
    return name if re.fullmatch(r"[A-Za-z0-9.+-]+", name) else UNKNOWN


def expression(text):
    """An SPDX expression from DEP-5's words: 'LGPL-3+ or GPL-2+' and the like."""
    text = re.sub(r"_(or|and)_", r" \1 ", text)
    ways = [" AND ".join(short(part) for part in re.split(r",?\s+and\s+", way)) for way in re.split(r",?\s+or\s+|\s*\|\s*", text.strip())]
    return " OR ".join(f"({way})" if " AND " in way and len(ways) > 1 else way for way in ways)


def joined(all):
    all = sorted(set(all))
    return " AND ".join(f"({one})" if " OR " in one and len(all) > 1 else one for one in all) or UNKNOWN


def of_copyright(path):
    """What a Debian copyright file says of everything but its own packaging."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return UNKNOWN
    if re.match(r"\s*Format:", text):
        found = []
        for paragraph in re.split(r"\n\s*\n", text):
            files, licence = re.search(r"^Files:\s*(.+)", paragraph, re.M), re.search(r"^License:\s*(.+)", paragraph, re.M)
            if files and licence and not re.fullmatch(r"(debian/\S*\s*)+", files[1]):
                found.append(expression(licence[1]))
        return joined(found)
    return joined(licence for phrase, licence in PHRASES if re.search(phrase, re.sub(r"\s+", " ", text), re.I))


def of_wheel(path):
    """What a Python distribution says: its expression, else its classifiers, else its licence's name or text."""
    try:
        with open(os.path.join(path, "METADATA"), encoding="utf-8") as file:
            told = email.parser.HeaderParser().parse(file)
    except OSError:
        return UNKNOWN
    if told["License-Expression"]:
        return told["License-Expression"]
    classes = [line.split(" :: ")[-1] for line in told.get_all("Classifier", []) if re.match(r"License :: .* :: ", line)]
    if classes:
        return joined(short(one) for one in classes)
    if told["License"] and len(told["License"]) < 60:
        return expression(told["License"])
    texts = glob.glob(os.path.join(path, "**", "*LICEN[SC]E*"), recursive=True)
    return of_copyright(texts[0]) if texts else UNKNOWN


def of(component, reviewed):
    """(SPDX expression, whether somebody has read it)."""
    for key in (component.key, f"{component.ecosystem}:{component.source}"):
        if key in reviewed:
            return reviewed[key], True
    if component.ecosystem == "deb":
        return of_copyright(component.paths[0]), False
    if component.ecosystem == "pypi":
        return of_wheel(component.paths[0]), False
    return UNKNOWN, False


def allows(text, allowed):
    """Whether these terms can be kept: of alternatives one is enough, of what stands together each counts."""
    words = re.findall(r"\(|\)|[^\s()]+", text)

    def one():
        word = words.pop(0) if words else UNKNOWN
        if word == "(":
            value = either()
            if words:
                words.pop(0)
            return value
        if words[:1] == ["WITH"]:
            words.pop(0)
            word += " WITH " + words.pop(0)
        return word in allowed

    def both():
        value = one()
        while words[:1] == ["AND"]:
            words.pop(0)
            value = one() and value
        return value

    def either():
        value = both()
        while words[:1] == ["OR"]:
            words.pop(0)
            value = both() or value
        return value

    return either() and not words

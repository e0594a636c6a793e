"""The bill of materials in its two common forms: CycloneDX 1.5 and SPDX 2.3, both as JSON."""
import re
import uuid

from components import CAPTION


def serial(components):
    """The same components give the same document: nothing in it changes but what was found."""
    return uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(sorted(one.purl for one in components)))


def cyclonedx(components, terms, version, when):
    def one(component):
        return {
            "type": "application" if component.ecosystem == "weir" else "library", "bom-ref": component.key, "name": component.name,
            "version": component.version, "purl": component.purl, "scope": "excluded" if component.use == "tests" else "required",
            "licenses": [{"expression": terms[component.key]}],
            "properties": [
                {"name": "weir:use", "value": CAPTION[component.use]}, {"name": "weir:chain", "value": " > ".join(component.chain)},
            ],
        }
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial(components)}", "version": 1,
        "metadata": {"timestamp": when, "component": {"type": "application", "bom-ref": "weir", "name": "weir", "version": version}},
        "components": [one(component) for component in components],
        "dependencies": [{"ref": "weir", "dependsOn": [c.key for c in components if c.ecosystem == "weir"]}]
        + [{"ref": component.key, "dependsOn": sorted(component.needs)} for component in components],
    }


def spdx(components, terms, version, when):
    def name(key):
        return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", key)

    def one(component):
        return {
            "SPDXID": name(component.key), "name": component.name, "versionInfo": component.version, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False,
            "licenseConcluded": terms[component.key], "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
            "comment": f"{CAPTION[component.use]}: {' > '.join(component.chain)}",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": component.purl}],
        }
    links = [("SPDXRef-DOCUMENT", "DESCRIBES", name(c.key)) for c in components if c.ecosystem == "weir"]
    links += [(name(c.key), "DEPENDS_ON", name(other)) for c in components for other in sorted(c.needs)]
    links += [(name(c.key), "TEST_DEPENDENCY_OF", name("weir:weir")) for c in components if c.use == "tests"]
    own = sorted(set(re.findall(r"LicenseRef-[A-Za-z0-9.-]+", " ".join(terms.values()))))
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"weir-{version}",
        "documentNamespace": f"https://weir.example/spdx/{serial(components)}",
        "creationInfo": {"created": when, "creators": ["Tool: weir-licences"]},
        "packages": [one(component) for component in components],
        "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in links],
        "hasExtractedLicensingInfos": [{"licenseId": ref, "extractedText": f"See the component's own files: {ref}"} for ref in own],
    }

#!/usr/bin/env python3
"""Writes the program's bill of materials (CycloneDX 1.5) to standard output: every crate that is linked into it.

The same sources give the same bytes: nothing in it depends on when or where it is made.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = "x86_64-unknown-linux-gnu"


def metadata():
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={TARGET}"]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


def checksums():
    """SHA-256 of each crate's archive, by name and version, from the lock file."""
    found = {}
    for block in (ROOT / "Cargo.lock").read_text().split("[[package]]"):
        fields = dict(re.findall(r'^(name|version|checksum) = "(.*)"$', block, re.MULTILINE))
        if "checksum" in fields:
            found[fields["name"], fields["version"]] = fields["checksum"]
    return found


def linked(graph, root):
    """For each package that `root` needs when it runs, the packages that it needs itself."""
    nodes = {node["id"]: node for node in graph["resolve"]["nodes"]}
    needs, waiting = {}, [root]
    while waiting:
        one = waiting.pop()
        if one not in needs:
            deps = nodes[one]["deps"]
            needs[one] = sorted(d["pkg"] for d in deps if any(kind["kind"] is None for kind in d["dep_kinds"]))
            waiting.extend(needs[one])
    return needs


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def component(package, sums, kind):
    entry = {
        "type": kind,
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
    }
    if package.get("license"):
        # Some crates still write the old form of OR.
        entry["licenses"] = [{"expression": re.sub(r"\s*/\s*", " OR ", package["license"])}]
    if package.get("repository"):
        entry["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    if checksum := sums.get((package["name"], package["version"])):
        entry["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return entry


def main():
    graph = metadata()
    packages = {package["id"]: package for package in graph["packages"]}
    root = next(id for id, package in packages.items() if package["name"] == "tollgate")
    needs, sums = linked(graph, root), checksums()
    others = sorted((packages[id] for id in needs if id != root), key=purl)
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[root], sums, "application")},
        "components": [component(package, sums, "library") for package in others],
        "dependencies": [
            {"ref": purl(packages[id]), "dependsOn": [purl(packages[need]) for need in needs[id]]}
            for id in sorted(needs, key=lambda id: purl(packages[id]))
        ],
    }
    json.dump(bill, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()

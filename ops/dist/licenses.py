"""Collects the licences of the libraries in a distribution.

    python3 licenses.py SBOM HOME

SBOM is what cyclonedx-maven-plugin wrote, with the texts of licences. Writes to HOME

    sbom.cdx.json               the same without those texts
    licenses/THIRD-PARTY.txt    each jar, its licences and where their texts are
    licenses/NAME/              what the jar itself says: its files LICENSE, NOTICE, COPYRIGHT; where it carries none,
                                what its project says: the files in notices/ beside this script
    licenses/texts/ID.txt       the texts of the licences, by SPDX id

Fails if a jar is not in the SBOM, or if nothing says under which licence it is.
"""

import base64
import json
import re
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LICENSE_FILE = re.compile(r"(^|/)(LICENSE|LICENCE|NOTICE|COPYING|COPYRIGHT)[^/]*$", re.IGNORECASE)
NOTICES = Path(__file__).parent / "notices"
OWN_GROUP = "io.datainf"


@dataclass(frozen=True)
class Licence:
    """A licence that a component names: its SPDX id or, where it has none, its name; and its text.

    Attributes:
        name: the id or the name.
        text: the text of a licence with an id, else None.
    """

    name: str
    text: str | None


def licences_of(component: dict[str, Any]) -> list[Licence]:
    """Returns the licences of a component, and takes their texts out of it."""
    found = []
    for choice in component.get("licenses", []):
        if "expression" in choice:
            found.append(Licence(choice["expression"], None))
            continue
        licence = choice["license"]
        text = licence.pop("text", None)
        if text is not None and text.get("encoding") == "base64":
            content = base64.b64decode(text["content"]).decode()
        else:
            content = text and text["content"]
        found.append(Licence(licence.get("id") or licence["name"], content))
    return found


def copy_files(jar: Path, notices: Path, folder: Path) -> list[str]:
    """Copies what a jar or else NOTICES says of its licence into a folder; returns the names of the files."""
    names = []
    with zipfile.ZipFile(jar) as archive:
        for entry in sorted(archive.namelist()):
            if LICENSE_FILE.search(entry) and not entry.endswith((".class", "/")):
                name = entry.removeprefix("META-INF/").replace("/", "-")
                folder.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(archive.read(entry))
                names.append(name)
    if not names and notices.is_dir():
        shutil.copytree(notices, folder)
        names = sorted(path.name for path in notices.iterdir())
    return names


def jar_names(component: dict[str, Any]) -> str:
    """Returns the file name of a component's jar, which its package URL tells."""
    classifier = re.search(r"[?&]classifier=([^&]*)", component["purl"])
    suffix = f"-{classifier[1]}" if classifier else ""
    return f"{component['name']}-{component['version']}{suffix}.jar"


def collect(sbom: dict[str, Any], home: Path) -> list[str]:
    """Writes the licences of all jars in HOME/lib; returns what is wrong."""
    components = {jar_names(component): component for component in sbom["components"]}
    texts: dict[str, str] = {}
    table = []
    problems = []
    for jar in sorted((home / "lib").rglob("*.jar"), key=lambda path: path.name):
        component = components.get(jar.name)
        if component is None:
            if not jar.name.startswith("datainf-server-"):
                problems.append(f"{jar.name} is not in the SBOM")
            continue
        licences = licences_of(component)
        if component["group"] == OWN_GROUP:
            continue
        files = copy_files(jar, NOTICES / component["name"], home / "licenses" / jar.stem)
        texts.update({each.name: each.text for each in licences if each.text})
        if not licences:
            problems.append(f"{jar.name} names no licence")
        elif not files and not any(each.text for each in licences):
            problems.append(f"{jar.name}: no text of {[each.name for each in licences]}")
        where = [f"{jar.stem}/{name}" for name in files]
        where += [f"texts/{each.name}.txt" for each in licences if each.text]
        table.append(f"{jar.name}\n    {', '.join(each.name for each in licences)}\n")
        table.extend(f"    {path}\n" for path in where)
    folder = home / "licenses"
    (folder / "texts").mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / "texts" / f"{name}.txt").write_text(text, encoding="utf-8")
    (folder / "THIRD-PARTY.txt").write_text("".join(table), encoding="utf-8")
    return problems


def main() -> int:
    """Runs the command."""
    sbom_path, home = map(Path, sys.argv[1:])
    sbom = json.loads(sbom_path.read_text(encoding="utf-8"))
    problems = collect(sbom, home)
    licences_of(sbom["metadata"]["component"])
    (home / "sbom.cdx.json").write_text(json.dumps(sbom, indent=2) + "\n", encoding="utf-8")
    for problem in problems:
        print(f"licenses: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

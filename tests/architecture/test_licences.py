"""What ``pip install pacskit`` brings along is not copyleft, and THIRD_PARTY.md says what it is."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.architecture.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TABLE: dict[str, Any] = json.loads((ROOT / "pacskit_ext/codegen/tables/third_party.json").read_text("utf-8"))
COPYLEFT = re.compile(r"\b[AL]?GPL|GNU (lesser|library|affero)?\s*general public", re.IGNORECASE)
# Runtime libraries of the compiler, in the wheels of numpy and of most that use OpenMP.
RUNTIME = {"libgfortran", "libgomp", "libquadmath"}


def runtime() -> dict[str, metadata.Distribution]:
    """Every distribution that the core dependencies install here, by name."""
    found: dict[str, metadata.Distribution] = {}
    waiting = list(PROJECT["dependencies"])
    while waiting:
        wanted = Requirement(waiting.pop())
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name in found or (wanted.marker is not None and not wanted.marker.evaluate({"extra": ""})):
            continue
        found[name] = metadata.distribution(name)
        waiting += found[name].requires or []
    return found


def licences(distribution: metadata.Distribution) -> list[str]:
    """What its metadata say, a licence text by its first line."""
    about = distribution.metadata
    said = [one.splitlines()[0] for key in ("License-Expression", "License") for one in about.get_all(key) or [] if one]
    return [*said, *(one for one in about.get_all("Classifier") or [] if one.startswith("License ::"))]


def libraries(distribution: metadata.Distribution) -> set[str]:
    """The shared libraries in a wheel, without the mark that the repair of wheels gives them, and versions."""
    folders = (".libs", ".dylibs")
    names = [file.name for file in distribution.files or [] if any(one.endswith(folders) for one in file.parts[:-1])]
    matches = (re.match(r"(lib.+?)(-[0-9a-f]{8})*(\.\d+)*\.(so|dylib)", name) for name in names)
    return {match[1] for match in matches if match}


@pytest.mark.parametrize("name", sorted(runtime()))
def test_nothing_that_is_always_installed_is_copyleft(name: str) -> None:
    distribution = runtime()[name]
    said = licences(distribution)
    assert said, f"{name} does not say its licence"
    assert not [one for one in said if COPYLEFT.search(one)]
    known = TABLE.get(name, {}).get("bundles", {})
    carried = libraries(distribution)
    assert carried <= set(known), f"look at the licences of {sorted(carried - set(known))}"
    assert not [one for one in carried - RUNTIME if COPYLEFT.search(known[one])]


def test_the_copyleft_extras_are_not_reached_without_being_named() -> None:
    assert not {"pylibjpeg-libjpeg", "av"} & set(runtime())
    extras = {name: " ".join(wanted) for name, wanted in PROJECT["optional-dependencies"].items()}
    assert [name for name, wanted in extras.items() if "libjpeg" in wanted] == ["gpl"]
    assert [name for name, wanted in extras.items() if re.match(r"av\b", wanted)] == ["video"]


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_table_says_what_the_packages_say(name: str) -> None:
    words = {"GPL-3.0-only": "GPL", "PSF-2.0": "PSF|Python", "Apache-2.0": "Apache", "BSD-3-Clause": "BSD"}
    licence = TABLE[name]["licence"]
    pattern = words.get(licence, re.escape(licence))
    assert re.search(pattern, " ".join(licences(metadata.distribution(name))))


def test_the_licence_check_knows_what_it_looks_for() -> None:
    assert COPYLEFT.search("License :: OSI Approved :: GNU General Public License v3 (GPLv3)")
    assert COPYLEFT.search("LGPL-2.1-or-later")
    assert not COPYLEFT.search("BSD-3-Clause AND Zlib")
    assert "libx264" in libraries(metadata.distribution("av"))

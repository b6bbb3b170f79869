"""Every real file as JSON and as text: what pydicom and DCMTK make of it, each difference in one table.

The table is in ``tests/oracles/differences.py``. Values, as pydicom reads them, are in ``test_files.py``.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pydicom
import pytest

from pacskit.cli import main
from pacskit.core.dataset import Dataset
from pacskit.core.element import DataElement
from pacskit.core.errors import DecodeError
from pacskit.encoding import TransferSyntax, dcmread
from pacskit_ext._table import ElementTable
from tests.conftest import Dcmtk
from tests.corpus.test_files import rows
from tests.oracles.differences import (
    FILES,
    INVALID,
    TABLE,
    TRUNCATED,
    dump_reason,
    json_reason_dcmtk,
    json_reason_pydicom,
    text_reason,
)
from tests.oracles.textforms import json_differences

pytestmark = [pytest.mark.corpus, pytest.mark.filterwarnings("ignore::UserWarning")]  # pydicom warns of values

BIG = TransferSyntax.EXPLICIT_VR_BIG_ENDIAN
PIXEL_DATA = 0x7FE00010
INVALID_FILES = {name for name, _ in INVALID}


class Met:
    """What was compared, what nobody explains, and how often each row of the table was needed."""

    def __init__(self, form: str, peer: str) -> None:
        self.form, self.peer = form, peer
        self.files = 0
        self.wrong: list[str] = []
        self.rows: Counter[str] = Counter()

    def differs(self, reason: str | None, where: str) -> None:
        if reason is None or self.form not in TABLE[reason].forms or self.peer != TABLE[reason].peer:
            self.wrong.append(f"{where} ({reason})")
        else:
            self.rows[reason] += 1

    def end(self, at_least: int) -> None:
        assert self.wrong[:20] == []
        assert self.files >= at_least
        needed = {name for name, row in TABLE.items() if self.form in row.forms and self.peer == row.peer}
        assert needed - set(self.rows) == set(), "rows of the table that nothing needs"


def files(corpus: Path, peer: str) -> Iterator[tuple[str, Dataset]]:
    """What we read whole, and the peer reads at all."""
    for name in rows(corpus):
        if name not in TRUNCATED and (peer, name) not in FILES and name not in INVALID_FILES:
            yield name, dcmread(corpus / name, force=True)


def theirs(path: Path) -> pydicom.Dataset:
    return pydicom.dcmread(path, force=True)


def element(dataset: Dataset, path: str) -> DataElement:
    """The element at a path such as ``00041220[0].00080005``."""
    *steps, last = path.split(".")
    for step in steps:
        tag, _, index = step.partition("[")
        dataset = dataset[int(tag, 16)].value[int(index[:-1])]
    return dataset[int(last, 16)]


# ---- pydicom --------------------------------------------------------------------------------------------------------


def test_json_is_what_pydicom_says(corpus: Path) -> None:
    met = Met("json", "pydicom")
    for name, ours in files(corpus, "pydicom"):
        met.files += 1
        other = json.loads(json.dumps(theirs(corpus / name).to_json_dict()))
        big = ours.transfer_syntax == BIG
        for path, mine, their in json_differences(json.loads(ours.to_json(keep_character_set=True)), other):
            met.differs(json_reason_pydicom(path, mine, their, big), f"{name} {path}: {mine!s:.80} and {their!s:.80}")
    met.end(440)


def lines(dataset: Any, write: Callable[[Any], str]) -> list[str]:
    """The lines of a text, those that a line break in a value made put together again."""
    out: list[str] = []
    for line in write(dataset).split("\n"):
        if re.match(r" *(\(\w{4},\w{4}\)|-----|Dataset\.file_meta)", line) or not out:
            out.append(line)
        elif line:  # pydicom has an empty one for an item without elements
            out[-1] += "\n" + line
    return out


def test_text_is_what_pydicom_prints(corpus: Path) -> None:
    met, same = Met("text", "pydicom"), 0
    for name, ours in files(corpus, "pydicom"):
        met.files += 1
        mine, other = lines(ours, str), lines(theirs(corpus / name), str)
        same += mine == other
        if len(mine) != len(other):
            met.differs(None, f"{name}: {len(mine)} lines and {len(other)}")
            continue
        for one, two in zip(mine, other, strict=True):
            if one != two:
                vr = found[1] if (found := re.search(r" ([A-Z]{2}): ", one)) else "SQ"
                met.differs(text_reason(one, two, vr, ours.transfer_syntax == BIG), f"{name} {one:.90} and {two:.90}")
    met.end(440)
    assert same > 200


# ---- DCMTK ----------------------------------------------------------------------------------------------------------


def run(command: list[str]) -> bytes:
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-300:]
    return done.stdout


def without_pixels(path: Path, dataset: Dataset, folder: Path) -> Path:
    """The file up to its encapsulated pixels, which dcm2json does not take."""
    if PIXEL_DATA not in dataset or not dataset[PIXEL_DATA].is_undefined_length:
        return path
    head = folder / "head.dcm"
    offset = dataset[PIXEL_DATA].offset
    assert offset is not None
    head.write_bytes(path.read_bytes()[: offset - 12])
    return head


@pytest.mark.interop
def test_json_is_what_dcm2json_says(corpus: Path, dcmtk: Dcmtk, tmp_path: Path) -> None:
    met = Met("json", "dcmtk")
    for name, ours in files(corpus, "dcm2json"):
        met.files += 1
        source = without_pixels(corpus / name, ours, tmp_path)
        other = json.loads(run([dcmtk.tool("dcm2json"), "-q", "-fc", "-ee", str(source)]))
        model = json.loads(ours.to_json())
        if source != corpus / name:
            model = {tag: one for tag, one in model.items() if int(tag, 16) < PIXEL_DATA}
        for path, mine, their in json_differences(model, other):
            raw = bytes(element(ours, path).raw or b"") if mine else b""
            met.differs(json_reason_dcmtk(path, mine, their, raw), f"{name} {path}: {mine!s:.80} and {their!s:.80}")
    met.end(430)


DUMPED = re.compile(rb"^( *)\((\w{4}),(\w{4})\) (\w\w|\?\?) .*# +(\S+), *(\d+) ", re.MULTILINE)
PRINTED = re.compile(r" *\((\w{4}),(\w{4})\) ")


def elements(dataset: ElementTable, depth: int = 0) -> Iterator[tuple[int, DataElement]]:
    for one in dataset:
        yield depth, one
        if one.VR == "SQ":
            for item in one.value:
                yield from elements(item, depth + 1)


def count(one: DataElement) -> int:
    """The multiplicity; DCMTK counts a sequence, and bytes, as one."""
    value = one.value
    if one.VR in {"SQ", "UN"} or one.VR[0] == "O":
        return 1
    return len(value) if isinstance(value, list) else int(value is not None and value != "")


Dumped = tuple[int, int, str, str, int]


def together(mine: list[tuple[int, DataElement]], other: list[Dumped]) -> Iterator[tuple[Any, Dumped]]:
    """Pairs of both lists; what is in a sequence that DCMTK left as UN is left out."""
    left = iter(mine)
    below = 1 << 30
    for two in other:
        one = next((one for one in left if one[0] <= below), None)
        if one is None:
            return
        yield one, two
        below = one[0] if two[2] == "UN" else 1 << 30


@pytest.mark.interop
def test_the_dump_has_the_elements_of_dcmdump(corpus: Path, dcmtk: Dcmtk) -> None:
    met = Met("dump", "dcmtk")
    for name, ours in files(corpus, "dcmdump"):
        met.files += 1
        found = DUMPED.findall(run([dcmtk.tool("dcmdump"), "-q", "-Un", "+Qo", str(corpus / name)]))
        other = [
            (len(indent) // 4, int(group + number, 16), vr.decode().replace("??", "UN"), length.decode(), int(vm))
            for indent, group, number, vr, length, vm in found
            if group != b"fffe" and vr != b"pi"
        ]
        mine = [*elements(ours.file_meta), *elements(ours)]
        with redirect_stdout(io.StringIO()) as printed:
            assert main(["dump", str(corpus / name), "--force"]) == 0
        shown = [int(one + two, 16) for one, two in PRINTED.findall(printed.getvalue())]
        assert [int(one.tag) for _, one in mine] == shown, name
        pairs = list(together(mine, other))
        if [(depth, int(one.tag)) for (depth, one), _ in pairs] != [two[:2] for two in other]:
            met.differs(None, f"{name}: other elements")
            continue
        for (_, one), (_, tag, vr, length, vm) in pairs:
            where = f"{name} {one.tag} {one.VR} {one.length} {count(one)} and {vr} {length} {vm}"
            if one.VR != vr:
                met.differs(dump_reason(tag, str(one.VR), vr), where)
            elif not one.is_undefined_length and vm != count(one):
                met.differs(None, where)
            if length != ("u/l" if one.is_undefined_length else str(one.length)):
                met.differs("odd length" if length == str((one.length or 0) + 1) else None, where)
    met.end(440)


@pytest.mark.interop
@pytest.mark.parametrize(("tool", "name"), [key for key in FILES if key[0].startswith("dcm")])
def test_what_dcmtk_does_not_take_it_still_does_not(
    tool: str, name: str, corpus: Path, dcmtk: Dcmtk, tmp_path: Path
) -> None:
    try:
        source = without_pixels(corpus / name, dcmread(corpus / name, force=True), tmp_path)
    except DecodeError:
        source = corpus / name
    options = ["-fc", "-ee"] if tool == "dcm2json" else []
    done = subprocess.run([dcmtk.tool(tool), *options, str(source)], capture_output=True, timeout=60, check=False)
    if not done.returncode:
        with pytest.raises(UnicodeDecodeError):
            done.stdout.decode()

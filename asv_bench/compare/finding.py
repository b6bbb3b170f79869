"""C-FIND in a full archive: 100,000 small instances, ten to a study, two studies to a patient; beside Orthanc.

Both are loaded by the same clients before the clock runs, once a run; what is timed is one association that asks.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

from asv_bench.compare.index import PER_STUDY, new_instance
from asv_bench.compare.peers import timed
from asv_bench.compare.processes import Server, child, environment, free_port, run_clients, wait
from asv_bench.compare.rows import Missing, Row, Scale, Subject
from asv_bench.compare.wire import Wire

__all__ = ["ROWS", "orthanc"]

_ROLES: Final = [sys.executable, "-m", "asv_bench.compare.finding"]
_CT: Final = "1.2.840.10008.5.1.4.1.1.2"
_IMPLICIT: Final = "1.2.840.10008.1.2"
_STUDY_ROOT: Final = "1.2.840.10008.5.1.4.1.2.2.1"
_LOADERS: Final = 4


# ---- roles: what the clients do -------------------------------------------------------------------


def _load(port: int, called: str, first: int, studies: int) -> None:
    """Store the instances of so many studies; the first one is for getting warm, as in the other roles."""
    from pacskit.core.dataset import Dataset
    from pacskit.encoding import encode

    def work(numbers: range) -> None:
        for number in numbers:
            data = encode(_instance(number), _IMPLICIT)
            if status := wire.store_bytes(f"1.2.826.0.1.{number // PER_STUDY}.1.{number}", data):
                raise SystemExit(f"a C-STORE was answered {status:04X}")

    def _instance(number: int) -> Dataset:
        made = new_instance(number)
        above = made.parents()
        values = {**above.patient, **above.study, **above.series}
        return Dataset(
            SOPClassUID=_CT, SOPInstanceUID=made.sop_instance_uid, StudyInstanceUID=made.study_instance_uid,
            SeriesInstanceUID=made.series_instance_uid, InstanceNumber=made.instance_number,
            PatientID=made.patient_id, PatientName=values["patient_name"], StudyDate=values["study_date"],
            StudyTime=values["study_time"], AccessionNumber=values["accession_number"], Modality=values["modality"],
            StudyDescription="Head",
        )  # fmt: skip

    start = first * PER_STUDY
    with Wire(port, called, sop_class=_CT) as wire:
        work(range(start, start + 1))
        timed(lambda: work(range(start + 1, start + studies * PER_STUDY)))


def _ask(port: int, called: str, what: str, studies: int, count: int) -> None:
    """Ask so many questions of a kind, each another one, for studies."""
    from pacskit.core.dataset import Dataset
    from pacskit.encoding import encode

    draw = random.Random(7)
    questions: list[bytes] = []
    for _ in range(count + 2):
        study = draw.randrange(studies)
        key = _key(what, study)
        identifier = Dataset(QueryRetrieveLevel="STUDY", StudyInstanceUID="", StudyDate="", PatientID="")
        for name, value in key.items():
            setattr(identifier, name, value)
        questions.append(encode(identifier, _IMPLICIT))
    with Wire(port, called, sop_class=_STUDY_ROOT) as wire:

        def work(some: list[bytes]) -> None:
            for one in some:
                if not wire.find(one):
                    raise SystemExit("a C-FIND found nothing")

        work(questions[:2])
        timed(lambda: work(questions[2:]))


def _key(what: str, study: int) -> dict[str, str]:
    made = new_instance(study * PER_STUDY)
    above = made.parents()
    if what == "patient":
        return {"PatientID": made.patient_id}
    if what == "accession":
        return {"AccessionNumber": str(above.study["accession_number"])}
    if what == "date":
        return {"StudyDate": str(above.study["study_date"])}
    return {"PatientName": str(above.patient["patient_name"]).partition("^")[0] + "*"}


# ---- servers that are full --------------------------------------------------------------------------


@contextmanager
def orthanc(folder: str, **more: Any) -> Iterator[Server]:
    """Orthanc over a folder, without Nagle's algorithm and without what it need not do; ``more`` are settings."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin")
    if program is None:
        raise Missing("Orthanc is not installed")
    port = free_port()
    settings: dict[str, Any] = {"StorageDirectory": folder, "IndexDirectory": folder, "DicomAet": "ORTHANC"}
    settings |= {"DicomPort": port, "HttpServerEnabled": False, "Plugins": [], "DicomAlwaysAllowStore": True}
    settings |= {"DicomAlwaysAllowFind": True, "LimitFindResults": 0, "StoreMD5ForAttachments": False} | more
    path = Path(folder) / "orthanc.json"
    path.write_text(json.dumps(settings), encoding="utf-8")
    process = subprocess.Popen(
        [program, str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(True)
    )
    try:
        wait(port)
        yield Server(port, "ORTHANC", process.pid)
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def _pacskit(folder: str) -> Iterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "pacskit", "serve", "--dir", folder, "--ae", "PACSKIT", "--port", str(port)]
    with child(command) as made:
        made.line("pacskit serve")
        yield Server(port, "PACSKIT", made.process.pid)


_SERVERS: Final = {"pacskit": _pacskit, "Orthanc": orthanc}


@cache
def _filled(name: str, studies: int) -> str:
    """A folder with a full archive; the first study of each loader is its warming up."""
    folder = tempfile.mkdtemp(prefix="compare-full-")
    each = studies // _LOADERS
    with _SERVERS[name](folder) as found:
        run_clients("load", found, [(number * each, each) for number in range(_LOADERS)], module=_ROLES)
    return folder


def _finding(what: str, scale: Scale, stack: ExitStack) -> list[Subject]:
    studies, asked = scale(200, 10_000), {"pacskit": scale(50, 2000), "Orthanc": scale(10, 100)}

    def subject(name: str) -> Subject:
        begun: list[Server] = []

        def run() -> float:
            if not begun:  # full before the first round, and there for all of them
                begun.append(stack.enter_context(_SERVERS[name](_filled(name, studies))))
            return asked[name] / run_clients("ask", begun[0], [(what, studies, asked[name])], module=_ROLES)

        return Subject(name, run)

    return [subject("pacskit"), subject("Orthanc")]


_TITLES: Final = {
    "patient": ("the studies of a patient", 50),
    "accession": ("a study by its accession number", 50),
    "date": ("the studies of a day", 36),
    "name": ("studies by the beginning of a name", 25),
}
ROWS = [
    Row(f"find-{what}", f"C-FIND, {title}, 100,000 instances", "/s", partial(_finding, what), least, "Orthanc")
    for what, (title, least) in _TITLES.items()
]


def main(arguments: list[str]) -> None:
    """Play a role."""
    roles: dict[str, Callable[..., None]] = {"load": _load, "ask": _ask}
    role, *rest = arguments
    roles[role](*[int(word) if word.isdigit() else word for word in rest])


if __name__ == "__main__":
    main(sys.argv[1:])

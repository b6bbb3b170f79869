"""The index alone, without objects: how fast it takes rows when it is large, and how fast it answers. CPU time."""

from __future__ import annotations

import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import date, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from asv_bench.compare.rows import Row, Scale, Subject
from pacskit.core.dataset import Dataset
from pacskit.storage.attributes import parents_of
from pacskit.storage.index import open_index
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.records import DuplicatePolicy, NewInstance

__all__ = ["ROWS", "fill", "new_instance", "questions"]

PER_STUDY = 10
_FIRST = date(2010, 1, 1)
_DAYS = 15 * 365
BATCH = 128
_CT = "1.2.840.10008.5.1.4.1.1.2"
_EXPLICIT = "1.2.840.10008.1.2.1"
_FAMILIES = ("BAKO", "SMITH", "YILMAZ", "GARCIA", "IVANOV", "CHEN", "NGUYEN", "MUELLER", "ROSSI", "DUBOIS")
_ATTRIBUTES = '{"00080008":["CS","ORIGINAL","PRIMARY"],"00180050":["DS","1.25"],"00280010":["US","512"]}'


def _study_uid(study: int) -> str:
    return f"1.2.826.0.1.{study}"


def new_instance(number: int, study_uid: Callable[[int], str] = _study_uid) -> NewInstance:
    """Return the instance of a number: ten to a study, two studies to a patient, a few names in a thousand alike."""
    study = number // PER_STUDY
    patient = study // 2
    uid = study_uid(study)

    def parents() -> Any:
        draw = random.Random(patient)
        given = "".join(draw.choice("AEIOU") + draw.choice("BCDFGKLMNRST") for _ in range(3))
        return parents_of(
            Dataset(
                PatientID=f"PAT{patient}", PatientName=f"{draw.choice(_FAMILIES)}{patient % 97}^{given}",
                StudyInstanceUID=uid, StudyDate=f"{_FIRST + timedelta(study * 7919 % _DAYS):%Y%m%d}",
                StudyTime=f"{study % 24:02}{study % 60:02}", AccessionNumber=f"ACC{study}",
                SeriesInstanceUID=f"{uid}.1",
                Modality=("CT", "MR", "CR", "US")[study % 4], StudyDescription="Head",
            )
        )  # fmt: skip

    return NewInstance(
        f"PAT{patient}", uid, f"{uid}.1", f"{uid}.1.{number}", _CT, _EXPLICIT, number % PER_STUDY, _ATTRIBUTES,
        f"{uid}/{uid}.1/{number}.dcm", 400, 39_000, None, "20260101120000.000000", parents,
    )  # fmt: skip


def fill(index: SqlIndex, first: int, number: int, make: Callable[[int], NewInstance] = new_instance) -> None:
    """Index instances, in batches as the archive does."""
    for start in range(first, first + number, BATCH):
        end = min(start + BATCH, first + number)
        index.ingest_all([(make(one), DuplicatePolicy.REJECT) for one in range(start, end)], session="bench")


@cache
def _filled(number: int) -> Path:
    directory = Path(tempfile.mkdtemp(prefix="index-"))
    index = open_index(f"sqlite://{directory}/index.sqlite")
    fill(index, 0, number)
    index.close()
    return directory


def _growing(scale: Scale, stack: ExitStack) -> list[Subject]:
    large, small, batches = scale(20_000, 1_000_000), scale(2_000, 10_000), scale(8, 40)
    offered = count()

    def rate(index: SqlIndex, number: int) -> float:
        first = number + next(offered) * BATCH * batches
        rows = [(new_instance(one), DuplicatePolicy.REJECT) for one in range(first, first + BATCH * batches)]
        began = time.process_time()
        for start in range(0, len(rows), BATCH):
            index.ingest_all(rows[start : start + BATCH], session="bench")
        return len(rows) / (time.process_time() - began)

    subjects = []
    for number in (large, small):
        copy = shutil.copytree(_filled(number), tempfile.mkdtemp(prefix="index-"), dirs_exist_ok=True)
        index = open_index(f"sqlite://{copy}/index.sqlite")
        stack.callback(index.close)
        subjects.append(Subject(f"{number:,} rows", lambda index=index, number=number: rate(index, number)))  # type: ignore[misc]
    subjects[1] = Subject("10,000 rows", subjects[1].run)
    return subjects


def questions(number: int, study_uid: Callable[[int], str] = _study_uid) -> dict[str, Any]:
    """Return what is asked, by the name of the row: each call another question."""
    draw = random.Random(7)
    studies = number // PER_STUDY

    def week() -> Dataset:
        first = _FIRST + timedelta(draw.randrange(_DAYS - 6))
        return Dataset(StudyDate=f"{first:%Y%m%d}-{first + timedelta(6):%Y%m%d}", ModalitiesInStudy="CT")

    def within() -> Dataset:
        draw_name = random.Random(draw.randrange(studies // 2))
        return Dataset(
            PatientName="*" + "".join(draw_name.choice("AEIOU") + draw_name.choice("BCDFG") for _ in (1, 2)) + "*"
        )

    return {
        "uid": lambda: Dataset(StudyInstanceUID=study_uid(draw.randrange(studies))),
        "patient": lambda: Dataset(PatientID=f"PAT{draw.randrange(studies // 2)}"),
        "date": week,
        "name": within,
    }


def _asking(what: str, asked: int) -> Any:
    def build(scale: Scale, stack: ExitStack) -> list[Subject]:
        number = scale(20_000, 1_000_000)
        index = open_index(f"sqlite://{_filled(number)}/index.sqlite")
        stack.callback(index.close)
        question = questions(number)[what]

        def run() -> float:
            taken = []
            for _ in range(scale(10, asked)):
                key = question()
                key.StudyDescription = ""
                began = time.thread_time()
                for _match in index.find("STUDY", "STUDY_ROOT", key):
                    pass
                taken.append(time.thread_time() - began)
            return statistics.median(taken) * 1000

        return [Subject("pacskit", run)]

    return build


_TITLES = {
    "uid": ("a study by its UID", 0.1, 400),
    "patient": ("the studies of a patient", 0.2, 400),
    "date": ("a week's studies of a modality", 3.0, 60),
    "name": ("studies by four letters within the name", 8.0, 60),
}
ROWS = [
    Row("index-grows", "rows into the index at 1,000,000", "/s CPU", _growing, 0.9, "10,000 rows"),
    *(
        Row(f"index-{what}", f"{title}, 1,000,000 instances", "ms CPU", _asking(what, asked), below=limit)
        for what, (title, limit, asked) in _TITLES.items()
    ),
]

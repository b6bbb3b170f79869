"""Some attributes of many files: folders, files, members of archives, as rows."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from pacskit.core.config import ReadOptions
from pacskit.core.errors import ConfigurationError
from pacskit.core.paths import Step, parse
from pacskit.core.tag import Tag
from pacskit.encoding.sources import Job, Path, Reader, ScanLimits, find_jobs
from pacskit.encoding.transfer_syntax import GRAMMARS
from pacskit_ext._headers import ScanRow
from pacskit_ext._heads import END, Keys
from pacskit_ext._tagtable import lookup

if TYPE_CHECKING:
    import pandas
    import pyarrow

__all__ = ["DEFAULT_KEYS", "HeaderScan", "ScanLimits", "ScanRow", "scan"]

DEFAULT_KEYS: Final = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyDate",
    "AccessionNumber",
    "Modality",
    "PatientName",
    "PatientID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
)
"""What is read where nothing else is asked for."""

Key = str | int | tuple[int, int]
PathLike = str | os.PathLike[str]
Progress = Callable[[int, "int | None"], object]
Running = tuple["Future[tuple[list[ScanRow], bool]]", Job]

_DEFAULT: Final = ReadOptions()
_LIMITS: Final = ScanLimits()


def _parse(key: Key) -> tuple[str, Path]:
    """Return the name of a key, and its path of tags and items."""
    try:
        found = parse(key) if isinstance(key, str) else (Step(Tag(key), None),)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    name = key if isinstance(key, str) else found[0].tag.keyword or f"{int(found[0].tag):08X}"
    if found[-1].item is not None:
        raise ConfigurationError(f"{name} is an item: ask for an attribute of it")
    if found[0].tag >= 0x7FE00000:
        raise ConfigurationError(f"{name} is not in the header")
    entry = lookup(found[-1].tag)
    if entry is not None and entry[0] == "SQ":
        raise ConfigurationError(f"{name} is a sequence: ask for an attribute of an item, such as {name}[0].Keyword")
    return name, tuple((int(step.tag), END if step.item is None else step.item) for step in found)


class HeaderScan:
    """A scan that is made each time it is iterated over, or asked for as a table; see ``scan``."""

    def __init__(
        self,
        paths: Sequence[str],
        reader: Reader,
        *,
        workers: int,
        ordered: bool,
        dicomdirs: bool,
        progress: Progress | None,
        finding: dict[str, bool],
    ) -> None:
        self._paths = paths
        self._reader = reader
        self._workers = workers
        self._ordered = ordered
        self._dicomdirs = dicomdirs
        self._progress = progress
        self._finding = finding

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the values of each row."""
        return self._reader.keys.names

    @property
    def columns(self) -> dict[str, tuple[str, str]]:
        """VR and VM of each key in the dictionary; UN and 1-n for an attribute that is not in it."""
        found = {name: lookup(path[-1][0]) for name, path in zip(self.keys, self._reader.paths, strict=True)}
        return {name: (entry[0], entry[1]) if entry is not None else ("UN", "1-n") for name, entry in found.items()}

    def __iter__(self) -> Iterator[ScanRow]:
        jobs = find_jobs(self._reader, self._paths, **self._finding)
        counted = _Counted(jobs)
        done = 0
        rows = _inline(counted) if self._workers == 1 else _threaded(counted, self._workers, self._ordered)
        try:
            for batch in rows:
                done += len(batch)
                for row in batch:
                    if self._dicomdirs or not row.is_dicomdir:
                        yield row
                if self._progress is not None:
                    self._progress(done, counted.total)
            if self._progress is not None:
                self._progress(done, done)
        finally:
            rows.close()
            jobs.close()

    def to_arrow(self) -> pyarrow.Table:
        """Scan into an Arrow table; needs pyarrow (``pip install pacskit[arrow]``)."""
        from pacskit.encoding.columns import to_arrow

        return to_arrow(self, self.columns)

    def to_pandas(self) -> pandas.DataFrame:
        """Scan into a data frame; needs pyarrow and pandas."""
        return self.to_arrow().to_pandas()

    def to_parquet(self, path: PathLike) -> int:
        """Scan into a Parquet file, some rows at a time; return how many. Needs pyarrow."""
        from pacskit.encoding.columns import to_parquet

        return to_parquet(self, self.columns, path)


class _Counted:
    """Jobs as they are found, and how many files there have been."""

    def __init__(self, jobs: Iterator[Job]) -> None:
        self._jobs = jobs
        self._found = 0
        self._is_open = False  # an archive is among them that does not say how many members it has
        self.ended = False

    @property
    def total(self) -> int | None:
        """How many rows there will be; None while that is not known."""
        return self._found if self.ended and not self._is_open else None

    def next(self) -> Job | None:
        job = next(self._jobs, None)
        if job is None:
            self.ended = True
        elif job.count is None:
            self._is_open = True
        else:
            self._found += job.count
        return job


def _inline(jobs: _Counted) -> Generator[list[ScanRow]]:
    while (job := jobs.next()) is not None:
        try:
            more = True
            while more:
                rows, more = job.run()
                yield rows
        finally:
            job.close()


def _threaded(jobs: _Counted, workers: int, ordered: bool) -> Generator[list[ScanRow]]:
    """Run jobs in threads; at most three for each thread are running, waiting or finished and not taken."""
    running: deque[Running] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="pacskit-scan")
    try:
        while True:
            while len(running) < 3 * workers and not jobs.ended and (job := jobs.next()) is not None:
                running.append((pool.submit(job.run), job))
            if not running:
                return
            if not ordered:
                _finished_first(running)
            future, job = running[0]
            rows, more = future.result()
            if more:  # what follows in this archive keeps its place
                running[0] = (pool.submit(job.run), job)
            else:
                running.popleft()
                job.close()
            yield rows
    finally:
        for future, _ in running:
            future.cancel()
        pool.shutdown()
        for _, job in running:
            job.close()


def _finished_first(running: deque[Running]) -> None:
    """Turn the queue until a job that is done stands first."""
    wait([future for future, _ in running], return_when=FIRST_COMPLETED)
    while not running[0][0].done():
        running.rotate(-1)


def scan(  # noqa: PLR0913
    paths: PathLike | Iterable[PathLike],
    keys: Iterable[Key] = DEFAULT_KEYS,
    *,
    workers: int | None = None,
    ordered: bool = True,
    recursive: bool = True,
    follow_links: bool = False,
    archives: bool = True,
    dicomdirs: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    limits: ScanLimits = _LIMITS,
    options: ReadOptions = _DEFAULT,
) -> HeaderScan:
    """Read some attributes of any number of files, in parallel; nothing is read before the result is iterated over.

    What cannot be read becomes a row with its error, never an exception. A header beyond 16 kB is read up to the last
    attribute asked for, in the ascending order that PS3.5 7.1 demands. Memory does not grow with the number of files,
    but for the names in one folder.

    Parameters
    ----------
    paths
        Files, folders, and zip and tar archives (also compressed with gzip, bzip2 or xz).
    keys
        Keywords, tags (``0x00100020``, ``"00100020"``), or paths (``"ReferencedSeriesSequence[0].Modality"``).
    workers
        Threads; by default one for each processor, 1 for none beside the caller's.
    ordered
        Give rows in the order of the files, else as they are done.
    recursive, follow_links
        Walk the folders in folders; through symbolic links too.
    archives
        Look into archives, else take them for files.
    dicomdirs
        Give rows for DICOMDIR files too.
    force
        Read files without prefix, meta or transfer syntax too, guessing what is missing.
    progress
        Called with the number of rows that are done, and of files found once all are known, else None.
    limits, options
        Budgets; another strictness than lenient reads whole headers, which takes longer.

    Raises ConfigurationError for a key that is none.

    >>> scan("no such folder").keys[:2]
    ('SOPClassUID', 'SOPInstanceUID')
    """
    if workers is not None and workers < 1:
        raise ConfigurationError("there must be a worker")
    named = [paths] if isinstance(paths, (str, os.PathLike)) else paths
    parsed = dict(_parse(key) for key in keys)
    steps = tuple(parsed.values())
    grammars = {uid: (form.implicit, form.big, form.deflated) for uid, form in GRAMMARS.items()}
    return HeaderScan(
        [os.fspath(path) for path in named],
        Reader(Keys(parsed, steps, grammars), steps, limits, options, force),
        workers=workers or os.cpu_count() or 1,
        ordered=ordered,
        dicomdirs=dicomdirs,
        progress=progress,
        finding={"recursive": recursive, "follow_links": follow_links, "archives": archives},
    )

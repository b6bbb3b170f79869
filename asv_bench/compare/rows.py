"""A row of the comparison: subjects that take turns, the ratios of their figures, and what is required of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

__all__ = ["Missing", "Result", "Row", "Scale", "Subject", "measure", "table"]


class Missing(Exception):
    """A subject cannot be measured here; the message says why."""


@dataclass(frozen=True)
class Scale:
    """How much to do."""

    quick: bool

    def __call__(self, quick: int, full: int) -> int:
        """The count for this run."""
        return quick if self.quick else full


@dataclass(frozen=True)
class Subject:
    """Who is measured. ``run`` gives the figure of one round, or raises `Missing`."""

    name: str
    run: Callable[[], float]


Build: TypeAlias = "Callable[[Scale, ExitStack], list[Subject]]"


@dataclass(frozen=True)
class Row:
    """A question. ``build`` makes the inputs and gives the subjects, ours first.

    With ``at_least`` ours must be so many times the figure of ``against``, and of each one in ``also``; with ``below``
    our own figure has a limit, in ``unit``, and smaller is better. ``known`` is what others have been measured at
    against the same one, where they cannot run here.
    """

    key: str
    title: str
    unit: str
    build: Build
    at_least: float | None = None
    against: str = ""
    below: float | None = None
    also: tuple[tuple[float, str], ...] = ()
    known: str = ""

    @property
    def bars(self) -> list[tuple[float, str]]:
        """How many times whose figure ours must be."""
        return [] if self.at_least is None else [(self.at_least, self.against), *self.also]

    @property
    def required(self) -> str:
        """What is required, in words."""
        words = ", ".join(f">= {times:g}x {whose}" for times, whose in self.bars)
        if self.below is not None:
            words = f"< {self.below:g} {self.unit}"
        return f"{words} ({self.known})" if self.known else words


@dataclass
class Result:
    """What came out: the medians of the subjects' figures, and of their ratios to ours in each round."""

    key: str
    title: str
    unit: str
    required: str
    figures: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    verdict: str = ""

    def median(self, name: str) -> float:
        """The figure of one subject."""
        return statistics.median(self.figures[name])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"medians": {name: self.median(name) for name in self.figures}}


def _again(subject: Subject) -> float:
    """The figure of a round; when it fails, tried once more: pynetdicom's client may lose a response."""
    try:
        return subject.run()
    except Missing:
        return subject.run()


def _rounds(subjects: list[Subject], rounds: int, result: Result) -> None:
    for _ in range(rounds):
        for subject in subjects:
            if subject.name in result.missing:
                continue
            try:
                figure = _again(subject)
            except Missing as reason:
                result.missing[subject.name] = str(reason)
                result.figures.pop(subject.name, None)
            else:
                result.figures.setdefault(subject.name, []).append(figure)


def measure(row: Row, scale: Scale, rounds: int) -> Result:
    """Let the subjects of a row take turns, and judge."""
    result = Result(row.key, row.title, row.unit, row.required)
    with ExitStack() as stack:
        try:
            subjects = row.build(scale, stack)
        except Missing as reason:
            result.missing["pacskit"] = str(reason)
            result.verdict = "not run"
            return result
        _rounds(subjects, rounds, result)
    ours = result.figures.get(subjects[0].name)
    if ours is None:
        result.verdict = "not run"
        return result
    for name, theirs in result.figures.items():
        if theirs is not ours:
            result.ratios[name] = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    result.verdict = _judge(row, result, subjects[0].name)
    return result


def _judge(row: Row, result: Result, ours: str) -> str:
    if row.below is not None:
        return "ok" if result.median(ours) < row.below else "BELOW"
    if row.at_least is None:
        return ""
    if row.against not in result.ratios:
        return "not run"
    below = any(result.ratios.get(whose, times) < times for times, whose in row.bars)
    return "BELOW" if below else "ok"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _lines(result: Result) -> Iterator[tuple[str, ...]]:
    first, *others = [*result.figures] or ["pacskit"]
    shown = f"{_number(result.median(first))} {result.unit}" if first in result.figures else "-"
    yield result.title, first, shown, "", result.required, result.verdict
    for name in others:
        ratio = result.ratios.get(name)
        yield "", name, f"{_number(result.median(name))} {result.unit}", f"{ratio:.3g}x" if ratio else "", "", ""
    for name, reason in result.missing.items():
        yield "", name, f"not run: {reason}", "", "", ""


def table(results: Iterable[Result]) -> str:
    """The results as lines of text; a ratio is ours over theirs."""
    head = ("what", "subject", "figure", "ours/theirs", "required", "")
    lines = [head, *(line for result in results for line in _lines(result))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    widths[2] = max(len(line[2]) for line in lines if not line[2].startswith("not run"))
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([shown[0], "-" * min(160, sum(widths) + 10), *shown[1:]])

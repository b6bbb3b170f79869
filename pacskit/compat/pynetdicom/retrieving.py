"""C-GET and C-MOVE answered by handlers that yield what is to be sent (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pacskit.compat.pydicom.dataset import Dataset
from pacskit.compat.pynetdicom.datasets import encoded, is_dataset
from pacskit.compat.pynetdicom.status import code_to_category
from pacskit.core.status import Status

if TYPE_CHECKING:
    from pacskit.compat.pynetdicom.association import Association
    from pacskit.compat.pynetdicom.serving import Answers

__all__ = ["results_of", "serve_get", "serve_move"]

_log = logging.getLogger("pacskit.compat.pynetdicom")

_MAX_COUNT: Final = 0xFFFF  # a count has 16 bits


@dataclass(frozen=True)
class _Failures:
    """What pynetdicom answers where a handler goes wrong: it raises, or gives no count, destination or association."""

    raised: int
    count: int
    too_many: int
    destination: int = 0
    address: int = 0


_GET: Final = _Failures(raised=0xC411, count=0xC413, too_many=0xC416)
_MOVE: Final = _Failures(raised=0xC511, count=0xC513, too_many=0xC516, destination=0xC514, address=0xC515)


@dataclass
class _Counts:
    remaining: int
    failed: int = 0
    warning: int = 0
    completed: int = 0
    instances: list[str] = field(default_factory=list)

    def values(self, *, remaining: bool) -> dict[str, Any]:
        found: dict[str, Any] = {
            "number_of_failed_suboperations": self.failed,
            "number_of_warning_suboperations": self.warning,
            "number_of_completed_suboperations": self.completed,
        }
        return {**found, "number_of_remaining_suboperations": self.remaining} if remaining else found

    def add(self, dataset: Any, category: str) -> None:
        """Count a sub-operation."""
        self.remaining -= 1
        if category == "Success":
            self.completed += 1
        elif category == "Warning":
            self.warning += 1
        else:
            self.failed += 1
            if is_dataset(dataset) and "SOPInstanceUID" in dataset:
                self.instances.append(str(dataset.SOPInstanceUID))


class _Failed(Exception):
    """A handler went wrong; the status says how."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _step(answers: Answers, failure: int, what: Callable[[], Any]) -> Any:
    try:
        return what()
    except Exception as error:
        answers.failed(error)
        raise _Failed(failure) from error


def results_of(answers: Answers, handler: Iterator[Any], failure: int) -> Iterator[tuple[Any, Any]]:
    """The (status, data set) of a handler; one with ``failure`` where it raises."""
    try:
        yield from handler
    except Exception as error:
        answers.failed(error)
        yield failure, None


def serve_get(answers: Answers) -> None:
    """Answer a C-GET: the instances go out on the same association."""
    try:
        handler = _step(answers, _GET.raised, lambda: iter(answers.ask()))
        _retrieve(answers, handler, _GET, _count(answers, handler, _GET), answers.assoc, {})
    except _Failed as error:
        if answers.goes_on:
            answers.send(error.status)


def serve_move(answers: Answers) -> None:
    """Answer a C-MOVE: the instances go to the destination that the handler names."""
    request: Any = answers.request
    try:
        handler = _step(answers, _MOVE.raised, lambda: iter(answers.ask()))
        destination = _step(answers, _MOVE.destination, lambda: tuple(next(handler)))
        if None in destination[:2]:
            raise _Failed(Status.MOVE_DESTINATION_UNKNOWN)
        count = _count(answers, handler, _MOVE)
        if count < 1:
            _retrieve(answers, handler, _MOVE, count, answers.assoc, {})
            return
        store = _step(answers, _MOVE.address, lambda: _open(answers, destination))
        if not store.is_established:
            raise _Failed(Status.MOVE_DESTINATION_UNKNOWN)
    except _Failed as error:
        if answers.goes_on:
            answers.send(error.status)
        return
    originator = {"originator_aet": answers.assoc.ae.ae_title, "originator_id": request.message_id}
    try:
        _retrieve(answers, handler, _MOVE, count, store, originator)
    finally:
        store.release()


def _open(answers: Answers, destination: tuple[Any, ...]) -> Association:
    options = {"ae_title": answers.request.move_destination, **(destination[2] if len(destination) > 2 else {})}  # type: ignore[attr-defined]
    return answers.assoc.ae.associate(destination[0], destination[1], **options)


def _count(answers: Answers, handler: Iterator[Any], failures: _Failures) -> int:
    count: int = _step(answers, failures.count, lambda: int(next(handler)))
    if count > _MAX_COUNT:
        _log.error("a handler announced more than %d sub-operations", _MAX_COUNT)
        raise _Failed(failures.too_many)
    return count


def _retrieve(
    answers: Answers,
    handler: Iterator[Any],
    failures: _Failures,
    count: int,
    store: Association,
    originator: dict[str, Any],
) -> None:
    counts = _Counts(max(0, count))
    if counts.remaining:
        for status, dataset in results_of(answers, handler, failures.raised):
            if not answers.goes_on:
                return
            if not counts.remaining:
                _log.warning("a handler yielded more than it announced: the rest is not sent")
                break
            code = int(answers.response(status).status)
            category = code_to_category(code)
            if category != "Pending":
                _end(answers, counts, status, category, dataset)
                return
            if dataset is None:
                continue
            number = (answers.request.message_id + count - counts.remaining) % 0xFFFF + 1
            counts.add(dataset, _store(store, dataset, number, originator))
            if not answers.goes_on:
                return
            answers.send(status, **counts.values(remaining=True))
    _final(answers, counts, count)


def _store(store: Association, dataset: Any, number: int, originator: dict[str, Any]) -> str:
    """Send an instance; return the category of what came of it."""
    try:
        status = store.send_c_store(dataset, msg_id=number, **originator)
        return code_to_category(int(status.Status))
    except Exception as error:
        _log.warning("a C-STORE sub-operation failed: %s", error)
        return "Failure"


def _list(answers: Answers, counts: _Counts, dataset: Any) -> bytes:
    """The identifier of a response that names what failed (PS3.4 C.4.2.1.4.2)."""
    if not is_dataset(dataset) or "FailedSOPInstanceUIDList" not in dataset:
        dataset = Dataset()
        dataset.FailedSOPInstanceUIDList = counts.instances
    return encoded(dataset, answers.syntax, "Identifier")


def _end(answers: Answers, counts: _Counts, status: Any, category: str, dataset: Any) -> None:
    """The handler ends it by itself."""
    if category == "Success":
        whole = not counts.failed and not counts.warning
        data = None if whole else _list(answers, counts, None)
        code = status if whole else Status.SUB_OPERATIONS_WARNING
        answers.send(code, data, **counts.values(remaining=False))
        return
    if category == "Unknown":
        answers.send(status)
        return
    cancelled = category == "Cancel"
    if not cancelled:
        counts.failed += counts.remaining
    answers.send(status, _list(answers, counts, dataset), **counts.values(remaining=cancelled))


def _final(answers: Answers, counts: _Counts, count: int) -> None:
    if not answers.goes_on:
        return
    if not counts.failed and not counts.warning:
        answers.send(Status.SUCCESS, **counts.values(remaining=False))
        return
    nothing = counts.failed == count
    status = Status.OUT_OF_RESOURCES_SUB_OPERATIONS if nothing else Status.SUB_OPERATIONS_WARNING
    answers.send(status, _list(answers, counts, None), **counts.values(remaining=False))

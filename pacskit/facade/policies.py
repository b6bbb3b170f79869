"""What the conformance statement says of refusals, deadlines and statuses, with the values that the code uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pacskit.core.status import Status
from pacskit.network.admission import LOCAL_LIMIT_EXCEEDED, NOT_ADMITTED, TEMPORARY_CONGESTION
from pacskit.network.config import Timeouts
from pacskit.network.identity import NOT_IDENTIFIED
from pacskit.network.negotiation import MIN_PDU
from pacskit.network.pdu import AssociateReject

__all__ = ["REFUSALS", "policies", "statuses", "table"]

REFUSALS: Final[tuple[tuple[AssociateReject, str], ...]] = (
    (NOT_ADMITTED, "the address is in none of the networks that may connect (setting)"),
    (TEMPORARY_CONGESTION, "more associations a second than the peer may open (setting)"),
    (LOCAL_LIMIT_EXCEEDED, "no room for another association, or for another one of this peer (setting)"),
    (AssociateReject(1, 2, 2), "no version of the protocol that it knows"),
    (AssociateReject(1, 1, 2), "another application context"),
    (AssociateReject(1, 1, 7), "the called AE title is not its own, nor one of its others (setting)"),
    (AssociateReject(1, 1, 3), "the calling AE title may not call (setting), or belongs to another certificate"),
    (AssociateReject(1, 1, 1), f"the peer receives PDUs of less than {MIN_PDU} bytes only"),
    (NOT_IDENTIFIED, "the authenticator does not accept the user (setting)"),
)
_DEADLINES: Final = {
    "connect": "TCP connection to a move destination",
    "handshake": "agreement on TLS",
    "acse": "association establishment; ARTIM timer (PS3.8 9.1.5)",
    "dimse": "a message to come in or go out, and an answer to come; a longer message has to keep moving",
    "idle": "the next request",
    "release": "the answer to a release; the peer's closing",
}
_ANSWERS: Final = (
    ("C-ECHO", Status.SUCCESS, "always"),
    ("C-STORE", Status.SUCCESS, "kept; or stored already, and duplicates are ignored or replaced"),
    ("C-STORE", Status.DUPLICATE_INSTANCE, "stored already, and duplicates are rejected"),
    ("C-STORE", Status.OUT_OF_RESOURCES, "no room, longer than the limit (setting), or the store fails"),
    ("C-STORE", Status.DOES_NOT_MATCH_CLASS, "UIDs are missing, or are not those of the command"),
    ("C-STORE", Status.CANNOT_UNDERSTAND, "the data set is missing or damaged"),
    ("C-FIND", Status.PENDING, "an answer"),
    ("C-FIND", Status.PENDING_WARNING, "an answer, and a key is not supported"),
    ("C-FIND, C-MOVE, C-GET", Status.SUCCESS, "all answers are out; all sub-operations have succeeded"),
    ("C-FIND, C-MOVE, C-GET", Status.CANCEL, "after a C-CANCEL"),
    (
        "C-FIND, C-MOVE, C-GET",
        Status.DOES_NOT_MATCH_CLASS,
        "the identifier is missing, has no level or lacks a unique key",
    ),
    ("C-FIND, C-MOVE, C-GET", Status.UNABLE_TO_PROCESS, "the identifier is damaged, or something else has failed"),
    ("C-FIND, C-MOVE, C-GET", Status.OUT_OF_RESOURCES, "the index fails"),
    ("C-MOVE, C-GET", Status.PENDING, "sub-operations are still to come"),
    ("C-MOVE, C-GET", Status.SUB_OPERATIONS_WARNING, "some sub-operations have failed or warned"),
    ("C-MOVE, C-GET", Status.OUT_OF_RESOURCES_SUB_OPERATIONS, "all sub-operations have failed"),
    ("C-MOVE", Status.MOVE_DESTINATION_UNKNOWN, "the move destination is not known"),
    ("any", Status.CLASS_NOT_SUPPORTED, "not the SCP in this presentation context"),
    ("any", Status.UNRECOGNIZED_OPERATION, "another operation than the SOP class has"),
)


def table(head: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield the lines of a Markdown table; ``head`` has its columns, parted by bars."""
    names = head.split("|")
    yield f"| {' | '.join(names)} |"
    yield f"|{' --- |' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def policies() -> Iterator[str]:
    """Yield why associations are refused, and how long is waited."""
    yield from ("### Refused associations (PS3.8 9.3.4)", "", "Looked at in this order.", "")
    yield from table("result|source|reason|when", [(*_numbers(reject), when) for reject, when in REFUSALS])
    yield from ("", "### Deadlines", "", "Settings; what exceeds one is ended, an association by an abort.", "")
    timeouts = Timeouts()
    yield from table(
        "name|seconds|what for", [(name, f"{getattr(timeouts, name):g}", what) for name, what in _DEADLINES.items()]
    )


def _numbers(reject: AssociateReject) -> tuple[str, str, str]:
    kind = "permanent" if reject.result == 1 else "transient"
    return f"{reject.result} ({kind})", str(reject.source), str(reject.reason)


def statuses() -> Iterator[str]:
    """Yield which status each service answers, and when."""
    return table("service|status|when", [(name, f"0x{status:04X}", when) for name, status, when in _ANSWERS])

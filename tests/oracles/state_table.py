"""PS3.8 table 9-10 and tables 9-6 to 9-9 as data, read down the columns: a twin of the machine, all look-up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

__all__ = ["ACTIONS", "COLUMNS", "LOCAL", "Outcome", "Table"]

# The table as the standard prints it, read down each column (a state): event number → action.
_PROVIDER_ABORTS: Final = {3: "AA-8", 4: "AA-8", 6: "AA-8", 10: "AA-8", 12: "AA-8", 13: "AA-8", 19: "AA-8"}
_ENDS: Final = {16: "AA-3", 17: "AA-4"}
_ANY: Final = {**_PROVIDER_ABORTS, **_ENDS, 15: "AA-1"}
COLUMNS: Final[dict[int, dict[int, str]]] = {
    1: {1: "AE-1", 5: "AE-5"},
    2: {
        3: "AA-1",
        4: "AA-1",
        6: "AE-6",
        10: "AA-1",
        12: "AA-1",
        13: "AA-1",
        16: "AA-2",
        17: "AA-5",
        18: "AA-2",
        19: "AA-1",
    },
    3: {**_ANY, 7: "AE-7", 8: "AE-8"},
    4: {2: "AE-2", 15: "AA-2", 17: "AA-4"},
    5: {**_ANY, 3: "AE-3", 4: "AE-4"},
    6: {**_ANY, 9: "DT-1", 10: "DT-2", 11: "AR-1", 12: "AR-2"},
    7: {**_ANY, 10: "AR-6", 12: "AR-8", 13: "AR-3"},
    8: {**_ANY, 9: "AR-7", 14: "AR-4"},
    9: {**_ANY, 14: "AR-9"},
    10: {**_ANY, 13: "AR-10"},
    11: {**_ANY, 13: "AR-3"},
    12: {**_ANY, 14: "AR-4"},
    13: {
        3: "AA-6",
        4: "AA-6",
        6: "AA-7",
        10: "AA-6",
        12: "AA-6",
        13: "AA-6",
        16: "AA-2",
        17: "AR-5",
        18: "AA-2",
        19: "AA-7",
    },
}
LOCAL: Final = frozenset({1, 2, 5, 7, 8, 9, 11, 14})  # what the user asks for: refused where the cell is empty


class Outcome(NamedTuple):
    """Tables 9-6 to 9-9: what an action does. ``timer`` is True started, False stopped, None untouched."""

    state: int
    sent: int | None = None  # PDU type
    source: int | None = None  # of an A-ABORT
    indication: str | None = None  # the name of our class
    timer: bool | None = None
    closes: bool = False


ACTIONS: Final = {
    "AE-1": Outcome(4),
    "AE-2": Outcome(5, sent=1),
    "AE-3": Outcome(6, indication="AssociateConfirmation"),
    "AE-4": Outcome(1, indication="AssociateRejected", closes=True),
    "AE-5": Outcome(2, timer=True),
    "AE-6": Outcome(3, indication="AssociateIndication", timer=False),
    "AE-7": Outcome(6, sent=2),
    "AE-8": Outcome(13, sent=3, timer=True),
    "DT-1": Outcome(6),
    "DT-2": Outcome(6, indication="Pdv"),
    "AR-1": Outcome(7, sent=5),
    "AR-2": Outcome(8, indication="ReleaseIndication"),
    "AR-3": Outcome(1, indication="ReleaseConfirmation", closes=True),
    "AR-4": Outcome(13, sent=6, timer=True),
    "AR-5": Outcome(1, timer=False),
    "AR-6": Outcome(7, indication="Pdv"),
    "AR-7": Outcome(8),
    "AR-8": Outcome(0, indication="ReleaseIndication"),  # Sta9 for the requestor, Sta10 for the acceptor
    "AR-9": Outcome(11, sent=6),
    "AR-10": Outcome(12, indication="ReleaseConfirmation"),
    "AA-1": Outcome(13, sent=7, source=0, indication="Aborted", timer=True),
    "AA-2": Outcome(1, timer=False, closes=True),
    "AA-3": Outcome(1, indication="Aborted", closes=True),
    "AA-4": Outcome(1, indication="Aborted"),
    "AA-5": Outcome(1, timer=False),
    "AA-6": Outcome(13),
    "AA-7": Outcome(13, sent=7, source=2),
    "AA-8": Outcome(13, sent=7, source=2, indication="Aborted", timer=True),
}
# The other half of AE-6: a protocol version that is not acceptable.
_UNACCEPTABLE: Final = Outcome(13, sent=3, indication="AssociateRejected", timer=True)


@dataclass
class Table:
    """An association as the table has it: nothing but look-ups. ``deaf`` because no PDU follows an invalid one."""

    is_requestor: bool
    state: int = 1
    deaf: bool = False
    timer: str | None = None  # the action that has started ARTIM, None while it is stopped
    starts: int = 0
    closes: bool = False
    sent: list[tuple[int, ...]] = field(default_factory=list)  # PDU type; of an A-ABORT its source and reason too
    indicated: list[str] = field(default_factory=list)

    def happens(self, event: int, *, reason: int = 2, acceptable: bool = True) -> bool:
        """Let ``event`` happen; return whether its cell says anything. ``reason`` is that of a provider's A-ABORT."""
        if event == 19:
            self.deaf = True
        if event == 18:
            self.timer = None
        action = COLUMNS[self.state].get(event)
        if action is None:
            return False
        outcome = ACTIONS[action] if acceptable or action != "AE-6" else _UNACCEPTABLE
        if outcome.sent == 7 and outcome.source is not None:
            self.sent.append((7, outcome.source, reason if outcome.source == 2 else 0))
        elif outcome.sent is not None:
            self.sent.append((outcome.sent,))
        if outcome.indication is not None:
            self.indicated.append(outcome.indication)
        elif action in {"AA-2", "AA-5"} and self.state != 13:
            self.indicated.append("Aborted")  # ours: who waits is told in any case
        if outcome.timer is not None:
            self.timer = action if outcome.timer else None
            self.starts += outcome.timer
        self.closes = self.closes or outcome.closes
        self.state = outcome.state or (9 if self.is_requestor else 10)
        return True

"""What an archive keeps beside the objects: plain records, each of a kind, with a key and columns to ask by.

Moments are texts as DICOM has them (``YYYYMMDDHHMMSS.ffffff`` in UTC), so that they sort. A field that a newer release
adds has a default; one that it drops is ignored. `pacskit.storage.index.collection.Collection` keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

__all__ = [
    "Annotation",
    "AuditRecord",
    "Commitment",
    "KeyImage",
    "LegalHold",
    "Measurement",
    "NotRecompressed",
    "PerformedStep",
    "PrefetchHistory",
    "PrefetchRule",
    "RecentStudy",
    "RemoteNode",
    "RouteRule",
    "SyncConfig",
    "SyncConflict",
    "SyncHistory",
    "UpsSubscription",
    "User",
    "ViewerState",
    "Webhook",
    "WebhookState",
    "WorkItem",
    "WorklistItem",
]


@dataclass(frozen=True, slots=True)
class PerformedStep:
    """A modality performed procedure step (PS3.4 F)."""

    KIND: ClassVar[str] = "mpps"
    KEY: ClassVar[str] = "uid"
    INDEXED: ClassVar[tuple[str, ...]] = ("status", "station", "study_uid", "accession_number", "started")

    uid: str
    status: str = "IN PROGRESS"
    station: str = ""
    study_uid: str = ""
    accession_number: str = ""
    started: str = ""
    ended: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WorklistItem:
    """A scheduled procedure step (PS3.4 K)."""

    KIND: ClassVar[str] = "worklist"
    KEY: ClassVar[str] = "step_id"
    INDEXED: ClassVar[tuple[str, ...]] = (
        "patient_id", "accession_number", "modality", "station", "scheduled", "status", "study_uid",
    )  # fmt: skip

    step_id: str
    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""
    modality: str = ""
    station: str = ""
    scheduled: str = ""
    status: str = "SCHEDULED"
    study_uid: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Something that somebody did (PS3.15 A.5)."""

    KIND: ClassVar[str] = "audit"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("time", "event", "outcome", "user", "patient_id", "study_uid")

    id: str
    time: str
    event: str
    outcome: str = "0"
    user: str = ""
    source: str = ""
    patient_id: str = ""
    study_uid: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteNode:
    """A peer: where it is, and what it is for."""

    KIND: ClassVar[str] = "node"
    KEY: ClassVar[str] = "name"
    INDEXED: ClassVar[tuple[str, ...]] = ("ae", "status")

    name: str
    ae: str
    host: str
    port: int = 104
    tls: bool = False
    services: tuple[str, ...] = ()
    status: str = "unknown"
    checked: str = ""


@dataclass(frozen=True, slots=True)
class RouteRule:
    """Where instances go that meet conditions."""

    KIND: ClassVar[str] = "route"
    KEY: ClassVar[str] = "name"
    INDEXED: ClassVar[tuple[str, ...]] = ("enabled", "priority")

    name: str
    enabled: bool = True
    priority: int = 0
    conditions: tuple[Mapping[str, Any], ...] = ()
    destinations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncConfig:
    """What is kept the same here and at a node."""

    KIND: ClassVar[str] = "sync"
    KEY: ClassVar[str] = "name"
    INDEXED: ClassVar[tuple[str, ...]] = ("node", "enabled")

    name: str
    node: str
    enabled: bool = True
    direction: str = "both"
    days: int = 7
    schedule: str = ""


@dataclass(frozen=True, slots=True)
class SyncConflict:
    """A study that differs here and at a node."""

    KIND: ClassVar[str] = "sync conflict"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("config", "study_uid", "resolution", "found")

    id: str
    config: str
    study_uid: str
    found: str
    kind: str = ""
    resolution: str = ""
    resolved: str = ""


@dataclass(frozen=True, slots=True)
class SyncHistory:
    """One run of a synchronization."""

    KIND: ClassVar[str] = "sync history"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("config", "started", "outcome")

    id: str
    config: str
    started: str
    ended: str = ""
    outcome: str = ""
    checked: int = 0
    transferred: int = 0
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class PrefetchRule:
    """Which earlier studies are fetched before they are asked for."""

    KIND: ClassVar[str] = "prefetch"
    KEY: ClassVar[str] = "name"
    INDEXED: ClassVar[tuple[str, ...]] = ("enabled", "trigger")

    name: str
    trigger: str = "worklist"
    enabled: bool = True
    modalities: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    days: int = 365
    studies: int = 10


@dataclass(frozen=True, slots=True)
class PrefetchHistory:
    """A study that was fetched, or is to be."""

    KIND: ClassVar[str] = "prefetch history"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("rule", "patient_id", "study_uid", "status", "asked")

    id: str
    rule: str
    patient_id: str
    study_uid: str
    asked: str
    node: str = ""
    status: str = "pending"
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A mark on an image: its geometry in pixels, and how it looks."""

    KIND: ClassVar[str] = "annotation"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("instance_uid", "study_uid", "user", "type")

    id: str
    instance_uid: str
    study_uid: str
    type: str
    user: str = ""
    frame: int = 1
    text: str = ""
    geometry: Mapping[str, Any] = field(default_factory=dict)
    style: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured on an image."""

    KIND: ClassVar[str] = "measurement"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("instance_uid", "study_uid", "user", "type")

    id: str
    instance_uid: str
    study_uid: str
    type: str
    value: float = 0.0
    unit: str = ""
    user: str = ""
    frame: int = 1
    label: str = ""
    geometry: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True, slots=True)
class KeyImage:
    """An image that somebody pointed out."""

    KIND: ClassVar[str] = "key image"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("study_uid", "instance_uid", "user")

    id: str
    study_uid: str
    instance_uid: str
    frame: int = 1
    user: str = ""
    reason: str = ""
    created: str = ""


@dataclass(frozen=True, slots=True)
class ViewerState:
    """How somebody left a study in a viewer."""

    KIND: ClassVar[str] = "viewer state"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("study_uid", "user")

    id: str
    study_uid: str
    user: str
    state: Mapping[str, Any] = field(default_factory=dict)
    saved: str = ""


@dataclass(frozen=True, slots=True)
class RecentStudy:
    """A study that somebody opened."""

    KIND: ClassVar[str] = "recent study"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("user", "opened")

    id: str
    user: str
    study_uid: str
    opened: str


@dataclass(frozen=True, slots=True)
class Commitment:
    """A storage commitment that was asked for (PS3.4 J): pairs of SOP class and instance, and what became of them."""

    KIND: ClassVar[str] = "commitment"
    KEY: ClassVar[str] = "transaction_uid"
    INDEXED: ClassVar[tuple[str, ...]] = ("status", "requester", "asked")

    transaction_uid: str
    requester: str
    asked: str
    status: str = "pending"
    ended: str = ""
    references: tuple[Mapping[str, Any], ...] = ()
    failed: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A unified procedure step (PS3.4 CC)."""

    KIND: ClassVar[str] = "ups"
    KEY: ClassVar[str] = "uid"
    INDEXED: ClassVar[tuple[str, ...]] = ("state", "worklist_label", "station", "scheduled", "priority", "patient_id")

    uid: str
    state: str = "SCHEDULED"
    priority: str = "MEDIUM"
    label: str = ""
    worklist_label: str = ""
    station: str = ""
    scheduled: str = ""
    patient_id: str = ""
    transaction_uid: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UpsSubscription:
    """Who is told about a unified procedure step, or about all that meet a filter (PS3.4 CC.2.3)."""

    KIND: ClassVar[str] = "ups subscription"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("ae", "workitem_uid")

    id: str
    ae: str
    workitem_uid: str = ""
    deletion_lock: bool = False
    suspended: bool = False
    filter: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Who is told of changes (`pacskit.client.webhooks`); ``id`` is drawn when it is added."""

    KIND: ClassVar[str] = "webhook"
    KEY: ClassVar[str] = "name"
    INDEXED: ClassVar[tuple[str, ...]] = ()

    name: str
    url: str
    id: str = ""
    kinds: tuple[str, ...] = ()
    where: Mapping[str, Any] = field(default_factory=dict)
    secret: str = field(default="", repr=False)
    created: str = ""


@dataclass(frozen=True, slots=True)
class WebhookState:
    """How far a webhook is: it has taken the changes up to ``cursor``, and is given those up to ``upto``.

    ``owner`` is the process that delivers, until the moment ``until``; ``due`` is when it is tried again. Both are
    seconds since 1970 by the clock of the index.
    """

    KIND: ClassVar[str] = "webhook-state"
    KEY: ClassVar[str] = "name"
    INDEXED: ClassVar[tuple[str, ...]] = ()

    name: str
    id: str = ""
    cursor: int = 0
    upto: int = 0
    paused: bool = False
    failures: int = 0
    error: str = ""
    due: float = 0.0
    owner: str = ""
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may do something; ``credential`` is never a password as it was typed."""

    KIND: ClassVar[str] = "user"
    KEY: ClassVar[str] = "name"
    INDEXED: ClassVar[tuple[str, ...]] = ("active",)

    name: str
    roles: tuple[str, ...] = ()
    active: bool = True
    credential: str = field(default="", repr=False)
    full_name: str = ""
    last_login: str = ""


@dataclass(frozen=True, slots=True)
class NotRecompressed:
    """An instance that stays in its transfer syntax, as it cannot be had smaller without loss, and why."""

    KIND: ClassVar[str] = "not recompressed"
    KEY: ClassVar[str] = "uid"
    INDEXED: ClassVar[tuple[str, ...]] = ("syntax",)

    uid: str
    syntax: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class LegalHold:
    """A study, or all of a patient, that must not be deleted; `pacskit.storage.lifecycle.Holds` puts them on."""

    KIND: ClassVar[str] = "hold"
    KEY: ClassVar[str] = "id"
    INDEXED: ClassVar[tuple[str, ...]] = ("study_uid", "patient_id")

    id: str
    study_uid: str = ""
    patient_id: str = ""
    reason: str = ""
    by: str = ""
    since: str = ""

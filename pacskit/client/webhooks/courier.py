"""Who delivers to one hook: in every process there is one, and one of them at a time has the lease.

A courier that finds changes claims the hook, in a transaction that also says up to which change the delivery goes, so
that a delivery that is tried again has the same ID and the same body. It keeps the lease while there is more, and gives
it back. One that dies leaves a lease that ends by itself; then another one goes on where it was.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from fnmatch import fnmatchcase
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from pacskit.client.webhooks.posting import DeliveryFailed, Post, WebhookSettings
from pacskit.client.webhooks.signing import sign
from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage.entities import Webhook, WebhookState
from pacskit.storage.errors import ChangesExpired, RecordConflict
from pacskit.storage.index.changes import CHANGES_TOPIC, Change
from pacskit.storage.index.collection import Collection, Kept
from pacskit.storage.index.dialect import Dialect
from pacskit.storage.index.repository import SqlIndex

if TYPE_CHECKING:
    import ssl

__all__ = ["HOOKS_TOPIC", "Courier", "delivery_of"]

HOOKS_TOPIC: Final = "webhooks"
_MOST: Final = 100  # changes in a delivery
_FAR: Final = 2000  # changes after which a hook that wants none of them says that it has seen them
_MARGIN: Final = 5.0  # seconds of a lease beyond the time that a delivery may take
_UNREADABLE: Final = 5.0  # seconds until an index that could not be read is read again
_GONE: Final = 410

_log = logging.getLogger("pacskit.webhooks")


def delivery_of(hook: Webhook, changes: Iterable[Change]) -> tuple[str, bytes]:
    """Return the ID and the body of a delivery; they are the same each time."""
    told = [{name: value for name, value in asdict(one).items() if value} for one in changes]
    last = told[-1]
    moment = last["moment"]
    stamp = f"{moment[:4]}-{moment[4:6]}-{moment[6:8]}T{moment[8:10]}:{moment[10:12]}:{moment[12:14]}{moment[14:]}Z"
    body = {"type": "changes", "timestamp": stamp, "data": {"webhook": hook.name, "changes": told}}
    return f"{hook.id}.{last['number']}", json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(hook: Webhook, delivery: str, body: bytes) -> dict[str, str]:
    """Return the headers of an attempt."""
    now = int(time.time())
    return {
        "webhook-id": delivery,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(hook.secret, delivery, now, body),
    }


def _wants(hook: Webhook, change: Change) -> bool:
    if hook.kinds and not any(fnmatchcase(change.kind, kind) for kind in hook.kinds):
        return False
    for name, pattern in hook.where.items():
        value = getattr(change, name, None) or change.detail.get(name)
        if value is None or not fnmatchcase(str(value), str(pattern)):
            return False
    return True


class Courier:
    """Delivers what one hook wants, in a thread, as long as the hook is there."""

    def __init__(self, index: SqlIndex, hook: Webhook, settings: WebhookSettings, owner: str) -> None:
        self.hook = hook
        self._index = index
        self._settings = settings
        self._owner = owner
        self._states = Collection(index, WebhookState)
        self._seen = 0  # of the changes up to here, this hook wants none that it has not got
        self._cursor = 0
        self._context: ssl.SSLContext | None = None
        self._post: Post | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pacskit-webhook", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say that it is over; a delivery that is under way is broken off, and comes again."""
        with self._lock:
            self._stopping.set()
            if self._post is not None:
                self._post.abort()

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._thread.join(seconds)

    def _run(self) -> None:
        news = self._index.news
        while not self._stopping.is_set() and not news.is_closed:
            topics: tuple[str, ...] = (HOOKS_TOPIC, CHANGES_TOPIC)
            count, hooks = news.count(*topics), news.count(HOOKS_TOPIC)
            try:
                pause, wants_changes = self._step()
            except StorageError as error:
                if self._stopping.is_set() or news.is_closed:
                    return
                _log.error("webhook %s waits for the index: %s", self.hook.name, error)
                pause, wants_changes = _UNREADABLE, False
            if not wants_changes:
                topics, count = (HOOKS_TOPIC,), hooks
            if pause != 0 and not self._stopping.is_set():
                news.wait(*topics, count=count, timeout=pause)

    def _step(self) -> tuple[float | None, bool]:
        """Do what there is to do; return for how long to wait then, and whether a change is a reason to go on."""
        kept = self._states.get(self.hook.name)
        if kept is None or kept.record.id != self.hook.id or kept.record.paused:
            return None, False
        state, now = kept.record, self._now()
        if state.owner not in {"", self._owner} and state.until > now:
            return state.until - now, False
        if state.due > now:
            return state.due - now, False
        try:
            batch = self._batch(state)
        except ChangesExpired as error:
            self._pause(kept, str(error))
            return None, False
        if not batch:
            self._skip(kept)
            return None, True
        try:
            version = self._claim(kept, batch)
        except RecordConflict:  # somebody else was first, or has changed it
            return 0, True
        self._deliver(version, batch)
        return 0, True

    def _now(self) -> float:
        if self._index.dialect == Dialect.SQLITE:
            return time.time()  # one machine
        with self._index.reader() as connection:
            return float(connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()[0])

    def _batch(self, state: WebhookState) -> list[Change]:
        """Return the changes of the next delivery; of one that has been begun, those that it had."""
        if state.cursor < self._cursor:  # somebody wants it to go back
            self._seen = 0
        self._cursor = state.cursor
        after = max(state.cursor, self._seen)
        if state.upto > state.cursor:
            wanted = (one for one in self._index.changes(state.cursor) if _wants(self.hook, one))
            return [one for one in islice(wanted, _MOST) if one.number <= state.upto]
        last = self._index.last_change()
        if last < after:  # an older copy of the index: the feed says so
            after = state.cursor
        batch = list(islice((one for one in self._index.changes(after) if _wants(self.hook, one)), _MOST))
        if not batch:
            self._seen = last
        return batch

    def _skip(self, kept: Kept[WebhookState]) -> None:
        """Say now and then that there was nothing for this hook, so that the feed may forget it."""
        if self._seen - kept.record.cursor >= _FAR or kept.record.upto > kept.record.cursor:
            self._put(replace(kept.record, cursor=max(self._seen, kept.record.upto), upto=0), kept.version)

    def _claim(self, kept: Kept[WebhookState], batch: list[Change]) -> int:
        until = self._now() + self._settings.timeout + _MARGIN
        state = replace(kept.record, owner=self._owner, until=until, upto=batch[-1].number)
        return self._states.put(state, version=kept.version)

    def _deliver(self, version: int, batch: list[Change]) -> None:
        """Deliver until there is nothing more, or it fails, or the lease is lost."""
        delivery, body = delivery_of(self.hook, batch)
        failure = self._send(delivery, body)
        while True:
            kept = self._states.get(self.hook.name)
            if kept is None or (kept.record.id, kept.record.owner) != (self.hook.id, self._owner):
                return  # it has been removed, or took so long that somebody else has it
            try:
                self._states.put(self._after(kept.record, batch[-1].number, failure), version=kept.version)
            except RecordConflict:  # it has been paused meanwhile, say
                continue
            return

    def _send(self, delivery: str, body: bytes) -> DeliveryFailed | None:
        try:
            if self._context is None and self.hook.url.startswith("https:"):
                self._context = self._settings.context()
        except ConfigurationError as error:
            return DeliveryFailed(str(error))
        post = Post(self.hook.url, body, headers_of(self.hook, delivery, body), self._settings, self._context)
        with self._lock:
            if self._stopping.is_set():
                return DeliveryFailed("it is over")
            self._post = post
        try:
            post.send()
        except DeliveryFailed as error:
            self._context = None  # there may be another CA by now
            return error
        finally:
            with self._lock:
                self._post = None
        return None

    def _after(self, state: WebhookState, number: int, failure: DeliveryFailed | None) -> WebhookState:
        """Return what a hook is after an attempt."""
        state = replace(state, owner="", until=0.0)
        if failure is not None and self._stopping.is_set():  # it is our fault, and comes again
            return state
        if failure is None:
            return replace(state, cursor=number, upto=0, failures=0, error="", due=0.0)
        settings, failures = self._settings, state.failures + 1
        pause = min(settings.longest_pause, settings.pause * 2.0 ** min(failures - 1, 30))
        paused = state.paused or failures >= settings.attempts or failure.status == _GONE
        if paused:
            _log.error("webhook %s is paused after %d failures: %s", state.name, failures, failure)
        else:
            _log.warning("webhook %s failed %d times, again in %.0f s: %s", state.name, failures, pause, failure)
        return replace(state, failures=failures, error=str(failure), due=self._now() + pause, paused=paused)

    def _pause(self, kept: Kept[WebhookState], error: str) -> None:
        _log.error("webhook %s is paused: %s", kept.record.name, error)
        self._put(replace(kept.record, paused=True, error=error), kept.version)

    def _put(self, state: WebhookState, version: int) -> Any:
        try:
            self._states.put(state, version=version)
        except RecordConflict:
            _log.debug("webhook %s has been changed meanwhile", state.name)

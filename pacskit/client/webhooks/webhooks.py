"""The webhooks of an archive: who is told what, how far that has come, and the couriers that do it."""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from pacskit.client.webhooks.courier import HOOKS_TOPIC, Courier, headers_of
from pacskit.client.webhooks.posting import Post, WebhookSettings, check_url
from pacskit.client.webhooks.signing import key_of, new_secret
from pacskit.core.errors import ConfigurationError, StorageError
from pacskit.storage.entities import Webhook, WebhookState
from pacskit.storage.errors import RecordConflict
from pacskit.storage.index.collection import Collection, Kept
from pacskit.storage.index.repository import SqlIndex
from pacskit.storage.index.writing import Transaction

__all__ = ["HookStatus", "Webhooks"]

_PAGE: Final = 200
_UNREADABLE: Final = 5.0  # seconds until an index that could not be read is read again

_log = logging.getLogger("pacskit.webhooks")


@dataclass(frozen=True, slots=True)
class HookStatus:
    """A hook, and how far it is: ``cursor`` is the last change that it has taken, ``error`` why the last one failed."""

    hook: Webhook
    cursor: int
    paused: bool
    failures: int
    error: str


class Webhooks:
    """Who is told of changes. Calls may come from many threads and processes; hooks are records of the index."""

    def __init__(self, index: SqlIndex, settings: WebhookSettings | None = None) -> None:
        self._index = index
        self._settings = settings or WebhookSettings()
        self._hooks = Collection(index, Webhook)
        self._states = Collection(index, WebhookState)
        self._owner = secrets.token_hex(8)
        self._couriers: dict[str, Courier] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(
        self,
        name: str,
        url: str,
        *,
        kinds: Iterable[str] = (),
        where: Mapping[str, str] | None = None,
        secret: str | None = None,
        after: int | None = None,
    ) -> Webhook:
        """Tell ``url`` of changes, from now on or those after a number; return the hook, with its secret.

        ``kinds`` are patterns of kinds (``study.*``), ``where`` patterns of what a change names (``patient_id``,
        ``modality`` …); without them it is told of all. ``secret`` is ``whsec_`` and Base64; without one it is drawn.
        Raises ConfigurationError, also where there is a hook of this name.
        """
        check_url(url)
        key_of(secret if secret is not None else new_secret())
        last = self._index.last_change()
        if after is not None and not 0 <= after <= last:
            raise ConfigurationError(f"the changes so far are 1 to {last}; none is {after}")
        hook = Webhook(
            name, url, secrets.token_hex(8), tuple(kinds), dict(where or {}), secret or new_secret(),
            f"{datetime.now(UTC):%Y%m%d%H%M%S.%f}",
        )  # fmt: skip
        state = WebhookState(name, hook.id, last if after is None else after)

        def work(batch: Transaction) -> None:
            self._hooks.put(hook, version=0, batch=batch)
            self._states.put(state, batch=batch)

        try:
            self._run(work)
        except RecordConflict:
            raise ConfigurationError(f"there is a webhook {name!r} already") from None
        return hook

    def _run(self, work: Callable[[Transaction], Any]) -> Any:
        """Change hooks, and tell all who deliver."""

        def announced(batch: Transaction) -> Any:
            batch.announce(HOOKS_TOPIC)
            return work(batch)

        return self._index.run(announced)

    def remove(self, name: str) -> None:
        """Tell it nothing more; KeyError where there is no such hook."""

        def work(batch: Transaction) -> bool:
            self._states.delete(name, batch=batch)
            return self._hooks.delete(name, batch=batch)

        if not self._run(work):
            raise KeyError(name)

    def list(self) -> Sequence[HookStatus]:
        """Return all hooks, and how far each is."""
        found: list[HookStatus] = []
        after = ""
        while page := self._hooks.list(limit=_PAGE, after=after):
            states = [self._states.get(one.record.name) for one in page]
            found += [_status(one.record, kept) for one, kept in zip(page, states, strict=True)]
            after = page[-1].record.name
        return found

    def get(self, name: str) -> HookStatus:
        """Return a hook, and how far it is; KeyError where there is none."""
        return _status(self._get(name), self._states.get(name))

    def _get(self, name: str) -> Webhook:
        kept = self._hooks.get(name)
        if kept is None:
            raise KeyError(name)
        return kept.record

    def pause(self, name: str) -> None:
        """Tell it nothing until `resume`; what happens meanwhile is told then, as far as the feed reaches back."""
        self._change(name, lambda state: replace(state, paused=True))

    def resume(self, name: str, *, after: int | None = None) -> None:
        """Go on where it was, or with the changes after a number; failures count from 0 again."""
        last = self._index.last_change()
        if after is not None and not 0 <= after <= last:
            raise ConfigurationError(f"the changes so far are 1 to {last}; none is {after}")

        def changed(state: WebhookState) -> WebhookState:
            state = replace(state, paused=False, failures=0, error="", due=0.0)
            return state if after is None else replace(state, cursor=after, upto=0, owner="", until=0.0)

        self._change(name, changed)

    def _change(self, name: str, change: Callable[[WebhookState], WebhookState]) -> None:
        while True:
            kept = self._states.get(name)
            if kept is None:
                raise KeyError(name)
            try:
                self._run(partial(self._put, change(kept.record), kept.version))
            except RecordConflict:  # a courier has just written how far it is
                continue
            return

    def _put(self, state: WebhookState, version: int, batch: Transaction) -> int:
        return self._states.put(state, version=version, batch=batch)

    def test(self, name: str) -> int:
        """Send it a delivery of type ``test``, from this process; return the HTTP status. Raises DeliveryFailed."""
        hook = self._get(name)
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
        body = json.dumps({"type": "test", "timestamp": now, "data": {"webhook": name}}, ensure_ascii=False).encode()
        delivery = f"{hook.id}.test.{secrets.token_hex(8)}"
        return Post(hook.url, body, headers_of(hook, delivery, body), self._settings).send()

    # delivering

    def start(self) -> None:
        """Deliver, in the background, together with all other processes that do; twice is once."""
        with self._lock:
            if self._thread is None:
                self._stopping.clear()
                self._thread = threading.Thread(target=self._deliver, name="pacskit-webhooks", daemon=True)
                self._thread.start()

    def stop(self, grace: float = 1.5) -> None:
        """Stop delivering: what is under way is broken off, and delivered by who goes on."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            self._stopping.set()
            self._index.news.tell([HOOKS_TOPIC])
            thread.join()
            couriers, self._couriers = self._couriers, {}
            for courier in couriers.values():
                courier.stop()
            self._index.news.tell([HOOKS_TOPIC])
            for courier in couriers.values():
                courier.join(grace)

    def _deliver(self) -> None:
        news = self._index.news
        try:
            self._index.listener.start()
        except StorageError as error:
            _log.error("webhooks hear of the changes of this process only: %s", error)
        while not self._stopping.is_set() and not news.is_closed:
            count = news.count(HOOKS_TOPIC)
            pause = None
            try:
                self._see_to(self.list())
            except StorageError as error:
                if news.is_closed:
                    return
                _log.error("webhooks wait for the index: %s", error)
                pause = _UNREADABLE
            if not self._stopping.is_set():
                news.wait(HOOKS_TOPIC, count=count, timeout=pause)

    def _see_to(self, hooks: Sequence[HookStatus]) -> None:
        """Have a courier for each hook, and none for those that have gone."""
        wanted = {one.hook.id: one.hook for one in hooks}
        for gone in self._couriers.keys() - wanted.keys():
            self._couriers.pop(gone).stop()
        for name in wanted.keys() - self._couriers.keys():
            self._couriers[name] = Courier(self._index, wanted[name], self._settings, self._owner)


def _status(hook: Webhook, kept: Kept[WebhookState] | None) -> HookStatus:
    state = kept.record if kept is not None else WebhookState(hook.name, hook.id)
    return HookStatus(hook, state.cursor, state.paused, state.failures, state.error)

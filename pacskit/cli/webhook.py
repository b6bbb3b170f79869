"""``pacskit webhook``."""

from __future__ import annotations

import argparse
from pathlib import Path

from pacskit.cli.output import line
from pacskit.client.webhooks import DeliveryFailed, HookStatus
from pacskit.core.errors import ConfigurationError
from pacskit.facade.archive import Archive
from pacskit.facade.settings import ArchiveSettings

__all__ = ["webhook"]


def webhook(options: argparse.Namespace) -> int:
    """Add, list, remove, test, pause or resume."""
    name: str | None = options.name
    if (name is None) != (options.action == "list"):
        raise ConfigurationError("list takes no name, and each other action takes one")
    if (options.url is None) != (options.action != "add"):
        raise ConfigurationError("add takes a name and an address, and no other action takes an address")
    if not Path(options.dir).is_dir():
        raise ConfigurationError(f"there is no archive in {options.dir}")
    settings = ArchiveSettings.from_toml(options.config) if options.config else ArchiveSettings()
    with Archive(options.dir, settings=settings) as archive:
        try:
            return _act(archive, options, name or "")
        except KeyError:
            raise ConfigurationError(f"there is no webhook {name!r}") from None


def _act(archive: Archive, options: argparse.Namespace, name: str) -> int:
    hooks = archive.webhooks
    if options.action == "add":
        return _add(archive, options, name)
    if options.action == "list":
        for one in hooks.list():
            _print(one, as_json=options.json)
    elif options.action == "test":
        try:
            print(f"{name}: HTTP status {hooks.test(name)}")
        except DeliveryFailed as error:
            print(f"{name}: {error}")
            return 1
    elif options.action == "resume":
        hooks.resume(name, after=options.after)
    elif options.action == "pause":
        hooks.pause(name)
    else:
        hooks.remove(name)
    return 0


def _add(archive: Archive, options: argparse.Namespace, name: str) -> int:
    where = dict(one.partition("=")[::2] for one in options.where)
    if not all(key and "=" in one for key, one in zip(where, options.where, strict=False)):
        raise ConfigurationError("--where takes NAME=PATTERN")
    secret = Path(options.secret_file).read_text("utf-8").strip() if options.secret_file else None
    made = archive.webhooks.add(name, options.url, kinds=options.kind, where=where, secret=secret, after=options.after)
    if secret is None:  # the one time that it is shown
        print(made.secret)
    return 0


def _print(one: HookStatus, *, as_json: bool) -> None:
    hook = one.hook
    if as_json:
        line({
            "name": hook.name, "url": hook.url, "kinds": list(hook.kinds), "where": dict(hook.where),
            "cursor": one.cursor, "paused": one.paused, "failures": one.failures, "error": one.error,
        })  # fmt: skip
        return
    state = "paused" if one.paused else "active"
    failed = f", failed {one.failures} times: {one.error}" if one.error else ""
    print(f"{hook.name}  {hook.url}  {', '.join(hook.kinds) or 'all kinds'}  {state} at {one.cursor}{failed}")

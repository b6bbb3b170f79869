"""When something is to happen: by a cron line, at an interval, or once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from pacskit.client.jobs.records import milliseconds
from pacskit.core.errors import ConfigurationError

__all__ = ["Timing"]

_SHORTEST: Final = timedelta(seconds=1)


class Timing:
    """Set times, as a text: five fields of cron, ``every SECONDS``, or ``at MOMENT`` (ISO 8601)."""

    __slots__ = ("_every", "_once", "_place", "text")

    def __init__(self, given: str | timedelta | datetime, zone: str = "UTC") -> None:
        self._every: timedelta | None = None
        self._once: datetime | None = None
        try:
            self._place: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(f"there is no time zone {zone!r}") from error
        word, _, rest = given.partition(" ") if isinstance(given, str) else ("", "", "")
        if word == "every":
            given = timedelta(seconds=_number(rest))
        elif word == "at":
            given = _moment(rest)
        if isinstance(given, timedelta):
            if not given >= _SHORTEST:
                raise ConfigurationError("an interval is a second at least")
            self._every, self.text = given, f"every {given.total_seconds():g}"
        elif isinstance(given, datetime):
            if given.tzinfo is None:
                raise ConfigurationError("a moment has a time zone")
            self._once, self.text = given.astimezone(UTC), f"at {given.astimezone(UTC).isoformat()}"
        else:
            self.text = " ".join(given.split())
            if len(self.text.split(" ")) != 5:
                raise ConfigurationError("a cron line has five fields: minute, hour, day, month, day of the week")
            self.after(0)

    def first(self, now: int) -> int | None:
        """Return the first time, in milliseconds: one that is past counts where it is the only one."""
        return milliseconds(self._once) if self._once is not None else self.after(now)

    def after(self, now: int) -> int | None:
        """Return the next time after one that came before ``now``; None: there is none."""
        if self._once is not None:
            return None
        if self._every is not None:
            step = self._every // timedelta(milliseconds=1)
            return (now // step + 1) * step  # the same times whoever computes them
        from cronsim import CronSim, CronSimError

        try:
            found = next(CronSim(self.text, datetime.fromtimestamp(now // 1000, self._place)))
        except StopIteration:
            return None
        except CronSimError as error:
            raise ConfigurationError(f"{self.text!r} is no cron line: {error}") from error
        return milliseconds(found)


def _number(text: str) -> float:
    try:
        return min(max(float(text), 0.0), 1e10)
    except ValueError:
        raise ConfigurationError(f"{text!r} is no number of seconds") from None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{text!r} is no moment of ISO 8601") from None

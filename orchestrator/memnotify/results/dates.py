"""When a run was made: from its list of commands, else from the times of its files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from memnotify.jsontext import parse
from memnotify.results.folder import PLAN, VERDICT, RunFolder

_COMMANDS = "commands.jsonl"


@dataclass(frozen=True, slots=True)
class Dates:
    """When the first and the last results of a run were made, in seconds since 1970."""

    began: float
    ended: float

    @property
    def text(self) -> str:
        """Both in UTC, with one date if they are of one day."""
        first, last = (datetime.fromtimestamp(at, UTC) for at in (self.began, self.ended))
        if self.ended - self.began < 60:
            return f"{last:%Y-%m-%d %H:%M} UTC"
        until = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M}"
        return f"{first:%Y-%m-%d %H:%M} to {until} UTC"


def dates_of(run: RunFolder) -> Dates:
    """Return the dates of a run. A copied folder has new times, but the same list of commands."""
    times = [*_started(run)]
    if not times:
        files = [run.cells / row.id / VERDICT for row in run.plan()]
        times = [file.stat().st_mtime for file in files if file.is_file()]
    times = times or [(run.path / PLAN).stat().st_mtime]
    return Dates(min(times), max(times))


def _started(run: RunFolder) -> list[float]:
    """Return when its commands began. Anything but a list of commands is passed over."""
    file = run.path / _COMMANDS
    if file.is_symlink() or not file.is_file():
        return []
    times = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = parse(line)
        except (ValueError, RecursionError):
            continue
        started = value.get("started") if isinstance(value, dict) else None
        # datetime knows no years beyond 9999.
        if isinstance(started, float) and 0 < started < 2e11:
            times.append(started)
    return times

"""What moved between the groups of a comparison: each figure in each setting, over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memnotify.axes import Value
from memnotify.check.change import Change, Evidence, Limit, change
from memnotify.check.reaction import UNITS
from memnotify.errors import InputError
from memnotify.results.comparison import GroupComparison
from memnotify.results.grouping import Point
from memnotify.text import counted

_STRONGEST = tuple(Evidence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How a figure of a group differs from that of another, in one setting.

    `setting` has the axes, other than the seed, on which the cells of a group differ.
    """

    figure: str
    group: Value
    versus: Value
    setting: Mapping[str, Value]
    change: Change

    @property
    def unit(self) -> str:
        return UNITS[self.figure]

    def to_json(self) -> dict[str, Any]:
        found = self.change
        return {
            "figure": self.figure,
            "unit": self.unit,
            "group": self.group,
            "versus": self.versus,
            "setting": dict(self.setting),
            "before": found.before,
            "after": found.after,
            "change": found.by,
            "share": found.share,
            "pairs": found.pairs,
            "effect": found.delta,
            "p": found.p,
            "evidence": found.evidence.value,
        }


def changes(found: GroupComparison) -> list[Moved]:
    """Return how each figure of each group but the first differs, in each setting."""
    first = found.rows[0].group
    settings: dict[tuple[tuple[str, Value], ...], list[Point]] = {}
    for point, axes in found.settings.items():
        settings.setdefault(tuple(axes.items()), []).append(point)
    values = {(row.group, row.metric): row.values for row in found.rows}
    made = []
    for group in dict.fromkeys(row.group for row in found.rows if row.group != first):
        for setting, points in settings.items():
            # Every guest that has a log has this figure.
            logs = [values[one, "wakeups"] for one in (first, group)]
            both = [point for point in points if all(point in log for log in logs)]
            for metric in UNITS:
                old, new = values[first, metric], values[group, metric]
                moved = change(
                    [(old.get(point), new.get(point)) for point in both],
                    exact=all((group, point) in found.exact for point in both),
                )
                made.append(
                    Moved(
                        figure=metric,
                        group=group,
                        versus=first,
                        setting=dict(setting),
                        change=moved,
                    )
                )
    return made


def strongest_first(moved: Sequence[Moved]) -> list[Moved]:
    """Return the changes that have the best evidence first, and of these the greatest."""

    def key(one: Moved) -> tuple[int, float, float]:
        found = one.change
        p = 0.0 if found.p is None else found.p
        share = float("inf") if found.share is None else abs(found.share)
        return _STRONGEST.index(found.evidence), p, -share

    return sorted(moved, key=key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The limits of a command, and the changes that break each with evidence.

    `unsure` are changes that would break one, if there were evidence.
    """

    limits: tuple[Limit, ...]
    broken: tuple[tuple[Limit, Moved], ...]
    unsure: tuple[tuple[Limit, Moved], ...]
    settings: int

    def to_json(self, figure: str, group: Value) -> list[dict[str, Any]]:
        """Return what each limit of a figure found in a group, for programs.

        The verdict is that of the worst setting: `broken`, `unclear`, which breaks no limit, or
        `held`.
        """
        found = []
        for limit in self.limits:
            if limit.figure != figure:
                continue
            worst = {
                verdict: [
                    moved.to_json() for of, moved in pairs if (of, moved.group) == (limit, group)
                ]
                for verdict, pairs in (("broken", self.broken), ("unclear", self.unsure))
            }
            verdict = next((name for name, changes in worst.items() if changes), "held")
            found.append({"limit": limit.text, "verdict": verdict, **worst})
        return found

    def lines(self) -> list[str]:
        """Return the lines of a report, the strongest evidence first."""
        lines = [f"FAIL {limit.text}: {sentence(moved)}" for limit, moved in self.broken]
        lines += [f"unclear {limit.text}: {sentence(moved)}" for limit, moved in self.unsure]
        held = f"{counted(len(self.limits), 'limit')}, {counted(self.settings, 'setting')}"
        told = f"{len(self.broken)} broken" if self.broken else "none broken"
        if self.unsure:
            told += f", {len(self.unsure)} unclear"
        return [*lines, f"{held}: {told}"]


def judge(moved: Sequence[Moved], limits: Sequence[Limit]) -> Judgement:
    """Hold changes against limits. Raises InputError if there is nothing to compare."""
    if not moved:
        raise InputError(
            "--fail-if compares two groups, and there is only one",
            hint="name two runs, or an axis with --by",
        )
    pairs = [
        (limit, one)
        for one in strongest_first(moved)
        for limit in limits
        if limit.figure == one.figure
    ]
    groups = {(one.group, tuple(one.setting.items())) for one in moved}
    return Judgement(
        limits=tuple(limits),
        broken=tuple((limit, one) for limit, one in pairs if limit.broken(one.change)),
        unsure=tuple((limit, one) for limit, one in pairs if limit.unclear(one.change)),
        settings=len(groups),
    )


def sentence(moved: Moved) -> str:
    """Return a change in one line: `wakeups 400 → 1200 (+200 %), p 0.002 …: clients 200`."""
    found = moved.change
    values = f"{moved.figure} {number(found.before)} → {number(found.after)}"
    if found.by is None:
        only = moved.versus if found.after is None else moved.group
        how = f"only {only} has it"
    else:
        how = f"{number(found.by, '+')} {moved.unit}{share(found.share)}"
    where = ", ".join(f"{axis} {value}" for axis, value in moved.setting.items())
    place = f"; {where}" if where else ""
    return f"{values}, {how}; {found.said()}{place}; {moved.group} against {moved.versus}"


def share(part: float | None) -> str:
    """Return a relative change in brackets, if there is one."""
    if part is None or abs(part) == float("inf"):
        return ""
    return f" ({part * 100:+.3g} %)" if abs(part) < 10 else f" ({part * 100:+.0f} %)"


def number(value: float | None, sign: str = "") -> str:
    """Return three significant digits, or all of a larger integer; `sign`: "+" forces a sign."""
    if value is None:
        return "-"
    if not value:
        return "0"
    whole = value == int(value) or abs(value) >= 100
    return f"{value:{sign}.0f}" if whole else f"{value:{sign}.3g}"

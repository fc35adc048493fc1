"""Checks a campaign's expectations, `[[expect]]`, against the verdicts of its cells."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from memnotify import toml
from memnotify.axes import Value
from memnotify.campaign.figures import parse_comparison
from memnotify.campaign.schema import EXPECT_AXES, CampaignTable, ExpectTable
from memnotify.check.expression import Expression
from memnotify.results.folder import CAMPAIGN, RunFolder
from memnotify.results.verdict import Verdict
from memnotify.series.own import means


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The result of one comparison, `what`, of an expectation, which `says` names.

    `some`: one cell is enough. `met` is None if no such cell has run, or if the result is open.
    `elsewhere`: it is open, because the cell that suffices may be in another part of the campaign.
    `kept`, `broken` and `absent` are ids of the matching cells; those in `absent` lack the figure.
    """

    says: str
    what: str
    some: bool
    met: bool | None
    elsewhere: bool
    kept: tuple[str, ...]
    broken: tuple[str, ...]
    absent: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def expectations(folder: RunFolder, verdicts: Sequence[Verdict]) -> list[Expected]:
    """Compare the verdicts of a run with the expectations in its campaign.toml.

    Raises InputError if the folder is not a run's.
    """
    is_part = len(folder.whole()) > len(folder.plan())
    value, lines = toml.read(path := folder.path / CAMPAIGN)
    table = toml.check(CampaignTable, value, path=path, lines=lines)
    return [
        result
        for expect in table.expect
        for result in judge_expectation(expect, verdicts, is_part=is_part)
    ]


def judge_expectation(
    expect: ExpectTable, verdicts: Sequence[Verdict], *, is_part: bool
) -> Iterator[Expected]:
    """Yield the result of each comparison of one expectation.

    `is_part` says whether these are the verdicts of only a part of the campaign.
    """
    for what in expect.what:
        yield _compare(expect, parse_comparison(what), verdicts, is_part=is_part)


def failed(results: Iterable[Expected]) -> bool:
    """Return whether an expectation was not met. One that was not tried has not failed."""
    return any(result.met is False for result in results)


def _compare(
    expect: ExpectTable, expression: Expression, verdicts: Sequence[Verdict], *, is_part: bool
) -> Expected:
    about = [verdict for verdict in verdicts if is_about(expect, verdict.point)]
    found: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for verdict in about:
        found[expression.holds(verdict.to_json())].append(verdict.id)
    kept = found[True]
    elsewhere = expect.some and is_part and not kept
    met = bool(kept) if expect.some else len(kept) == len(about)
    return Expected(
        says=expect.says,
        what=expression.text,
        some=expect.some,
        met=met if about and not elsewhere else None,
        elsewhere=elsewhere,
        kept=tuple(kept),
        broken=tuple(found[False]),
        absent=tuple(found[None]),
    )


def is_about(expect: ExpectTable, point: Mapping[str, Value]) -> bool:
    """Return whether an expectation selects the cell at a point of the matrix."""
    wanted = ((axis, getattr(expect, axis)) for axis in EXPECT_AXES)
    return all(
        values is None
        or point[axis] in values
        or (axis == "series" and any(means(word, str(point[axis])) for word in values))
        for axis, values in wanted
    )

"""What a campaign expects of its cells, and what came out: `[[expect]]` against the verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from memnotify import toml
from memnotify.campaign.schema import EXPECT_AXES, CampaignTable, ExpectTable
from memnotify.check.expression import Expression, parse_expression
from memnotify.results.folder import CAMPAIGN, RunFolder

Row = Mapping[str, Any]


def expectations(folder: RunFolder, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Compare a run, of which `rows` are the verdicts, with what its campaign.toml expects.

    Returns one object for each expectation and comparison: `says`, `what`, `some` (one cell is
    enough), `met` (null: no such cell has run, or it is open), `elsewhere` (it is open: the cell
    that is enough may be in another part of the campaign), and the ids of the cells that it is
    about: `kept`, `broken`, and `absent`, where a figure to compare with is not there. Raises
    InputError if this is no run's folder.
    """
    is_part = len(folder.whole()) > len(folder.plan())
    value, lines = toml.read(path := folder.path / CAMPAIGN)
    table = toml.check(CampaignTable, value, path=path, lines=lines)
    return [
        result
        for expect in table.expect
        for result in judge_expectation(expect, rows, is_part=is_part)
    ]


def judge_expectation(
    expect: ExpectTable, rows: Sequence[Row], *, is_part: bool
) -> Iterator[dict[str, Any]]:
    """Yield what came out of each comparison of one expectation, as `expectations` returns it.

    `is_part` tells whether the verdicts in `rows` are of a part of the campaign.
    """
    for what in expect.what:
        yield _compare(expect, parse_expression(what), rows, is_part=is_part)


def failed(results: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether an expectation was not met. One that was not tried has not failed."""
    return any(result["met"] is False for result in results)


def _compare(
    expect: ExpectTable, expression: Expression, rows: Sequence[Row], *, is_part: bool
) -> dict[str, Any]:
    about = [row for row in rows if is_about(expect, row)]
    found: dict[bool | None, list[str]] = {True: [], False: [], None: []}
    for row in about:
        found[expression.holds(row)].append(row["id"])
    kept = found[True]
    elsewhere = expect.some and is_part and not kept
    met = bool(kept) if expect.some else len(kept) == len(about)
    return {
        "says": expect.says,
        "what": expression.text,
        "some": expect.some,
        "met": met if about and not elsewhere else None,
        "elsewhere": elsewhere,
        "kept": kept,
        "broken": found[False],
        "absent": found[None],
    }


def is_about(expect: ExpectTable, row: Row) -> bool:
    """Tell whether an expectation picks a cell, by its verdict or its point of the matrix."""
    wanted = ((axis, getattr(expect, axis)) for axis in EXPECT_AXES)
    return all(values is None or row[axis] in values for axis, values in wanted)

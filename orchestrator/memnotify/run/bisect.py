"""Finds the first patch of a series that changes a cell's outcome, like `git bisect run`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from memnotify.campaign.load import Campaign
from memnotify.campaign.plan import plan_cells
from memnotify.check.expression import Expression
from memnotify.errors import InfrastructureError, InputError
from memnotify.kernel.source import named_source
from memnotify.model import Cell
from memnotify.results.folder import RunFolder
from memnotify.results.verdict import Verdict
from memnotify.run.campaign import run_campaign
from memnotify.run.services import RunOptions, Services
from memnotify.series.quilt import Patch, Series, named_series, write_prefix


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    """The result of a bisection.

    The outcome changes with one of `patches`: several if those in between do not build, none if it
    never changes. `holds` is the answer to the question with all patches.
    """

    patches: tuple[Patch, ...]
    holds: bool


Test = Callable[[int], bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to find: the patch of `revision` with which the answer to `question` changes.

    `revision` is REV, a folder or a range. The first `good` patches are not in question.
    """

    revision: str
    question: Expression
    good: int = 0


def bisect_series(
    campaign: Campaign,
    cell: Cell,
    asked: Asked,
    services: Services,
    *,
    path: Path,
    say: Callable[[str], None],
) -> Bisection:
    """Find the first patch of a series with which the answer to a question changes.

    `cell` is the campaign's `only_cell`; the asked revision replaces its series. Each
    prefix of the series that is tried is built, and runs the cell in a guest that boots. It has its
    own run folder below `path`, so nothing is run twice. A prefix that does not build is skipped,
    as with `git bisect skip`.

    Raises InputError if the series does not apply, or has no patch after the good ones;
    InfrastructureError if these alone or the whole series do not build, or if the testbed fails.
    """
    revision, question, good = asked.revision, asked.question, asked.good
    series = named_series(revision, cell.request.base)
    if not series.patches:
        raise InputError(f"series {revision} has no patches")
    if good >= len(series.patches):
        raise InputError(
            f"--good {good}: {revision} has {len(series.patches)} patches, so none is left to try",
            hint=f"0 to {len(series.patches) - 1}",
        )
    root = path / "series"
    root.mkdir(parents=True, exist_ok=True)  # the first kernel has no patch, and so no series there
    build_kernel = partial(services.build_kernel, series=root)
    with_prefixes = dataclasses.replace(services, build_kernel=build_kernel)

    def test(count: int) -> bool | None:
        name = write_prefix(series, count, root)
        label = f"first {count} of {len(series.patches)}" if count else "no patch"
        request = dataclasses.replace(cell.request, series=name)
        try:
            folder = run_campaign(
                campaign,
                [dataclasses.replace(cell, request=request)],
                with_prefixes,
                path=path / name,
                # Each kernel boots once: a template would cost more than it saves.
                options=RunOptions(cold=True),
            )
        except InfrastructureError as error:
            if error.kind != "build" or count in (good, len(series.patches)):
                raise
            say(f"{label}: does not build")
            return None
        row = _verdict(folder).to_json()
        holds = bool(question.holds(row))  # a comparison that cannot be made does not hold
        found = {name: row[name] for name in question.names}
        shown = ", ".join(
            f"{name} {'-' if value is None else value}" for name, value in found.items()
        )
        say(f"{label}: {shown}, {'yes' if holds else 'no'}")
        return holds

    return search(series, test, good)


def search(series: Series, test: Test, good: int = 0) -> Bisection:
    """Search by bisection; `test` answers for a number of patches, None if they do not build.

    It starts with the first `good` of them.

    As in any bisection, an answer that changes more than once may be missed.
    """
    low, high = good, len(series.patches)
    before, after = test(low), test(high)
    assert before is not None and after is not None
    if before == after:
        return Bisection(patches=(), holds=after)
    passed: set[int] = set()
    while left := [count for count in range(low + 1, high) if count not in passed]:
        middle = min(left, key=lambda count: abs(2 * count - low - high))
        answer = test(middle)
        if answer is None:
            passed.add(middle)
        elif answer == before:
            low = middle
        else:
            high = middle
    return Bisection(patches=series.patches[low:high], holds=after)


def sentence(found: Bisection, question: Expression, revision: str, good: int = 0) -> str:
    """Return the answer in one sentence."""
    holds = "" if found.holds else "not "
    if not found.patches:
        without = f"with its first {good} patches alone" if good else "without"
        return f"{question.text} does {holds}hold, with {revision} and {without}"
    names = [patch.name for patch in found.patches]
    if len(names) == 1:
        return f"{names[0]} is the first patch with which {question.text} does {holds}hold"
    return (
        f"one of {', '.join(names)} is the first patch with which {question.text} does {holds}hold:"
        " what lies between does not build"
    )


def only_cell(campaign: Campaign, base: str | None, source: str | None) -> Cell:
    """Return the only cell of a campaign, apart from its series, on one of its bases.

    Raises InputError if there are several.
    """
    bases = campaign.table.kernel.base
    if base is None and len(bases) > 1:
        raise InputError(f"{campaign.path} names several bases", hint=f"--base {bases[0]}")
    if base is not None and base not in bases:
        raise InputError(
            f"{base} is not a base of {campaign.path}", hint=f"it has {', '.join(bases)}"
        )
    if source is not None:
        named_source(source)
    cells = plan_cells(campaign, base=base, source=source)
    cells = tuple(cell for cell in cells if cell.request.series == cells[0].request.series)
    if len(cells) > 1:
        why = (
            f"{campaign.path} has {len(cells)} cells for each series; a bisection needs exactly one"
        )
        raise InputError(why, hint="give each axis a single value")
    return cells[0]


def _verdict(folder: RunFolder) -> Verdict:
    (verdict,) = folder.verdicts()
    outcome = verdict.outcome
    if outcome.infrastructure is not None:
        raise InfrastructureError(outcome.infrastructure, f"{verdict.name}: {outcome.detail}")
    return verdict

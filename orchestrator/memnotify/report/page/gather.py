"""What a page says about each cell: gathered cell by cell, and made small at once."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memnotify.axes import AXES, Value, chosen
from memnotify.campaign.row import PlanRow
from memnotify.check.promises import PromiseVerdict
from memnotify.check.reaction import UNITS
from memnotify.parallel import each
from memnotify.records.log import RecordLog
from memnotify.records.parquet import read_records
from memnotify.report.cells import CaseStatus, CellReport
from memnotify.report.check import told_break
from memnotify.report.page.data import block, packed
from memnotify.report.plots.picture import Picture
from memnotify.report.plots.thin import ALL, Most
from memnotify.report.plots.timeline import timeline
from memnotify.report.words import figures_of, heading
from memnotify.results.course import course_if_any
from memnotify.results.evidence import evidence
from memnotify.results.folder import CONSOLE, RECORDS, read_manifest, read_verdict
from memnotify.results.looked import Digests, Looked
from memnotify.results.manifest import Manifest
from memnotify.results.promises import Checked, Checker
from memnotify.results.reaction import reacted_in
from memnotify.results.timeline import timeline_of

_BREAKS = 10
"""The most violations of one promise in one cell; `memnotify check --json` has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much of each cell there is room for: of its picture, of lists, and of its console."""

    most: Most
    lines: int
    bytes: int

    @classmethod
    def of(cls, cells: int) -> Room:
        """Return the room for each of so many cells, such that 1,000 are less than 15 MB."""
        share = 250 / max(250, cells)
        return cls(
            most=ALL
            if share == 1
            else Most(points=max(100, int(800 * share)), marks=max(200, int(1000 * share))),
            lines=max(60, int(1000 * share)),
            bytes=max(4096, int(32768 * share)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """The result of one promise in one cell. `breaks`: the record and a text of the first ones.

    `invariant` is None if the cell's revision has no promises on file.
    """

    invariant: str | None
    tested: int
    broken: int
    verdict: PromiseVerdict | None
    breaks: tuple[tuple[int, str], ...]


def promise_of(one: Checked) -> Promise:
    """Return what a page says about a promise: of a thousand violations, the first few."""
    if one.answer is None:
        return Promise(invariant=None, tested=0, broken=0, verdict=None, breaks=())
    breaks = one.answer.breaks
    return Promise(
        invariant=str(one.answer.invariant),
        tested=one.answer.tested,
        broken=len(breaks),
        verdict=one.answer.verdict,
        breaks=tuple((found.records[0], told_break(found)) for found in breaks[:_BREAKS]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """A cell of the plan: its row of the table of cells, and its block of data, if it has run."""

    report: CellReport
    axes: Mapping[str, Value]
    scenario: str
    reaction: Mapping[str, float | None]
    promises: tuple[Promise, ...]
    manifest: Manifest | None
    block: str
    unchecked: bool = False
    """Whether it has a log that was not checked against the promises of its revision."""

    @property
    def id(self) -> str:
        return self.report.id

    def size(self, axis: str) -> int:
        """Return its value on an axis of numbers; 0 if that is unknown."""
        value = self.axes.get(axis)
        return value if isinstance(value, int) else 0

    @property
    def broken(self) -> int:
        """How many promises it breaks."""
        return sum(one.broken > 0 for one in self.promises)

    @property
    def kept(self) -> int:
        return sum(one.verdict is PromiseVerdict.KEPT for one in self.promises)


def gather(
    looked: Looked, rows: Sequence[PlanRow], *, pictures: bool, cells: int
) -> Iterator[Gathered]:
    """Yield these rows of the plan, in their order. Raises InputError if a result is damaged.

    `cells` is how many of them the page has to hold.
    """
    gathered = functools.partial(
        _gathered,
        whole=looked.whole,
        digests=Digests(),
        checker=Checker(),
        room=Room.of(cells),
        pictures=pictures,
    )
    yield from each(gathered, rows)


def outline(looked: Looked, rows: Sequence[PlanRow]) -> Iterator[Gathered]:
    """Yield these rows without what takes a log, or room in the page: promises and blocks.

    Of a large run, this reads no file of a cell. Raises InputError if a result is damaged.
    """
    digests = Digests()
    unknown = dict.fromkeys(UNITS)
    for row in rows:
        scenario = digests.of(row.inputs.get("scenario"))
        if row.id not in looked.whole:
            yield _not_run(row, dict(_axes(row, AXES)), scenario)
            continue
        verdict, reacted = looked.verdict(row.id), looked.reaction(row.id)
        yield Gathered(
            report=CellReport(id=row.id, name=row.name, verdict=verdict),
            axes={**verdict.point, **dict(_axes(row, _PLANNED))},
            scenario=scenario,
            reaction=unknown if reacted is None else reacted.figures,
            promises=(),
            manifest=looked.overview(row.id),
            block="",
            unchecked=reacted is not None,
        )


def _not_run(row: PlanRow, axes: Mapping[str, Value], scenario: str) -> Gathered:
    return Gathered(
        report=CellReport(id=row.id, name=row.name),
        axes=axes,
        scenario=scenario,
        reaction={},
        promises=(),
        manifest=None,
        block="",
    )


def _gathered(
    row: PlanRow,
    *,
    whole: Mapping[str, Path],
    digests: Digests,
    checker: Checker,
    room: Room,
    pictures: bool,
) -> Gathered:
    axes = dict(_axes(row, AXES))
    scenario = digests.of(row.inputs.get("scenario"))
    if row.id not in whole:
        return _not_run(row, axes, scenario)
    folder = whole[row.id]
    verdict = read_verdict(folder)
    report = CellReport(id=row.id, name=row.name, verdict=verdict)
    # The log is read once for all that needs it.
    log = read_records(folder / RECORDS) if (folder / RECORDS).exists() else None
    answers = () if log is None else tuple(map(promise_of, checker.check(verdict, log)))
    manifest = read_manifest(folder)
    reacted = reacted_in(folder, log)
    reaction = dict.fromkeys(UNITS) if reacted is None else dict(reacted.figures)
    return Gathered(
        report=report,
        axes={**axes, **verdict.point},
        scenario=scenario,
        reaction=reaction,
        promises=answers,
        manifest=manifest,
        block=block(
            {
                **_told(report, folder, log, room),
                "setting": [[heading(axis), of] for axis, of in chosen(axes).items()],
                "figures": [list(one) for one in figures_of(report.row, reaction)],
                "promises": [
                    dataclasses.asdict(one) for one in answers if one.invariant is not None
                ],
                "no_promises": any(one.invariant is None for one in answers),
                "evidence": _evidence(log, report),
                "picture": _picture(folder, log, room) if pictures else None,
                "origin": _origin(manifest),
            }
        ),
    )


_PLANNED = tuple(name for name, axis in AXES.items() if not axis.in_verdict)
"""The axes that only the plan has."""


def _axes(row: PlanRow, names: Iterable[str]) -> Iterator[tuple[str, Value]]:
    for axis in names:
        try:
            yield axis, row.value(axis)
        except (KeyError, ValueError):
            continue  # an older plan may lack it


def _told(report: CellReport, folder: Path, log: RecordLog | None, room: Room) -> dict[str, Any]:
    lines, more = _console(folder, room.bytes)
    events = timeline_of(folder, log)
    return {
        "id": report.id,
        "name": report.name,
        "outcome": report.outcome,
        "detail": report.detail,
        "status": report.status,
        "events": [[one["t"], one["event"], one["text"]] for one in events[: room.lines]],
        "more_events": max(0, len(events) - room.lines),
        "console": lines,
        "console_before": more,
        "files": sorted(path.name for path in folder.iterdir() if path.is_file()),
    }


def _console(folder: Path, most: int) -> tuple[str, int]:
    """Return the end of the console, where a panic would be, and how many bytes precede it."""
    file = folder / CONSOLE
    if not file.is_file():
        return "", 0
    size = file.stat().st_size
    with file.open("rb") as log:
        log.seek(max(0, size - most))
        return log.read(most).decode(errors="replace").replace("\r\n", "\n"), max(0, size - most)


def _evidence(log: RecordLog | None, report: CellReport) -> list[list[Any]]:
    """Return the records on which a finding is based, each with its number."""
    assert report.verdict is not None
    if report.status is not CaseStatus.FAILED or log is None:
        return []
    found = evidence(log, report.verdict.outcome)
    return [list(pair) for pair in zip(found, found.lines(), strict=True)][:_BREAKS]


def _picture(folder: Path, log: RecordLog | None, room: Room) -> dict[str, Any] | None:
    course = course_if_any(folder, log)
    if course is None:
        return None
    return told_picture(timeline([course], [course.series], most=room.most))


def told_picture(picture: Picture) -> dict[str, Any]:
    """Return a picture as the page's script draws it."""
    return {
        "title": picture.title,
        "subtitle": picture.subtitle,
        "alt": picture.alt,
        "caption": list(picture.caption),
        "spec": packed(picture.spec(zoomable=True)),
    }


def _origin(manifest: Manifest) -> dict[str, Any]:
    """Return what a cell's results were made of, in words."""
    facts, inputs = (dict(manifest.kernel.get(part) or {}) for part in ("facts", "inputs"))
    start = manifest.start
    began = None
    if start is not None:
        took = "" if start.seconds is None else f", ready after {start.seconds:.2f} s"
        began = f"{start.origin}{took}"
    seed = manifest.inputs.get("seed")
    return {
        "host": None if manifest.host is None else str(manifest.host),
        "moved": manifest.moved_in_words() or None,
        "digests": manifest.digests,
        "versions": manifest.versions,
        "kernel": " ".join(
            str(word) for word in (facts.get("version"), inputs.get("revision")) if word
        ),
        "patches": [str(one) for one in facts.get("patches") or ()],
        "command": list(manifest.command),
        "start": began,
        "seed": seed,
        "records": manifest.records,
        "attempts": [one.to_json() for one in manifest.attempts],
    }

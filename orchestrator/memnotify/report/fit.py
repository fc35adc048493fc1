"""How series fit trees, as Markdown for the documentation and as rows for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from memnotify.series.apply import AppliedHunk
from memnotify.series.fit import Failed, PatchFit, SeriesFit
from memnotify.text import printable


def fit_markdown(fits: Sequence[SeriesFit]) -> str:
    """Return a table with one row per series, then for each series a table with one row
    per patch."""
    trees = fits[0].trees if fits else ()
    lines = _table(("series", *trees), ((f"`{one.name}`", *map(_whole, one.fits)) for one in fits))
    for one in fits:
        rows = (
            (_code(patches[0].patch.name), *map(_cell, patches))
            for patches in zip(*one.fits, strict=True)
        )
        lines += ["", *_table((f"`{one.name}`", *trees), rows)]
    return "\n".join(lines) + "\n"


def fit_rows(fits: Sequence[SeriesFit]) -> list[dict[str, Any]]:
    """Return one object per series, tree and patch."""
    return [
        {
            "series": one.name,
            "tree": tree,
            "patch": fit.patch.name,
            "outcome": fit.outcome,
            "hunks": fit.hunks,
            "shifted": [
                {name: getattr(hunk, name) for name in ("file", "hunk", "line", "offset", "fuzz")}
                for hunk in fit.shifted
            ],
            "failed": [
                {"file": file.file, "hunks": list(file.hunks), "of": file.of} for file in fit.failed
            ],
        }
        for one in fits
        for tree, patches in zip(one.trees, one.fits, strict=True)
        for fit in patches
    ]


def _whole(patches: Sequence[PatchFit]) -> str:
    """Return the result for a series: `applies`, or which of its patches do not."""
    failed = [fit.patch.name.partition("-")[0] for fit in patches if fit.failed]
    if failed:
        return f"fails: {', '.join(map(_code, failed))}"
    moved = sum(len(fit.shifted) for fit in patches)
    hunks = sum(fit.hunks for fit in patches)
    return f"applies, {moved} of {hunks} hunks moved" if moved else "applies"


def _cell(fit: PatchFit) -> str:
    """Return how one patch fits: which hunks fail, and which moved by how much."""
    files = dict.fromkeys(hunk.file for hunk in fit.shifted)
    moved = [_moved(file, [hunk for hunk in fit.shifted if hunk.file == file]) for file in files]
    parts = [
        f"{word}: {', '.join(said)}"
        for word, said in (("fails", [*map(_refused, fit.failed)]), ("moves", moved))
        if said
    ]
    return "; ".join(parts) or "applies"


def _moved(file: str, hunks: Sequence[AppliedHunk]) -> str:
    """Return a file, by how many lines its hunks moved, and with how much fuzz."""
    offsets = sorted({hunk.offset for hunk in hunks} - {0})
    ends = offsets if len(offsets) < 3 else [offsets[0], offsets[-1]]
    fuzz = max(hunk.fuzz for hunk in hunks)
    words = [" to ".join(f"{offset:+}" for offset in ends), f"fuzz {fuzz}" if fuzz else ""]
    return " ".join([_code(file), *filter(None, words)])


def _refused(file: Failed) -> str:
    """Return a file and which of its hunks fail."""
    if len(file.hunks) == file.of:
        return f"{_code(file.file)} all {file.of}" if file.of > 1 else _code(file.file)
    return f"{_code(file.file)} {', '.join(map(str, file.hunks))} of {file.of}"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return [
        " | ".join(["", *(cell.replace("|", r"\|") for cell in line), ""]).strip() for line in lines
    ]


def _code(text: str) -> str:
    return f"`{printable(text)}`"

"""What a report says about the run as a whole: when, where, with what, and how to run it again."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from memnotify import __version__, host
from memnotify.axes import AXES, Value, chosen
from memnotify.report.page.gather import Gathered
from memnotify.results.dates import dates_of
from memnotify.results.folder import CAMPAIGN, RunFolder
from memnotify.text import counted

_SHOWN = 8  # values of an axis
_TOOLS = ("qemu", "accel", "memnotify", "kernel", "python")


def facts(run: RunFolder, cells: Sequence[Gathered]) -> dict[str, str]:
    """Return the lines below the headline."""
    return {
        "Results of": dates_of(run).text,
        "Made with": _versions(cells),
        "Ran on": _hosts(cells),
        "Asked": _asked(cells),
        "Run it again": again(run),
        "Report written by": f"memnotify {__version__}{_elsewhere(cells)}",
    }


def again(run: RunFolder) -> str:
    """Return the command that runs the campaign again."""
    campaign, folder = (shlex.quote(str(path)) for path in (run.path / CAMPAIGN, run.path))
    return f"memnotify run {campaign} -o {folder}-again"


def commands(run: RunFolder) -> dict[str, str]:
    """Return commands about one cell, which has the place CELL; N is the number of a record."""
    folder = shlex.quote(str(run.path))
    return {
        "look at it": f"memnotify show {folder} CELL",
        "run it again and compare": f"memnotify replay {folder} CELL",
        "debug it": f"memnotify gdb {folder} CELL",
        "debug it where record N is written": f"memnotify gdb {folder} CELL --record N",
        "check its promises": f"memnotify check {folder}",
        "draw it": f"memnotify plot {folder} CELL -o cell.svg",
    }


def files_from(run: RunFolder, output: Path) -> str:
    """Return the path of the folder of cells, as seen from the report."""
    try:
        found = os.path.relpath(run.cells.absolute(), output.absolute().parent)
    except ValueError:
        found = str(run.cells)
    return Path(found).as_posix()


def _versions(cells: Sequence[Gathered]) -> str:
    found = versions(cells)
    names = {"qemu": "QEMU", "accel": "", "kernel": "Linux", "python": "Python"}
    return ", ".join(
        f"{names.get(name, name)} {' and '.join(found[name])}".strip()
        for name in _TOOLS
        if name in found
    )


def versions(cells: Iterable[Gathered]) -> dict[str, list[str]]:
    """Return each tool's versions: more than one means that cells ran with different ones."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        for name, value in (cell.manifest.versions if cell.manifest else {}).items():
            values = found.setdefault(name, [])
            if str(value) not in values:
                values.append(str(value))
    return found


def _asked(cells: Sequence[Gathered]) -> str:
    """Return the axes with their values: first those on which the cells differ."""
    found: dict[str, dict[Value, None]] = {}
    for cell in cells:
        for axis, value in chosen(cell.axes).items():
            found.setdefault(axis, {}).setdefault(value)
    found.pop("seed", None)
    values = {axis: list(dict.fromkeys(map(str, some))) for axis, some in found.items()}
    order = sorted(values, key=lambda axis: (len(values[axis]) == 1, list(AXES).index(axis)))
    return "; ".join(f"{_worded(axis)} {_some(values[axis])}" for axis in order)


def _worded(axis: str) -> str:
    return axis.replace("_", " ").replace(" mib", " MiB")


def _some(values: Sequence[str]) -> str:
    if len(values) <= _SHOWN:
        return ", ".join(values)
    return f"{values[0]} … {values[-1]} ({len(values)} values)"


def _hosts(cells: Iterable[Gathered]) -> str:
    """Return the machines on which the cells ran; older manifests do not say it."""
    ran = [cell.manifest.host for cell in cells if cell.manifest is not None]
    count = Counter(str(one) for one in ran if one is not None)
    if len(count) == 1 and len(ran) == count.total():
        return next(iter(count))
    told = [f"{name} ({counted(found, 'cell')})" for name, found in count.most_common(_SHOWN)]
    if len(count) > _SHOWN:
        told.append(f"and {counted(len(count) - _SHOWN, 'other host')}")
    if silent := len(ran) - count.total():
        told.append(f"unknown ({counted(silent, 'cell')} of a version that did not note the host)")
    return "; ".join(told) or "unknown"


def _elsewhere(cells: Iterable[Gathered]) -> str:
    """Return where the report was written, if not all cells ran here."""
    here = host.machine()
    ran = {cell.manifest.host for cell in cells if cell.manifest is not None}
    return "" if ran == {here} else f" on {here.name or 'an unnamed host'}"


def origins(cells: Sequence[Gathered]) -> list[dict[str, Any]]:
    """Return a row for each kernel, image and machine that cells ran with: the provenance."""
    count: Counter[tuple[str, str]] = Counter()
    last: dict[tuple[str, str], Gathered] = {}
    for cell in cells:
        if cell.manifest is None:
            continue
        for item in cell.manifest.digests.items():
            count[item] += 1
            last[item] = cell
    return [
        {
            "what": part,
            "detail": _detail(part, last[part, digest]),
            "digest": digest,
            "cells": cells,
        }
        for (part, digest), cells in sorted(count.items())
    ]


def _detail(part: str, cell: Gathered) -> str:
    assert cell.manifest is not None
    facts: Mapping[str, Any] = cell.manifest.kernel.get("facts") or {}
    match part:
        case "kernel":
            patches = facts.get("patches") or ()
            version = facts.get("version", cell.axes.get("base"))
            return f"{version} {cell.axes.get('series')}, {len(patches)} patches"
        case "scenario" | "machine":
            return str(cell.axes.get(part, ""))
        case "image":
            return str(cell.axes.get("arch", ""))
    return ""

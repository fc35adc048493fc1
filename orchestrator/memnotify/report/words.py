"""The figures of a cell in words and units: the same ones wherever a report names a figure.

The words are those of the names in campaigns/README.md, so that a reader finds them there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from memnotify.axes import AXES
from memnotify.campaign.figures import ALSO, FIGURES
from memnotify.check.reaction import UNITS
from memnotify.results.verdict import ALWAYS
from memnotify.text import printable

_SUFFIXES: Mapping[str, str] = MappingProxyType(
    {"_ms": "ms", "_s": "s", "_mib": "MiB", "_seconds": "s"}
)
_TITLES: Mapping[str, str] = MappingProxyType(
    {
        "guest_seconds": "guest time",
        "wall_seconds": "wall time",
        "oom_kills": "OOM kills",
        "client_cpu_ms": "client CPU",
        "self_check": "self-check",
    }
)
_PAGES = ("swapped_out", "swapped_out_before_first")
_INSIDE: Mapping[str, str] = MappingProxyType(
    {"wakeups_each": "wakeups of one client", "gates": "gate of zone", "self_check": "self-check"}
)
"""What the parts of a figure belong to, where its own name says too little."""

_NO_FIGURES = frozenset((*ALWAYS, *AXES)) - {"guest_seconds", "wall_seconds", "lost_records"}
_MOST = 6


def own_name(name: str) -> str:
    """Return the name of a figure in a verdict, of which `memnotify compare` has another."""
    return ALSO.get(name, name)


def words(name: str) -> tuple[str, str]:
    """Return what a figure, or an axis, is called, and its unit; "" if the words say it."""
    name = own_name(name)
    unit = "pages" if name in _PAGES else ""
    title = name
    for suffix, of in _SUFFIXES.items():
        if name.endswith(suffix):
            title, unit = name.removesuffix(suffix), of
    title = _TITLES.get(name, title.replace("_", " "))
    reaction = next((key for key in UNITS if own_name(key) == name), name)
    unit = unit or UNITS.get(reaction, "")
    return title, "" if unit and title.endswith(unit) else unit


def heading(name: str) -> str:
    """Return the head of a column of a figure: its words and its unit."""
    title, unit = words(name)
    return f"{title}, {unit}" if unit else title


def all_words() -> dict[str, str]:
    """Return the heading of everything that a page may name."""
    names = (*AXES, *UNITS, *FIGURES, "promises_kept", "promises_broken")
    return {name: heading(name) for name in names}


def figures_of(
    row: Mapping[str, Any], reaction: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, Any]]:
    """Yield each figure of a cell once: name, words, unit, value.

    `row` is the verdict's, `reaction` what a comparison has besides.
    """
    known = {name: value for name, value in row.items() if name not in _NO_FIGURES}
    known |= {
        own_name(name): value for name, value in reaction.items() if own_name(name) not in known
    }
    for name, value in known.items():
        if isinstance(value, Mapping):
            of = _INSIDE.get(name, name.replace("_", " "))
            for key, inner in value.items():
                title, unit = words(str(key))
                unit = "pages" if name == "gates" else unit
                joined = f"{of} {key}" if name == "gates" else f"{of}, {title}"
                yield f"{name}.{key}", printable(joined), unit, inner
        elif name == "batches":
            yield name, "batches, size and + seconds", "", batches_in_words(value or ())
        else:
            title, unit = words(name)
            yield name, printable(title), unit, value


def batches_in_words(batches: Any, most: int = _MOST) -> str:
    """Return the sizes of batches, and between them the seconds from one to the next."""
    said = []
    for batch in batches[:most]:
        if batch["after_ms"] is not None:
            seconds = batch["after_ms"] / 1000
            said.append(f"+{seconds:.2f}" if seconds < 10 else f"+{seconds:.1f}")
        said.append(str(batch["wakeups"]))
    return " ".join([*said, "…"] if len(batches) > most else said)

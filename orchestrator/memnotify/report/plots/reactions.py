"""Pictures of how clients were woken: latencies, sizes of batches, and herds over clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from memnotify.report.plots.answers import about, at_once, listed, seconds, sentence, who
from memnotify.report.plots.legend import End, legend
from memnotify.report.plots.palette import COLOURS, DASHES, RULE, SHAPES, SOFT
from memnotify.report.plots.picture import (
    LEFT,
    RIGHT,
    WIDTH,
    Picture,
    Spec,
    number,
    quantity,
    values,
)
from memnotify.report.plots.thin import thin
from memnotify.results.reacted import SETTING, Reacted
from memnotify.text import counted

_HEIGHT = 260
_ACROSS = WIDTH - LEFT - RIGHT
Groups = Mapping[str, Sequence[Reacted]]


def _subject(groups: Groups, by: str, *free: str) -> str:
    every = [one for found in groups.values() for one in found]
    same = [axis for axis in SETTING if len({one.point.get(axis) for one in every}) == 1]
    runs = counted(len(every), "run")
    point = {axis: every[0].point.get(axis) for axis in same if axis not in (by, *free)}
    return f"{about(point)}; {runs}"


def _look(place: int) -> tuple[str, list[int], str]:
    return (
        str(COLOURS[place % len(COLOURS)]),
        list(DASHES[place % len(DASHES)]),
        ("circle", *SHAPES[1:])[place % len(SHAPES)],
    )


def latencies(groups: Groups, by: str) -> Picture:
    """Return which part of the clients was woken how long after the gate opened."""
    curves, halves, named = [], [], []
    last = [_last(one) for found in groups.values() for one in found]
    latest = max([*last, 0.001]) * 1.02
    for place, (name, found) in enumerate(groups.items()):
        hue, dash, _ = _look(place)
        told = [one.latencies for one in found if one.latencies is not None]
        clients = sum(one.clients for one in found if one.latencies is not None)
        every = np.sort(np.concatenate([np.zeros(0), *told]))
        part = np.arange(1, every.size + 1) / max(1, clients) * 100
        half = float(every[np.searchsorted(part, 50)]) if part.size and part[-1] >= 50 else None
        halves.append((name, half, float(part[-1]) if part.size else 0.0))
        t, share = thin(np.concatenate([[0.0], every]), np.concatenate([[0.0], part]))
        rows = [
            {"s": number(a), "p": number(b)}
            for a, b in zip(t.tolist(), share.tolist(), strict=True)
        ]
        rows.append({"s": number(latest), "p": rows[-1]["p"]})
        curves.append(
            {
                "data": values(rows),
                "mark": {
                    "type": "line",
                    "interpolate": "step-after",
                    "color": hue,
                    "strokeDash": dash,
                },
                "encoding": {},
            }
        )
        named.append((name, hue, dash, rows[-1]["p"]))
    most = max(part for *_, part in halves)
    top = 100.0 if most > 50 else max(1.0, most * 1.2)
    x = {
        "field": "s",
        "type": "quantitative",
        "scale": {"domain": [0, number(latest)], "nice": False},
        "axis": {
            "title": "time from the opening of the gate to a client's first wakeup, s",
            "tickCount": 8,
            "format": "~g",
        },
    }
    y = {
        "field": "p",
        "type": "quantitative",
        "scale": {"domain": [0, number(top)], "nice": False},
        "axis": quantity("clients woken, % of all"),
    }
    half_line = {
        "data": values([{"p": 50}] if top == 100 else []),
        "mark": {"type": "rule", "color": str(RULE), "strokeDash": [2, 2]},
        "encoding": {"y": y},
    }
    layers = [{**layer, "encoding": {"x": x, "y": y, **layer["encoding"]}} for layer in curves]
    answer = sentence(_halves(halves, latest))
    ends = [End(name, hue, _HEIGHT * (1 - part / top), dash) for name, hue, dash, part in named]
    return Picture(
        title=answer,
        subtitle=_subject(groups, by),
        alt=f"{answer}. In the end, "
        + listed([f"{name} has woken {part:.3g} % of the clients" for name, _, part in halves])
        + ".",
        caption=["A curve that ends below 100 % leaves out the clients that were never woken."],
        body={
            "width": _ACROSS,
            "height": _HEIGHT,
            "layer": [half_line, *layers, *legend(ends, width=_ACROSS, height=_HEIGHT)],
        },
    )


def _last(one: Reacted) -> float:
    some = one.latencies is not None and one.latencies.size > 0
    return float(one.latencies[-1]) if one.latencies is not None and some else 0.0


def _halves(halves: Sequence[tuple[str, float | None, float]], latest: float) -> str:
    there = [(half, who(name)) for name, half, _ in halves if half is not None]
    never = [who(name) for name, half, _ in halves if half is None]
    if not there:
        parts = sorted(((part, who(name)) for name, _, part in halves), reverse=True)
        told = [
            f"{name} {'has woken ' if not n else ''}{part:.2g} %"
            for n, (part, name) in enumerate(parts)
        ]
        return f"{seconds(latest)} after the gate opens, {', '.join(told)} of the clients"
    words = [
        f"{name} wakes half of the clients within {seconds(half)} of the gate's opening"
        if place == 0
        else f"{name} within {seconds(half)}"
        for place, (half, name) in enumerate(sorted(there))
    ]
    return ", ".join(words) + (f"; {listed(never)} never {_s('do', never)}" if never else "")


def _s(verb: str, names: Sequence[str]) -> str:
    return verb if len(names) > 1 else {"do": "does"}.get(verb, f"{verb}s")


def batches(groups: Groups, by: str) -> Picture:
    """Return how large the batches of wakeups were, and how often."""
    rows: list[dict[str, Any]] = []
    for place, (name, found) in enumerate(groups.items()):
        hue, _, _ = _look(place)
        for size, times in sorted(Counter(n for one in found for n in one.batches).items()):
            rows.append({"g": name, "size": size, "times": times, "hue": hue})
    largest = max([row["size"] for row in rows] or [1])
    x = {
        "field": "size",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [0.8, largest * 1.4], "nice": False},
        "axis": {
            "title": "size of a batch, wakeups (logarithmic)",
            "values": [
                n * 10**e for e in range(6) for n in (1, 2, 5) if n * 10**e <= largest * 1.4
            ],
            "format": "~g",
        },
    }
    y = {
        "field": "g",
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(groups)},
        "axis": {"title": by, **_flat()},
    }
    circles = {
        "data": values(rows),
        "mark": {"type": "circle", "opacity": 0.85},
        "encoding": {
            "x": x,
            "y": y,
            "size": {
                "field": "times",
                "type": "quantitative",
                "scale": {"range": [30, 500], "domain": [1, max([2, *(r["times"] for r in rows)])]},
                "legend": None,
            },
            "color": {"field": "hue", "type": "nominal", "scale": None},
            "tooltip": [
                {"field": "g", "type": "nominal", "title": by},
                {"field": "size", "type": "quantitative", "title": "wakeups in a batch"},
                {"field": "times", "type": "quantitative", "title": "batches"},
            ],
        },
    }
    often = {
        "data": values(rows),
        "mark": {"type": "text", "dy": -17, "color": str(SOFT)},
        "encoding": {"x": x, "y": y, "text": {"field": "times", "type": "quantitative"}},
    }
    answer = sentence(
        at_once([(name, max(one.greatest for one in some)) for name, some in groups.items()])
    )
    told = [
        f"{name}: "
        + (
            ", ".join(f"{row['times']} of {row['size']}" for row in rows if row["g"] == name)
            or "no batch"
        )
        for name in groups
    ]
    return Picture(
        title=answer,
        subtitle=_subject(groups, by),
        alt=f"{answer}. Batches, by size: {'; '.join(told)}.",
        caption=["A batch is a group of wakeups that came together. Above each: how many batches."],
        body={
            "width": _ACROSS,
            "height": max(60, 52 * len(groups)),
            "layer": [circles, often],
        },
    )


def _flat() -> Spec:
    flat = quantity("")
    return {key: value for key, value in flat.items() if key not in ("title", "tickCount")}


def herds(groups: Groups, by: str) -> Picture:
    """Return how many clients a notification wakes at once, over how many there are."""
    curves: list[Spec] = []
    named: list[End] = []
    every = [one for found in groups.values() for one in found]
    most = max([1, *(one.clients for one in every)])
    ends = {}
    for place, (name, found) in enumerate(groups.items()):
        hue, dash, shape = _look(place)
        sizes: dict[int, list[int]] = {}
        for one in found:
            sizes.setdefault(one.clients, []).append(one.greatest)
        rows = [
            {"n": clients, "h": max(0.5, float(np.median(some)))}
            for clients, some in sorted(sizes.items())
        ]
        ends[name] = rows
        curves.append(
            {
                "data": values(rows),
                "mark": {
                    "type": "line",
                    "color": hue,
                    "strokeDash": dash,
                    "point": {"shape": shape, "color": hue, "size": 50, "filled": False},
                },
                "encoding": {},
            }
        )
        named.append(End(name, hue, _log(rows[-1]["h"], 0.5, most), dash))
    x = _logarithmic("n", "clients, number (logarithmic)", 1, most, {})
    y = _logarithmic("h", "", 0.5, most, quantity("largest batch, wakeups (logarithmic)"))
    diagonal = {
        "data": values([{"n": 1, "h": 1}, {"n": most, "h": most}]),
        "mark": {"type": "line", "color": str(RULE), "strokeDash": [2, 3], "strokeWidth": 1},
        "encoding": {"x": x, "y": y},
    }
    layers = [{**layer, "encoding": {"x": x, "y": y, **layer["encoding"]}} for layer in curves]
    last = [(name, _whole(rows, most)) for name, rows in ends.items()]
    answer = f"Of {counted(most, 'client')}, {at_once([(n, s) for n, s in last if s is not None])}"
    told = [
        f"{name}: " + ", ".join(f"{_size(row)} of {row['n']}" for row in rows)
        for name, rows in ends.items()
    ]
    return Picture(
        title=answer,
        subtitle=_subject(groups, by, "clients"),
        alt=f"{answer}. Largest batch over clients: {'; '.join(told)}.",
        caption=[
            "Dotted: everybody wakes at once. A point below 1: nobody woke."
            + (" Over several runs, the median." if _several(groups) else "")
        ],
        body={
            "width": _ACROSS,
            "height": _HEIGHT,
            "layer": [diagonal, *layers, *legend(named, width=_ACROSS, height=_HEIGHT)],
        },
    )


def _several(groups: Groups) -> bool:
    return any(
        one.clients == other.clients
        for found in groups.values()
        for one, other in pairwise(sorted(found, key=lambda each: each.clients))
    )


def _size(row: Mapping[str, Any]) -> str:
    return "nobody" if row["h"] < 1 else f"{row['h']:g}"


def _whole(rows: Sequence[Mapping[str, Any]], clients: int) -> int | None:
    found = [row["h"] for row in rows if row["n"] == clients]
    return None if not found else round(found[0] if found[0] >= 1 else 0)


def _logarithmic(field: str, title: str, low: float, high: float, axis: Spec) -> Spec:
    ticks = [n * 10**e for e in range(6) for n in (1, 2, 5) if low <= n * 10**e <= high]
    return {
        "field": field,
        "type": "quantitative",
        "scale": {"type": "log", "domain": [low * 0.9, high * 1.15], "nice": False},
        "axis": {"title": title, "values": ticks, "format": "~g", **axis},
    }


def _log(value: float, low: float, high: float) -> float:
    bottom, top = np.log(low * 0.9), np.log(high * 1.15)
    return float(_HEIGHT * (1 - (np.log(value) - bottom) / (top - bottom)))

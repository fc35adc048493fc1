"""Answers in words, computed from the data: titles and text alternatives of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from memnotify.results.course import Course
from memnotify.text import counted


def listed(words: Sequence[str]) -> str:
    """Return `a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def seconds(value: float) -> str:
    """Return a time as a person would say it."""
    if value < 0.0095:
        return f"{value * 1000:.2g} ms"
    return f"{value * 1000:.0f} ms" if value < 0.9995 else f"{value:.3g} s"


UNPATCHED = "the unpatched kernel"


def who(name: str) -> str:
    """Return how a sentence calls a series; that of the unpatched kernel is `none`."""
    return UNPATCHED if name == "none" else name


def at_once(sizes: Sequence[tuple[str, float]]) -> str:
    """Return how many each wakes at once, those with the same number together, the most first."""
    groups: dict[float, list[str]] = {}
    for name, size in sizes:
        groups.setdefault(size, []).append(who(name))
    words = []
    for place, (size, names) in enumerate(sorted(groups.items(), reverse=True)):
        verb = "" if place else " wake" if len(names) > 1 else " wakes"
        how = f"{size:g} at once" if not place else f"at most {size:g}"
        words.append(f"{listed(names)}{verb} {how if size else 'nobody'}")
    return ", ".join(words)


def sentence(text: str) -> str:
    """Return a text that begins a line. A series keeps its name: v4 is not V4."""
    return text[0].upper() + text[1:] if text.startswith(UNPATCHED) else text


def one(course: Course) -> str:
    """Return what happened in one guest."""
    if not course.batches:
        low = max((zone.low_s for zone in course.zones), default=0.0)
        how = (
            f"though memory is at or below the gate for {seconds(low)}"
            if low
            else "and no zone comes down to the gate"
        )
        text = f"{who(course.series)} wakes nobody, {how}"
    else:
        largest = max(course.batches, key=lambda batch: batch.wakeups)
        text = f"{course.series} wakes {largest.clients} of {counted(course.clients, 'client')}"
        if largest.wakeups > largest.clients:
            text += f" {largest.wakeups} times"
        text += " at once" if course.greatest > 1 or course.clients > 1 else ""
        if course.gate_s is not None:
            after = float(course.wakeups.t[0]) - course.gate_s
            text += f", {seconds(max(0.0, after))} after the gate opens"
    return sentence(text + _ended(course))


def _ended(course: Course) -> str:
    if course.outcome.ok:
        return ""
    return f"; the guest ends with {str(course.outcome).partition(':')[2]}"


def several(courses: Sequence[Course], names: Sequence[str]) -> str:
    """Return how the guests differ."""
    if len(courses) == 1:
        return one(courses[0])
    text = at_once([(name, course.greatest) for course, name in zip(courses, names, strict=True)])
    bad = [
        f"{name} with {str(course.outcome).partition(':')[2]}"
        for course, name in zip(courses, names, strict=True)
        if not course.outcome.ok
    ]
    return sentence(text + (f"; the guest ends under {listed(bad)}" if bad else ""))


def told(course: Course) -> str:
    """Return what a picture of this guest shows, for those who cannot see it."""
    parts = [f"{one(course)}."]
    for zone in course.zones:
        least = float(zone.free.values.min())
        gate = float(zone.gate.values[-1])
        low = (
            f"at or below its gate for {seconds(zone.low_s)}" if zone.low_s else "never at its gate"
        )
        parts.append(
            f"Zone {zone.name}: free memory down to {least:.3g} MiB, gate {gate:.3g} MiB, {low}."
        )
    if course.batches:
        shown = [f"{batch.wakeups} at {batch.at_s:.3g} s" for batch in course.batches[:6]]
        more = len(course.batches) - len(shown)
        also = f", and {counted(more, 'batch').replace('batchs', 'batches')} more" if more else ""
        parts.append(f"Wakeups: {', '.join(shown)}{also}.")
    if course.steps:
        steps = [f"{step.text} at {step.t:.3g} s" for step in course.steps[:10]]
        parts.append(f"Steps: {', '.join(steps)}.")
    if course.findings:
        found = [f"{finding.text} at {finding.t:.3g} s" for finding in course.findings[:10]]
        parts.append(f"Findings: {', '.join(found)}.")
    return " ".join(parts)


def about(point: Mapping[str, object], leave_out: Sequence[str] = ()) -> str:
    """Return the point of a cell in the matrix in words."""
    words = {
        "base": "Linux {}",
        "series": "{}",
        "setting": "{}",
        "arch": "{}",
        "machine": "machine {}",
        "memory_mib": "{} MiB",
        "scenario": "scenario {}",
        "clients": "{} clients",
    }
    if point.get("clients") == 1:
        words["clients"] = "1 client"
    return ", ".join(
        how.format(point[axis])
        for axis, how in words.items()
        if point.get(axis) not in (None, "") and axis not in leave_out
    )

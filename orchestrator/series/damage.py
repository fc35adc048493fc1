"""What an archive did to the white space of a mail, as the lines that the tree has too tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

_TAB = 8
_GAP = re.compile(r"(?<=\S)\s+(?=\S)")


class Fate(StrEnum):
    """What became of white space; of two that explain all, the gentler is taken."""

    KEPT = "kept"
    EXPANDED = "tabs became blanks"
    SHIFTED = "tabs became blanks, counted with the marker"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Damage:
    """The fate of the white space at the beginning of lines, and between words."""

    lead: Fate
    inner: Fate


@dataclass(frozen=True, slots=True)
class Witness:
    """A line of the tree and the whole line of the mail that shows it, with marker or without."""

    tree: str
    mail: str
    removed: bool


def lead_of(line: str) -> str:
    """Return the white space that a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def gaps_of(line: str) -> list[str]:
    """Return the white space between the words of a line."""
    return _GAP.findall(line)


def infer_damage(witnesses: Iterable[Witness], added: Sequence[str]) -> Damage:
    """Return the gentlest damage that all witnesses agree with.

    `added` are the added lines of the mail, without their +: where no witness has white space to
    tell by, tabs or wide gaps in them show that it was kept.
    """
    witnesses = [witness for witness in witnesses if witness.tree.strip()]
    lead = _agreed(
        (
            [_lead_fate(witness) for witness in witnesses if lead_of(witness.tree)],
            (Fate.KEPT, Fate.EXPANDED, Fate.SHIFTED),
        )
    )
    told = [witness for witness in witnesses if any(gap != " " for gap in gaps_of(witness.tree))]
    inner = _agreed(([_inner_fate(witness) for witness in told], (Fate.KEPT, Fate.EXPANDED)))
    if lead is None:
        lead = _unwitnessed([lead_of(line) for line in added])
    if inner is None:
        inner = lead
    return Damage(lead, Fate.EXPANDED if inner is Fate.SHIFTED else inner)


def _agreed(votes: tuple[list[frozenset[Fate]], tuple[Fate, ...]]) -> Fate | None:
    fates, order = votes
    if not fates:
        return None
    common = frozenset.intersection(*fates)
    return next((fate for fate in order if fate in common), Fate.LOST)


def _unwitnessed(leads: Sequence[str]) -> Fate:
    if any("\t" in lead for lead in leads):
        return Fate.KEPT
    if any(len(lead) > 1 for lead in leads):
        return (
            Fate.SHIFTED if any(len(lead) % _TAB == _TAB - 1 for lead in leads) else Fate.EXPANDED
        )
    return Fate.LOST


def _contents(witness: Witness) -> tuple[str, ...]:
    """Return what a line of the mail may be without its marker, which may have been eaten."""
    if witness.removed:
        return (witness.mail[1:],)
    if witness.mail.startswith(" "):
        return witness.mail[1:], witness.mail
    return (witness.mail,)


def _lead_fate(witness: Witness) -> frozenset[Fate]:
    true = lead_of(witness.tree)
    leads = [lead_of(content) for content in _contents(witness)]
    fates = set()
    if true in leads:
        fates.add(Fate.KEPT)
    if true.expandtabs(_TAB) in leads:
        fates.add(Fate.EXPANDED)
    if (" " + true).expandtabs(_TAB)[1:] in leads:
        fates.add(Fate.SHIFTED)
    return frozenset(fates)


def _inner_fate(witness: Witness) -> frozenset[Fate]:
    fates = set()
    true = witness.tree.rstrip()
    for content in _contents(witness):
        if gaps_of(true) == gaps_of(content):
            fates.add(Fate.KEPT)
        if any(
            gaps_of((mark + true).expandtabs(_TAB)[len(mark) :]) == gaps_of(content)
            for mark in ("", " ")
        ):
            fates.add(Fate.EXPANDED)
    return frozenset(fates)


def unexpand(width: int, *, shifted: bool) -> str:
    """Return indentation of the kernel's style for blanks that tabs were expanded to."""
    if shifted and width >= _TAB - 1:
        tabs, blanks = divmod(width + 1, _TAB)
    else:
        tabs, blanks = divmod(width, _TAB)
    return "\t" * tabs + " " * blanks

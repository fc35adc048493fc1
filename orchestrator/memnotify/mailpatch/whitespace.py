"""Infer what an archive did to a mail's white space from the lines that the tree also has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from memnotify.mailpatch.tokens import BLANKS

TAB = 8
_GAP = re.compile(f"(?<=[^{BLANKS}])[{BLANKS}]+(?=[^{BLANKS}])")


class Fate(StrEnum):
    """What became of white space; if two fates explain everything, the gentler one is taken."""

    KEPT = "kept"
    EXPANDED = "tabs became blanks"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Space:
    """The fate of white space; `shift` columns were before a line when tabs became blanks.

    The marker is one, and the mail may have been quoted by then. Only the value modulo 8 matters.
    """

    fate: Fate
    shift: int = 0


KEPT = Space(Fate.KEPT)
LOST = Space(Fate.LOST)
_ORDER = (KEPT, *(Space(Fate.EXPANDED, shift) for shift in range(TAB)))


@dataclass(frozen=True, slots=True)
class Damage:
    """The fate of the white space at the beginning of lines, and between words."""

    lead: Space
    inner: Space


@dataclass(frozen=True, slots=True)
class Witness:
    """A line of the tree, and the whole line of the mail that shows it, with or without marker."""

    tree: str
    mail: str
    removed: bool


def lead_of(line: str) -> str:
    """Return the white space that a line begins with."""
    return line[: len(line) - len(line.lstrip(BLANKS))]


def gaps_of(line: str) -> list[str]:
    """Return the white space between the words of a line."""
    return _GAP.findall(line)


def infer_damage(
    witnesses: Iterable[Witness], added: Sequence[str], *, sound: bool = False
) -> Damage:
    """Return the gentlest damage that is consistent with all witnesses.

    `added` are the added lines of the mail, without their +: if no witness has white space to judge
    by, tabs or wide gaps in them show that it was kept. `sound`: nothing in the mail shows any
    damage, so it was kept unless witnesses agree on something else.
    """
    witnesses = [witness for witness in witnesses if witness.tree.strip()]
    if sound and (not witnesses or any(_shows_tab(witness) for witness in witnesses)):
        return Damage(KEPT, KEPT)
    lead = _lead(witnesses)
    inner = _inner(witnesses)
    if sound:
        lead = lead or (KEPT if inner is None else inner)
        return Damage(lead, lead if inner is None else inner)
    if lead is None:
        lead = _unwitnessed([lead_of(line) for line in added])
    if inner is None:
        gaps = [gap for line in added for gap in gaps_of(line)]
        # Collapsed blanks are one blank, and tabs became blanks everywhere or nowhere.
        wide = any("\t" in gap for gap in gaps) or (lead == LOST and any(len(g) > 1 for g in gaps))
        inner = KEPT if wide else lead
    return Damage(lead, inner)


def _shows_tab(witness: Witness) -> bool:
    """Return whether a line has a tab in the mail, where the tree has it."""
    return "\t" in witness.tree.rstrip() and witness.mail[1:].rstrip() == witness.tree.rstrip()


def _lead(witnesses: Sequence[Witness]) -> Space | None:
    told = [witness for witness in witnesses if lead_of(witness.tree)]
    if not told:
        return None
    # The marker of context was removed everywhere or nowhere.
    for eaten in (False, True):
        if not eaten and not all(w.removed or w.mail.startswith((" ", "\t")) for w in witnesses):
            continue
        contents = [(w.tree, w.mail if eaten and not w.removed else w.mail[1:]) for w in witnesses]
        wide = any(len(lead_of(mail)) > 1 for _, mail in contents)
        for space in _ORDER if wide else (KEPT,):
            if all(after(space, lead_of(tree)) == lead_of(mail) for tree, mail in contents):
                return space
    return LOST


def after(space: Space, text: str) -> str:
    """Return what became of white space that was not lost, or of a line with it."""
    if space.fate is Fate.KEPT:
        return text
    return (" " * space.shift + text).expandtabs(TAB)[space.shift :]


def _inner(witnesses: Sequence[Witness]) -> Space | None:
    told = [
        (witness.tree.rstrip(), gaps_of(witness.mail[1:] if witness.removed else witness.mail))
        for witness in witnesses
        if any(gap != " " for gap in gaps_of(witness.tree))
    ]
    if not told:
        return None
    # Tabs that each became one blank may have been collapsed with others: that shows nothing.
    wide = any(len(gap) > 1 for _, gaps in told for gap in gaps)
    for space in _ORDER if wide else (KEPT,):
        if all(gaps_of(after(space, tree)) == gaps for tree, gaps in told):
            return space
    return LOST


def _unwitnessed(leads: Sequence[str]) -> Space:
    if any("\t" in lead for lead in leads):
        return KEPT
    if any(len(lead) > 1 for lead in leads):
        return Space(Fate.EXPANDED, int(any(len(lead) % TAB == TAB - 1 for lead in leads)))
    return LOST


def unexpand(width: int, *, shift: int = 0) -> str:
    """Return indentation in the kernel's style for blanks that tabs were expanded to."""
    tabs, blanks = divmod(width + shift, TAB)
    return "\t" * tabs + " " * blanks if tabs else " " * width

"""The patches that a base's tree gets before a series: fixes and drivers, in a form that fits.

A base whose tree was not available here names several folders for one purpose. Their patches with
the same number are forms of one fix, and the tree gets the first form that fits. The choice depends
only on the source and on the forms. The key of a build has the patches that were applied, as if the
base had named just those.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from memnotify.errors import InputError
from memnotify.kernel.base import Base, OnlyIfTable, label
from memnotify.process import CommandLog
from memnotify.series.apply import FileState, Reader, apply_series, changed_files, is_whole
from memnotify.series.quilt import CONFIG, SERIES, Patch, Series, read_series_file

_NUMBER = re.compile(r"(\d+)-")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The choice for one fix: its forms, and those that were taken.

    If none was taken, the fix is not needed, or the kernel `lacks` it for this reason.
    """

    forms: tuple[Patch, ...]
    taken: tuple[Patch, ...]
    lacks: str = ""

    @property
    def fact(self) -> dict[str, Any]:
        """Return the choice as an entry in the facts of a build."""
        return {
            "forms": [label(patch) for patch in self.forms],
            "taken": [
                {"patch": label(patch), **({"files": list(patch.only)} if patch.only else {})}
                for patch in self.taken
            ],
            **({"lacks": self.lacks} if self.lacks else {}),
        }


@dataclass(frozen=True, kw_only=True)
class Fixes:
    """The patches of a base, the configuration fragments beside them, and the choices."""

    patches: tuple[Patch, ...]
    config: tuple[Path, ...]
    choices: tuple[Choice, ...]

    def on(self, series: Series) -> Series:
        """Return a series with these patches before its own."""
        return replace(series, patches=(*self.patches, *series.patches))

    @property
    def summary(self) -> str:
        """Return the choices in one line; "" if there were none."""
        chosen: dict[str, list[str]] = {}
        for choice in self.choices:
            number = choice.forms[0].name.partition("-")[0]
            for patch in choice.taken:
                chosen.setdefault(label(patch).rpartition("/")[0], []).append(number)
            if not choice.taken:
                chosen.setdefault("LACKING" if choice.lacks else "not needed", []).append(number)
        return "; ".join(f"{name}: {' '.join(numbers)}" for name, numbers in chosen.items())


@dataclass(frozen=True)
class _Fix:
    """Forms of one fix, the preferred one first; `everywhere`: every folder has one."""

    forms: tuple[Patch, ...]
    everywhere: bool


@dataclass
class _Tree:
    """The files of a tree with the fixes chosen so far applied."""

    source: Reader
    conditions: Mapping[str, OnlyIfTable]
    log: CommandLog | None
    files: dict[str, FileState | None] = field(default_factory=dict)

    def read(self, name: str) -> FileState | None:
        return self.files[name] if name in self.files else self.source(name)

    def try_out(self, patch: Patch) -> Mapping[str, FileState | None]:
        """Return the files with a patch applied. Raises InputError if it does not fit."""
        alone = Series(revision="", base="", patches=(patch,))
        return apply_series(alone, self.read, log=self.log).files

    def rules_out(self, patch: Patch) -> str | None:
        """Return in one line the condition of a patch that is not met; None if it is met."""
        condition = self.conditions.get(label(patch))
        if condition is None:
            return None
        state = self.read(condition.file)
        if state is not None and condition.text.encode() in state.data:
            return None
        return f"{patch.path}: for a {condition.file} with {condition.text!r} in it"

    def refuses(self, patch: Patch) -> str | None:
        """Return in one line why a patch does not fit; None if it does."""
        try:
            self.try_out(patch)
        except InputError as error:
            return error.message.partition("\n")[0].rstrip(":")
        return None


def fixes_for(
    base: Base,
    read: Reader,
    *,
    versions: Mapping[str, str] = MappingProxyType({}),
    log: CommandLog | None = None,
) -> Fixes:
    """Return the patches that a tree of a base gets before a series.

    `read` returns the files of the tree; it is called only if there is a choice. `versions` are
    those of a toolchain; without one, the patches that only some need are left out: a series
    applies to a tree without them. Raises InputError if a `series` file is wrong, or if no form of
    a fix fits.
    """
    can_lack = set(base.table.can_lack)
    tree = _Tree(read, {condition.patch: condition for condition in base.table.only_if}, log)
    chosen: list[Patch] = []
    choices: list[Choice] = []
    config: list[Path] = []
    offers = any(len(folders) > 1 for folders in base.patches)
    for folders in base.patches:
        for fix in _fixes(folders):
            taken = fix.forms
            if len(folders) > 1:
                choice = _choice(fix, tree, {label(form) for form in fix.forms} & can_lack)
                choices.append(choice)
                taken = choice.taken
            if offers:
                for patch in taken:
                    tree.files |= tree.try_out(patch)
            chosen += taken
        used = {patch.path.parent for patch in chosen}
        config += [
            folder / CONFIG for folder in folders if folder in used and (folder / CONFIG).is_file()
        ]
    for folder in base.patches_with(versions):
        chosen += read_series_file(folder / SERIES)
    return Fixes(patches=tuple(chosen), config=tuple(config), choices=tuple(choices))


def usual_config(base: Base) -> tuple[Path, ...]:
    """Return the fragments beside the patches that a base prefers, whichever a tree will get."""
    preferred = (folders[0] / CONFIG for folders in base.patches)
    return tuple(file for file in preferred if file.is_file())


def _fixes(folders: Sequence[Path]) -> list[_Fix]:
    series = [read_series_file(folder / SERIES) for folder in folders]
    if len(series) == 1:
        return [_Fix((patch,), everywhere=True) for patch in series[0]]
    forms: dict[int, list[Patch]] = {}
    for folder, patches in zip(folders, series, strict=True):
        numbers = [_number(patch, folder) for patch in patches]
        if numbers != sorted(set(numbers)):
            raise InputError(
                "the numbers of the patches do not increase", file=folder / SERIES, hint=_MATCHED
            )
        for number, patch in zip(numbers, patches, strict=True):
            forms.setdefault(number, []).append(patch)
    return [
        _Fix(tuple(forms[number]), everywhere=len(forms[number]) == len(folders))
        for number in sorted(forms)
    ]


_MATCHED = "alternative folders are matched by the numbers of their patches"


def _number(patch: Patch, folder: Path) -> int:
    found = _NUMBER.match(patch.name)
    if found is None:
        raise InputError(
            f"{patch.name} does not begin with a number and -", file=folder / SERIES, hint=_MATCHED
        )
    return int(found[1])


def _choice(fix: _Fix, tree: _Tree, can_lack: Collection[str]) -> Choice:
    """Choose among the forms of a fix; raises InputError if none fits and the fix is needed."""
    refused: dict[Patch, str] = {}
    taken = _choose(fix, tree, refused)
    if taken is not None:
        return Choice(forms=fix.forms, taken=taken)
    why = "; ".join(refused[form] for form in fix.forms)
    if not can_lack:
        raise InputError(f"no form of a fix applies to the tree: {why}", hint=_NO_FORM)
    return Choice(forms=fix.forms, taken=(), lacks=why)


def _choose(fix: _Fix, tree: _Tree, refused: dict[Patch, str]) -> tuple[Patch, ...] | None:
    """Return the first form that fits as a whole, or else the first that fits for each file.

    Returns () if only some of the folders have a form, and the tree has none of the files that it
    changes. Returns None if no form fits; `refused` gets the reasons.
    """
    refused |= {form: why for form in fix.forms if (why := tree.rules_out(form)) is not None}
    forms = [form for form in fix.forms if form not in refused]
    for form in forms:
        why = tree.refuses(form)
        if why is None:
            return (form,)
        refused[form] = why
    files = {form: changed_files(form) for form in forms}
    names = dict.fromkeys(name for form in forms for name in files[form])
    there = [name for name in names if tree.read(name) is not None]
    if not there and not fix.everywhere:
        return ()
    taken: dict[Patch, list[str]] = {}
    for name in [] if any(is_whole(form) for form in forms) else there:
        parts = {form: replace(form, only=(name,)) for form in forms if name in files[form]}
        whys = {form: tree.refuses(part) for form, part in parts.items()}
        fitting = next((form for form, why in whys.items() if why is None), None)
        if fitting is None:
            refused |= {form: why for form, why in whys.items() if why is not None}
            return None
        taken.setdefault(fitting, []).append(name)
    parts_taken = [replace(form, only=tuple(taken[form])) for form in forms if form in taken]
    return tuple(parts_taken) or None


_NO_FORM = "patches/README.md describes how to add another form"

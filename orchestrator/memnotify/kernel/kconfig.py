"""Why a tree does not take a line of a configuration, from its Kconfig files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CONFIG = re.compile(r"^\s*(?:menu)?config\s+(\w+)\s*$")
_DEPENDS = re.compile(r"^\s+depends\s+on\s+(.+?)\s*$")
_SYMBOL = re.compile(r"(!?)\b([A-Z0-9_]*[A-Z][A-Z0-9_]*)\b")


@dataclass(frozen=True, slots=True)
class Known:
    """An option of a tree: where it is defined, and what it depends on, one text for each line."""

    file: str
    line: int
    depends: tuple[str, ...]


def options_of_tree(tree: Path, *, arch: str = "x86") -> dict[str, list[Known]]:
    """Return the options that the Kconfig files of a tree define, for one architecture."""
    found: dict[str, list[Known]] = {}
    for file in sorted(tree.rglob("Kconfig*")):
        name = file.relative_to(tree)
        other = name.parts[0] == "arch" and len(name.parts) > 2 and name.parts[1] != arch
        if other or not file.is_file():
            continue
        for symbol, known in _defined(
            file.read_text(encoding="utf-8", errors="replace"), str(name)
        ):
            found.setdefault(symbol, []).append(known)
    return found


def _defined(text: str, name: str) -> list[tuple[str, Known]]:
    found: list[tuple[str, Known]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if match := _CONFIG.match(line):
            found.append((match[1], Known(name, number, ())))
        elif found and (match := _DEPENDS.match(line)):
            symbol, known = found[-1]
            found[-1] = (symbol, Known(known.file, known.line, (*known.depends, match[1])))
    return found


def why_not(option: str, known: Mapping[str, list[Known]], had: Mapping[str, str]) -> str:
    """Return why an option is not as asked for, in a tree whose configuration `had` these values.

    `option` is the symbol with CONFIG_.
    """
    places = known.get(option.removeprefix("CONFIG_"), [])
    if not places:
        return "this tree has no such option"
    reasons = []
    for place in places:
        found = [match for text in place.depends for match in _SYMBOL.findall(text)]
        wrong = [
            f"{name} is {'set' if denied else 'not set'}"
            for denied, name in dict.fromkeys(found)
            if bool(denied) is (had.get(f"CONFIG_{name}") not in (None, "n"))
        ]
        where = f"{place.file}:{place.line}"
        if wrong:
            reasons.append(f"{where} depends on {' && '.join(place.depends)}: {', '.join(wrong)}")
        else:
            reasons.append(f"{where}: not a choice of the user's, or set by others")
    return "; ".join(reasons)

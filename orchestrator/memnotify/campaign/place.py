"""A place in a TOML file, for error messages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from memnotify import toml
from memnotify.errors import InputError


@dataclass(frozen=True)
class Place:
    """A table or key of a document, which error messages name."""

    path: Path
    lines: toml.LineNumbers
    key: toml.Key = ()

    def at(self, *key: str | int) -> Place:
        return Place(self.path, self.lines, (*self.key, *key))

    def refuse(self, why: str, *, hint: str | None = None) -> NoReturn:
        """Raise an InputError that names this place."""
        key = self.lines.written(self.key)
        line = self.lines.nearest(key) or 1
        raise InputError(f"{toml.dotted(key)}: {why}", file=self.path, line=line, hint=hint)

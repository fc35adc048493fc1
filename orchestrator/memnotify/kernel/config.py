"""The kernel's configuration: allnoconfig, plus the lines of the fragments.

Kconfig silently drops options whose dependencies are not met. Every requested line must be in the
result, so that a fragment states what the kernel has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from memnotify.errors import InputError
from memnotify.files import read_text

_LINE = re.compile(r"(?:(CONFIG_\w+)=(.+)|# (CONFIG_\w+) is not set)\s*")


GIVEN = Path("options")
"""Stands for the file of a line that comes from a campaign's setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigOption:
    """One line of a fragment; `value` is `n` for a symbol that must not be set."""

    symbol: str
    value: str
    file: Path
    line: int

    @property
    def text(self) -> str:
        if self.value == "n":
            return f"# {self.symbol} is not set"
        return f"{self.symbol}={self.value}"


def _parse(line: str) -> tuple[str, str] | None:
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    return (match[3], "n") if match[3] else (match[1], match[2].strip())


def merge_fragments(paths: Iterable[Path], more: Iterable[str] = ()) -> tuple[ConfigOption, ...]:
    """Return the lines of all fragments, sorted by symbol; the last line for a symbol wins.

    `more` are lines after those. Raises InputError for a line that is neither a setting nor a
    comment.
    """
    wanted: dict[str, ConfigOption] = {}
    for path in paths:
        try:
            lines = read_text(path).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"cannot be read: {error}", file=path) from error
        for number, line in enumerate(lines, 1):
            parsed = _parse(line)
            if parsed is not None:
                symbol, value = parsed
                wanted[symbol] = ConfigOption(symbol=symbol, value=value, file=path, line=number)
            elif line.strip() and not line.startswith("#"):
                raise InputError(
                    f"not a configuration line: {line.strip()}",
                    file=path,
                    line=number,
                    hint="CONFIG_X=y, or # CONFIG_X is not set",
                )
    for number, line in enumerate(more, 1):
        parsed = _parse(line)
        if parsed is None:
            hint = "CONFIG_X=y, or # CONFIG_X is not set"
            raise InputError(f"not a configuration line: {line}", hint=hint)
        symbol, value = parsed
        wanted[symbol] = ConfigOption(symbol=symbol, value=value, file=GIVEN, line=number)
    return tuple(wanted[symbol] for symbol in sorted(wanted))


def fragment_text(wanted: Iterable[ConfigOption]) -> str:
    """Return the text for KCONFIG_ALLCONFIG."""
    return "".join(f"{line.text}\n" for line in wanted)


def read_config(text: str) -> dict[str, str]:
    """Return the value of each option in a finished .config."""
    return dict(filter(None, map(_parse, text.splitlines())))


def check_config(wanted: Iterable[ConfigOption], config: str) -> None:
    """Compare a finished .config with the requested options.

    Raises InputError that lists every option that is not in it, with its fragment and line.
    """
    had = read_config(config)
    dropped = [line for line in wanted if had.get(line.symbol, "n") != line.value]
    if dropped:
        shown = "".join(
            f"\n  {line.file}:{line.line}: {line.text} (got {had.get(line.symbol, 'nothing')})"
            for line in dropped
        )
        raise InputError(f"Kconfig dropped {len(dropped)} of the requested lines:{shown}")

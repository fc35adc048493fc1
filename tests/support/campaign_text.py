"""The text of campaigns: a head with the kernels and the matrix, and scenarios with their steps.

Values are written as TOML; tests that need something else replace a part of the text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

POLL = 'clients = { kind = "poll", count = "matrix" }'


def head(
    name: str = "try",
    *,
    base: str | list[str] = "6.1",
    arch: str | list[str] | None = None,
    **axes: object,
) -> str:
    """Return the tables that every campaign begins with; axes are in the order given."""
    kernel = {"base": base} if arch is None else {"base": base, "arch": arch}
    return f"name = {json.dumps(name)}\n" + _table("[kernel]", kernel) + _table("[matrix]", axes)


def scenario(name: str, *steps: tuple[float, str], **keys: float) -> str:
    """Return the table of a scenario. A step is its time and its action."""
    return _table(f"[scenario.{name}]", keys) + "".join(step(name, *each) for each in steps)


def step(scenario: str, at_s: float, action: str) -> str:
    """Return one more step, to add to the end of a campaign."""
    return f"\n[[scenario.{scenario}.step]]\nat_s = {at_s}\n{action}\n"


def write(folder: Path, text: str) -> Path:
    """Write a campaign into a folder."""
    path = folder / "try.toml"
    path.write_text(text)
    return path


def _table(title: str, keys: Mapping[str, object]) -> str:
    rows = (f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    return f"\n{title}\n" + "".join(rows)

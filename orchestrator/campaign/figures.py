"""The figures of a cell that can be asked for by name."""

from __future__ import annotations

import dataclasses
import difflib

from orchestrator.check.expression import Expression, parse_expression
from orchestrator.check.metrics import Metrics
from orchestrator.report.cells import PARAMETERS

FIGURES = frozenset(
    (
        *PARAMETERS,
        *("outcome", "detail", "wakeups_each", "status", "gates", "self_check"),
        *("lost_records", "torn_records", "guest_seconds", "wall_seconds"),
        *(field.name for field in dataclasses.fields(Metrics)),
    )
)
"""What a verdict has, besides its id and its name."""


def read_comparison(text: str) -> Expression:
    """Read a comparison of figures that a verdict has. Raises ValueError."""
    expression = parse_expression(text)
    if not expression.names:
        raise ValueError(f"{text!r} asks for no figure of a cell")
    for name in expression.names:
        if name not in FIGURES:
            close = difflib.get_close_matches(name, FIGURES, 1)
            mend = f"did you mean {close[0]}?" if close else "words are written in quotes"
            raise ValueError(f"{text!r}: there is no figure {name} ({mend})")
    return expression

"""A row of plan.json: a cell of a run, its id and its inputs.

It is apart from plan.py, which needs to know kernels and QEMU, so that reading a run imports
neither.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from memnotify.axes import AXES, Value

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")  # it is the name of a folder


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """A cell of a run, as in plan.json. `inputs` is empty if the version that wrote it had none.

    `as_read` is the whole object if it was read from a file: another version may have written more
    keys or fewer.
    """

    id: str
    name: str
    source: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    as_read: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the row of a JSON value. Raises ValueError if it is not one."""
        if not isinstance(value, dict) or not {"id", "name"} <= value.keys():
            raise ValueError("not the plan of a run")
        cell = checked_id(value["id"])
        name, inputs = value["name"], value.get("inputs", {})
        if not isinstance(name, str):
            raise ValueError(f"{name!r} is not the name of a cell")
        if not isinstance(inputs, dict):
            raise ValueError(f"inputs of {cell} is {inputs!r}, not an object")
        source = value.get("source")
        return cls(
            id=cell,
            name=name,
            source=source if isinstance(source, str) else None,
            inputs=inputs,
            as_read=value,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the row as a JSON value; a row from a file is returned unchanged."""
        if self.as_read is not None:
            return dict(self.as_read)
        return {"id": self.id, "name": self.name, "source": self.source, "inputs": self.inputs}

    def value(self, axis: str) -> Value:
        """Return the value of the cell on an axis. Raises as `Axis.read` does."""
        return AXES[axis].read(self.inputs, cell_id=self.id)


def checked_id(cell: Any) -> str:
    """Return the id of a cell. Raises ValueError for anything that is none."""
    if not isinstance(cell, str) or not _ID.fullmatch(cell):
        raise ValueError(f"{cell!r} is not the id of a cell")
    return cell

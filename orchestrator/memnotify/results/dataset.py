"""A large run's plan and results as Parquet: `plan.parquet`, and the dataset `results/`.

The folders of the cells hold the results, and the dataset repeats what a table needs of them, so
that a run of 100,000 cells need not be read file by file. A row counts only while the files of its
cell have the sizes and times that they had when the cell was published; otherwise the cell is read
from its folder. Runs of few cells have neither.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from memnotify.campaign.row import PlanRow, checked_id
from memnotify.files import replacing
from memnotify.jsontext import dump, interned, parse

PLAN_ROWS = "plan.parquet"
RESULTS = "results"

REACTION = "reaction.json"
"""In the folder of a cell: see results/reaction.py."""

MANY = 1_000
"""Runs of more cells have a dataset."""

_AT_ONCE = 1_000
_SHARED = ("machine", "scenario")
"""Inputs that many cells have in common: each is read once."""

_PLAN = ("id", "name", "source", "inputs", *_SHARED)
_ROW = ("id", "verdict", "files", "origin", "reaction")
"""`origin` is what a report says of all cells together, of the manifest; `reaction` is the text of
reaction.json. Both are null if the version that wrote the row had no such column."""


def _texts(names: Sequence[str]) -> Any:
    """Return the schema of columns of text."""
    # Imported where it is used: most commands look at small runs, and would wait for it.
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in names])


def write_plan(file: Path, rows: Iterable[PlanRow]) -> None:
    """Write the plan of a run. Raises OSError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _texts(_PLAN)
    with replacing(file) as draft, pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        for part in _parts(rows):
            writer.write_table(pa.Table.from_pylist([_planned(row) for row in part], schema))


def _planned(row: PlanRow) -> dict[str, Any]:
    rest = {name: value for name, value in row.inputs.items() if name not in _SHARED}
    shared = {
        name: dump(row.inputs[name], indent=None) if name in row.inputs else None
        for name in _SHARED
    }
    return {
        "id": row.id,
        "name": row.name,
        "source": row.source,
        "inputs": dump(rest, indent=None),
        **shared,
    }


def read_ids(file: Path) -> list[str]:
    """Return the ids of the cells of a plan, which take a fraction of the plan. Raises as that."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file, schema=_texts(_PLAN), columns=["id"])
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    return [checked_id(cell_id) for cell_id in table.column("id").to_pylist()]


def read_plan(file: Path) -> list[PlanRow]:
    """Return the plan of a run. Raises OSError and ValueError, also for another file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file, schema=_texts(_PLAN))
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    seen: dict[str, Any] = {}
    rows = []
    for row in _dicts(table):
        inputs = interned(parse(row["inputs"]))
        for name in _SHARED:
            if (text := row[name]) is not None:
                if text not in seen:
                    seen[text] = parse(text)
                inputs[name] = seen[text]
        rows.append(
            PlanRow.from_json(
                {"id": row["id"], "name": row["name"], "source": row["source"], "inputs": inputs}
            )
        )
    return rows


class Dataset:
    """What a run adds to its dataset while it publishes cells."""

    def __init__(self, run: Path) -> None:
        self._folder = run / RESULTS
        self._rows: list[dict[str, str | None]] = []

    def add(
        self,
        cell: Path,
        verdict: Mapping[str, Any],
        *,
        origin: Mapping[str, Any] | None = None,
        reaction: str | None = None,
    ) -> None:
        """Add the cell in a folder. Raises OSError."""
        if (files := state_of(cell)) is None:
            return
        self._rows.append(
            {
                "id": cell.name,
                "verdict": dump(verdict, indent=None),
                "files": files,
                "origin": None if origin is None else dump(origin, indent=None),
                "reaction": reaction,
            }
        )
        if len(self._rows) >= _AT_ONCE:
            self.write()

    def write(self) -> None:
        """Write what was added as a new file of the dataset. Raises OSError."""
        if not self._rows:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._folder.mkdir(exist_ok=True)
        number = len(list(self._folder.glob("*.parquet")))
        table = pa.Table.from_pylist(self._rows, _texts(_ROW))
        with replacing(self._folder / f"{number:06}-{uuid.uuid4().hex[:8]}.parquet") as draft:
            pq.write_table(table, draft, compression="zstd")
        self._rows = []


class Noted:
    """The rows of a run's dataset; the newest of each cell counts."""

    def __init__(self, run: Path) -> None:
        self._tables: list[Any] = []
        self._place: dict[str, tuple[int, int]] = {}
        self._files: dict[str, str] = {}
        self._kept: set[str] = set()
        files = []
        with suppress(OSError):  # the plan, which is read as well, says what is wrong with a folder
            files = sorted((run / RESULTS).glob("[!.]*.parquet"))
        if not files:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        for file in files:
            if file.is_symlink() or file.parent.is_symlink():
                continue
            try:
                table = pq.read_table(file, schema=_texts(_ROW))
            except (OSError, pa.ArrowException):
                continue  # the folders of the cells say the same
            number = len(self._tables)
            self._tables.append(table)
            ids = table.column("id").to_pylist()
            self._place.update({cell_id: (number, row) for row, cell_id in enumerate(ids)})
            self._files.update(zip(ids, table.column("files").to_pylist(), strict=True))

    def holds(self, cell: Path) -> bool:
        """Return whether the row of the cell in a folder counts."""
        kept = cell.name in self._files and self._files[cell.name] == state_of(cell)
        if kept:
            self._kept.add(cell.name)
        return kept

    def verdict(self, cell_id: str) -> Mapping[str, Any] | None:
        """Return the verdict of a cell whose row was found to count. Raises ValueError."""
        if (text := self.text(cell_id, "verdict")) is None:
            return None
        found = interned(parse(text))
        if not isinstance(found, dict) or found.get("id") != cell_id:
            raise ValueError("not the verdict of this cell")
        return found

    def text(self, cell_id: str, column: str) -> str | None:
        """Return what a column has of a cell whose row was found to count; None without one."""
        if cell_id not in self._kept:
            return None
        table, row = self._place[cell_id]
        found: str | None = self._tables[table].column(column)[row].as_py()
        return found


def state_of(cell: Path) -> str | None:
    """Return the sizes and times of a cell's files; None if there is anything but plain files."""
    found = []
    try:
        with os.scandir(cell) as entries:
            for entry in entries:
                if not entry.is_file(follow_symlinks=False):
                    return None
                state = entry.stat(follow_symlinks=False)
                found.append((entry.name, state.st_size, state.st_mtime_ns))
    except OSError:
        return None
    return json.dumps(sorted(found), separators=(",", ":"))


def _parts(rows: Iterable[PlanRow]) -> Iterator[Sequence[PlanRow]]:
    part: list[PlanRow] = []
    for row in rows:
        part.append(row)
        if len(part) == _AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _dicts(table: Any) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=_AT_ONCE):
        yield from batch.to_pylist()

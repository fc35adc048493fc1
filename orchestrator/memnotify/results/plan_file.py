"""Reads the plan of a run: plan.json, or the rows that stand beside it if there are many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from memnotify.campaign.row import PlanRow
from memnotify.errors import InputError
from memnotify.files import file_state, read_text
from memnotify.jsontext import parse
from memnotify.places import command
from memnotify.results.dataset import PLAN_ROWS, RESULTS, read_ids, read_plan
from memnotify.text import similar

CAMPAIGN = "campaign.toml"
PLAN = "plan.json"
SHARD = "shard.json"
CELLS = "cells"


class PlanFile:
    """The plan in a run's folder. A long one is read once, while its file stays the same."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._known: tuple[object, list[PlanRow]] | None = None

    def rows(self) -> list[PlanRow]:
        """Return the plan. Raises InputError if the folder is not a run's, or contains links."""
        with self._reading() as (file, plan):
            if file.name == PLAN_ROWS:
                state = file_state(file)
                if self._known is None or self._known[0] != state:
                    self._known = state, read_plan(file)
                return list(self._known[1])
            return _rows(plan, file)

    def ids(self) -> list[str]:
        """Return the ids of its cells. Raises as `rows`, which takes longer."""
        with self._reading() as (file, plan):
            if file.name == PLAN_ROWS:
                return read_ids(file)
            return [row.id for row in _rows(plan, file)]

    @contextmanager
    def _reading(self) -> Iterator[tuple[Path, Any]]:
        """Provide the file that has the plan, and the content of plan.json; name what is wrong."""
        file = self._run / PLAN
        try:
            for name in (CAMPAIGN, PLAN, PLAN_ROWS, RESULTS, SHARD, CELLS):
                no_link(self._run / name)
            plan = parse(read_text(file))
            if isinstance(plan, dict) and plan.get("rows") == PLAN_ROWS:
                file = self._run / PLAN_ROWS
            yield file, plan
        except FileNotFoundError:
            raise InputError(
                f"{self._run} is not the folder of a run: it has no plan.json",
                hint=similar(self._run.name, _runs_beside(self._run))
                or f"see {command('run --help')}",
            ) from None
        except NotADirectoryError:
            raise InputError(
                f"{self._run} is not the folder of a run, but a file",
                hint=f"name the folder that {command('run')} wrote, such as runs/NAME",
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"cannot be read: {error}", file=file) from error


def _rows(plan: Any, file: Path) -> list[PlanRow]:
    if not isinstance(plan, list):
        raise InputError("not the plan of a run", file=file)
    try:
        return [PlanRow.from_json(row) for row in plan]
    except ValueError as error:
        raise InputError(str(error), file=file) from error


def _runs_beside(path: Path) -> list[str]:
    """Return the names of the runs in the folder in which somebody looks for one."""
    try:
        return [found.parent.name for found in path.parent.glob(f"*/{PLAN}")]
    except OSError:
        return []


def no_link(path: Path) -> None:
    """Raise InputError for a link."""
    if path.is_symlink():
        raise InputError("a link; results must be files and folders", file=path)

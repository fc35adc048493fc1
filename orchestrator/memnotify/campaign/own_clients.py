"""The programs of the user's own that clients of a campaign run."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path

from memnotify.campaign.place import Place
from memnotify.campaign.scenario import runs_of
from memnotify.campaign.scenario_schema import Run, ScenarioTable
from memnotify.errors import InputError
from memnotify.image.client import (
    MAX_PROGRAMS,
    binary_problem,
    digest_of,
    name_of,
    refuse_no_room,
    sources_of,
)
from memnotify.model import Arch
from memnotify.scenario import SOURCE_SUFFIX, Program


def programs_of(
    place: Place, scenario: ScenarioTable, arches: Sequence[Arch], *, memory_mib: int
) -> tuple[Program, ...]:
    """Return the programs of a scenario, in the order in which its steps count them.

    Nothing is compiled. Raises InputError for a file that cannot be read, and for a binary that no
    guest of these architectures can run, or for which the smallest, of `memory_mib`, has no room.
    """
    places = {
        step.clients.run: place.at("step", number, "clients", "program")
        for number, step in reversed(list(enumerate(scenario.step)))
        if step.clients is not None and step.clients.run is not None
    }
    runs = runs_of(scenario)
    if len(runs) > MAX_PROGRAMS:
        places[runs[MAX_PROGRAMS]].refuse(
            f"{len(runs)} programs in one scenario, with their arguments; at most {MAX_PROGRAMS}"
        )
    return tuple(_program(places[run], run, arches, memory_mib) for run in runs)


def _program(place: Place, run: Run, arches: Sequence[Arch], memory_mib: int) -> Program:
    word, args, wakeup_line, expect_status = run
    if "\0" in word:
        place.refuse("a NUL character is in no name of a file")
    path = place.path.parent / Path(word).expanduser()
    try:
        if not word.endswith(SOURCE_SUFFIX):
            refuse_no_room(path.name, path.stat().st_size, memory_mib)
        files = sources_of(path) if word.endswith(SOURCE_SUFFIX) else {}
        digest = digest_of(path, files)
        problem = None if files else binary_problem(path, arches)
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        why = f"there is no file {path}" if missing else f"{path}: {error.strerror}"
        place.refuse(why, hint="paths are relative to the folder of the campaign")
    except InputError as error:
        place.refuse(error.message, hint=error.hint)
    if problem is not None:
        place.refuse(f"{path.name}: {problem[0]}", hint=problem[1])
    return Program(
        name=name_of(path),
        digest=digest,
        args=args,
        wakeup_line=wakeup_line,
        expect_status=expect_status,
        path=str(path.absolute()),
    )

"""The guest program itself, built for both architectures and run on the host if possible."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from memnotify import scenario_rules
from memnotify.errors import InfrastructureError
from memnotify.guest import mailbox
from memnotify.image import example
from memnotify.image.build import ensure_image
from memnotify.image.program import compile_program, ensure_program, sources
from memnotify.model import Arch, DeviceName
from memnotify.process import CommandLog, run
from memnotify.records import layout
from memnotify.scenario import ClientKind, File, Habit, Level, Op
from memnotify.store import Artifact, Store

STRUCTS = {
    "mn_header": layout.HEADER,
    "mn_scenario": mailbox.SCENARIO_HEADER,
    "mn_step": mailbox.STEP,
    "mn_record": layout.RECORD,
    "mn_meminfo": layout.MEMINFO,
    "mn_zone": layout.ZONE,
    "mn_check": layout.CHECK,
    "mn_console": layout.CONSOLE,
}
OWN_STRUCTS = {"mn_said": layout.SAID}
"""What only the program of images with programs of the user's own knows."""

ENUMS = {
    "State": layout.State,
    "Reason": layout.Reason,
    "Op": Op,
    "ClientKind": ClientKind,
    "ClientArg": mailbox.ClientArg,
    "DeviceName": DeviceName,
    "Habit": Habit,
    "Level": Level,
    "File": File,
    "Kind": layout.Kind,
    "BalloonPhase": layout.BalloonPhase,
    "CheckResult": layout.CheckResult,
}


@pytest.fixture(params=list(Arch))
def arch(request: pytest.FixtureRequest) -> Arch:
    return Arch(request.param)


@pytest.fixture(scope="module", params=list(Arch))
def image(request: pytest.FixtureRequest, user_store: Store) -> Artifact:
    return ensure_image(request.param, store=user_store, log=CommandLog())


def _layout(dtype: np.dtype[Any]) -> dict[str, list[int]]:
    fields = {} if dtype.fields is None else dict(dtype.fields)
    found = {name: [int(field[1]), field[0].itemsize] for name, field in fields.items()}
    return {"": [0, dtype.itemsize], **found}


def _told(agent: Path) -> dict[str, Any]:
    """Return what `agent --abi` prints; the program for own clients prints a second object."""
    text, decoder = run([agent, "--abi"], timeout=10).stdout, json.JSONDecoder()
    found: dict[str, Any] = {}
    at = 0
    while text[at:].strip():
        value, length = decoder.raw_decode(text[at:].lstrip())
        at += len(text[at:]) - len(text[at:].lstrip()) + length
        for name, entry in value.items():
            found[name] = {**found.get(name, {}), **entry} if isinstance(entry, dict) else entry
    return found


def test_the_program_without_own_clients_knows_all_else(image: Artifact) -> None:
    """It is part of every other cell's id, so what was added later is not in it."""
    told = _told(image.file("agent"))
    for name, enum in ENUMS.items():
        known = {member.name: member.value for member in enum}
        missing = {"ClientKind": {"OWN", "LINES"}, "ClientArg": {"PROGRAM"}}
        missing["Kind"] = {"PROGRAM", "SAID", "LEFT"}
        for word in missing.get(name, ()):
            del known[word]
        assert told[name] == known, name


def test_python_and_c_agree_on_every_byte(arch: Arch, user_store: Store, tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    agent.write_bytes(ensure_program(arch, store=user_store, log=CommandLog(), own=True).content)
    agent.chmod(0o755)
    told = _told(agent)
    assert told.pop("magic").encode() == layout.MAGIC
    constants = told.pop("constants")
    mirrors = vars(scenario_rules) | vars(mailbox) | vars(layout)
    assert constants == {name: mirrors[name] for name in constants}
    for name, enum in ENUMS.items():
        assert told.pop(name) == {member.name: member.value for member in enum}, name
    for name, dtype in (STRUCTS | OWN_STRUCTS).items():
        assert told.pop(name) == _layout(dtype), name
    window = told.pop("window")
    assert window["address"] > 0 and window["address"] % 4096 == 0
    assert window["records"] * layout.RECORD.itemsize % 4096 == 0
    assert told == {}


def test_it_is_static_and_needs_process_1(image: Artifact) -> None:
    program = image.file("agent").read_bytes()
    assert b"ld-musl" not in program
    assert b"ld-linux" not in program
    done = run([image.file("agent")], timeout=10, check=False)
    assert done.returncode == 2
    assert "process 1" in done.stderr


def test_the_initramfs_holds_that_program(image: Artifact) -> None:
    assert image.file("agent").read_bytes() in image.file("initramfs.cpio").read_bytes()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "guest"
    folder.mkdir()
    for path in sources():
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def fresh(tmp_path: Path, user_store: Store) -> Store:
    """Return a store without images, but with the compiler's cache."""
    other = Store(tmp_path / "store")
    other.folder(".").joinpath("zig-cache").symlink_to(user_store.folder("zig-cache"))
    return other


@pytest.mark.parametrize("own", [False, True])
def test_the_prebuilt_program_is_what_its_sources_give(arch: Arch, own: bool, fresh: Store) -> None:
    program = ensure_program(arch, store=fresh, log=CommandLog(), own=own)
    assert program.prebuilt, "images/guest has changed: run `memnotify image prebuild`"
    compiled = fresh.folder("work") / "agent"
    (compiled.parent / example.INCLUDED).write_text(example.usage_example(example.mail()))
    compile_program(arch, sources(own=own), compiled, store=fresh, log=CommandLog(), own=own)
    assert compiled.read_bytes() == program.content


def test_a_warning_is_an_error_and_leaves_nothing(fresh: Store, tree: Path) -> None:
    main = tree / "main.c"
    boot = "static struct mn_boot boot;"
    main.write_text(main.read_text().replace(boot, f"{boot} int unused;"))
    said = "failed to build: .*unused variable 'unused'"
    with pytest.raises(InfrastructureError, match=said):
        ensure_image(Arch.X86_64, store=fresh, log=CommandLog(), folder=tree)
    assert not list(fresh.root.glob("image/*")) + list(fresh.root.glob("program/*"))


def test_a_comment_in_the_sources_changes_neither_program_nor_image(
    fresh: Store, tree: Path, image: Artifact
) -> None:
    (tree / "record.h").write_text((tree / "record.h").read_text() + "/* changed */\n")
    arch = Arch(image.inputs["arch"])
    assert not ensure_program(arch, store=fresh, log=CommandLog(), folder=tree).prebuilt
    assert ensure_image(arch, store=fresh, log=CommandLog(), folder=tree).key == image.key

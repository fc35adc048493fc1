"""Templates in the store, with made-up guests: made once, always checked, never incomplete."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import json
import mmap
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import pytest
from memnotify.digest import digest_value
from memnotify.errors import InfrastructureError
from memnotify.guest import qemu, sparse, templates
from memnotify.guest.backing import Parts, memfd
from memnotify.guest.machine import load_machine
from memnotify.guest.template import Template
from memnotify.guest.templates import KIND, Templates, template_inputs
from memnotify.model import Arch, BootFiles, Cell, Clock, KernelRequest
from memnotify.records import layout
from memnotify.scenario import Balloon, Scenario, Step
from memnotify.store import Store

MIB = 1 << 20
BALLOON = Step(at_ns=0, action=Balloon(target_kib=4096, settle_ns=10**9))
STATE = b"of QEMU, as its guest was saved"
RAM = b"what the guest had in its memory"


def make_cell(*steps: Step, **changes: Any) -> Cell:
    cell = Cell(
        request=KernelRequest(base="6.1", series="none", arch=Arch.X86_64),
        machine=load_machine("pc-swap"),
        memory_mib=8,
        clients=1,
        scenario=Scenario(name="test", start_ns=0, duration_ns=10**9, sample_ns=10**8, steps=steps),
        log_records=1000,
        kernel="k",
        image="i",
        hardware="h",
    )
    return dataclasses.replace(cell, **changes)


def save(folder: Path) -> dict[str, Any]:
    """Save a guest that has hardly touched anything, as `make_template` does."""
    (folder / "console.log").write_text("booted\n")
    (folder / "state.qcow2").write_bytes(STATE)
    with ExitStack() as stack:
        sizes = {"log": layout.region_size(1000), "ram": 8 * MIB, "swap": 128 * MIB}
        sources = {name: memfd(stack, name) for name in sizes}
        for name, size in sizes.items():
            os.truncate(sources[name], size)
        os.pwrite(sources["ram"], RAM, MIB)
        with (folder / "guest").open("wb") as file:
            index = sparse.pack(sources, file.fileno())
        (folder / "index.json").write_text(json.dumps(index))
    return {"seconds": 1.0}


class Maker:
    """Replaces `make_template`; `plan` says what happens, call by call."""

    def __init__(self) -> None:
        self.plan: list[Callable[[], Any]] = []
        self.calls = 0

    async def __call__(self, cell: Cell, *, folder: Path, **rest: Any) -> dict[str, Any] | None:
        self.calls += 1
        await asyncio.sleep(0.01)
        if self.plan:
            made: dict[str, Any] | None = self.plan.pop(0)()
            return made
        return save(folder)


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Maker:
    maker = Maker()
    monkeypatch.setattr(templates, "make_template", maker)
    return maker


async def get(source: Templates, cell: Cell) -> Template | None:
    nowhere = Path("nowhere")
    return await source.get(
        cell,
        files=BootFiles(kernel=nowhere, initramfs=nowhere),
        on_stage=lambda stage: None,
        log=None,
    )


def get_anew(folder: Path, cell: Cell | None = None) -> Template | None:
    """Ask for a template like a process that has just been started."""
    return asyncio.run(get(Templates(Store(folder)), cell or make_cell()))


def names(folder: Path) -> list[str]:
    return [path.name for path in (folder / KIND).iterdir()]


def key() -> str:
    return digest_value(template_inputs(make_cell()))


def test_made_once_and_found_by_all(tmp_path: Path, maker: Maker) -> None:
    first, second = get_anew(tmp_path), get_anew(tmp_path)
    assert first is not None and second is not None
    assert maker.calls == 1
    assert first.key == second.key == key()
    assert second.console == b"booted\n"
    assert names(tmp_path) == [key()]


def test_those_who_wait_for_the_same_get_the_same(tmp_path: Path, maker: Maker) -> None:
    async def main() -> None:
        mine, others = (Templates(Store(tmp_path)) for _ in range(2))
        cell = make_cell()
        got = await asyncio.gather(*(get(source, cell) for source in (mine, mine, others)))
        assert got[0] is got[1]
        assert got[2] is not None

    asyncio.run(main())
    assert maker.calls == 1


def test_another_guest_has_another_template(tmp_path: Path, maker: Maker) -> None:
    for changes in ({}, {"kernel": "K"}, {"image": "I"}, {"hardware": "H"}):
        assert get_anew(tmp_path, make_cell(**changes)) is not None
    assert maker.calls == len(names(tmp_path)) == 4
    # What happens after READY does not concern a template.
    assert get_anew(tmp_path, make_cell(BALLOON, seed=7, repeat=3, clients=9)) is not None
    assert maker.calls == 4


def test_those_used_last_are_kept(
    tmp_path: Path, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def use(kernel: str) -> None:
        template = get_anew(tmp_path, make_cell(kernel=kernel))
        assert template is not None
        used.append(template.key)

    used: list[str] = []
    use("first")
    size = sum(file.stat().st_size for file in (tmp_path / KIND / used[0]).iterdir())
    monkeypatch.setattr(templates, "_BUDGET_BYTES", 2 * size + size // 2)
    for kernel in ("second", "first", "third"):
        use(kernel)
    assert set(names(tmp_path)) == set(used[-2:])
    # A template above the limit for all is kept as long as it is the newest.
    monkeypatch.setattr(templates, "_BUDGET_BYTES", 1)
    use("fourth")
    assert names(tmp_path) == used[-1:]
    assert maker.calls == 4


def flip(file: Path) -> None:
    text = bytearray(file.read_bytes())
    text[len(text) // 2] ^= 1
    file.write_bytes(text)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


@pytest.mark.parametrize("file", ["guest", "index.json", "console.log", "state.qcow2"])
@pytest.mark.parametrize("damage", [flip, cut, Path.unlink])
def test_a_damaged_template_is_made_anew(
    tmp_path: Path, maker: Maker, damage: Callable[[Path], None], file: str
) -> None:
    get_anew(tmp_path)
    path = tmp_path / KIND / key() / file
    before = path.read_bytes()
    damage(path)
    assert get_anew(tmp_path) is not None
    assert maker.calls == 2
    assert path.read_bytes() == before
    assert names(tmp_path) == [key()]


def test_a_template_of_another_guest_is_made_anew(tmp_path: Path, maker: Maker) -> None:
    get_anew(tmp_path, make_cell(kernel="K"))
    (foreign,) = (tmp_path / KIND).iterdir()
    foreign.rename(tmp_path / KIND / key())
    template = get_anew(tmp_path)
    assert maker.calls == 2
    assert template is not None and template.key == key()


def no_space(*_: Any, **__: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_leaves_nothing(
    tmp_path: Path, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "sendfile", no_space)
        with pytest.raises(InfrastructureError, match="No space left") as caught:
            get_anew(tmp_path)
    assert caught.value.kind == "disk-full"
    assert names(tmp_path) == []
    assert get_anew(tmp_path) is not None


def test_a_full_disk_makes_room_by_what_can_be_made_again(tmp_path: Path, maker: Maker) -> None:
    get_anew(tmp_path, make_cell(kernel="K"))
    get_anew(tmp_path, make_cell(kernel="L"))
    maker.plan = [no_space]
    template = get_anew(tmp_path)
    assert template is not None
    assert names(tmp_path) == [template.key]
    assert maker.calls == 4


def test_what_cannot_be_pruned_takes_no_template_away(
    tmp_path: Path, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "prune", no_space)
    assert get_anew(tmp_path) is not None


def test_a_failure_is_no_template(tmp_path: Path, maker: Maker) -> None:
    def dies() -> NoReturn:
        raise InfrastructureError("qemu-died", "killed")

    async def main() -> None:
        source = Templates(Store(tmp_path))
        with pytest.raises(InfrastructureError, match="killed"):
            await get(source, make_cell())
        assert names(tmp_path) == []
        assert await get(source, make_cell()) is not None

    maker.plan = [dies]
    asyncio.run(main())
    assert maker.calls == 2


def test_a_guest_that_is_never_ready_has_none(tmp_path: Path, maker: Maker) -> None:
    async def main() -> None:
        source = Templates(Store(tmp_path))
        assert await get(source, make_cell()) is None
        assert await get(source, make_cell()) is None

    maker.plan = [lambda: None]
    asyncio.run(main())
    assert maker.calls == 1
    assert names(tmp_path) == []


def test_a_guest_in_real_time_has_none(tmp_path: Path, maker: Maker) -> None:
    assert get_anew(tmp_path, make_cell(clock=Clock.REAL)) is None
    assert maker.calls == 0


def test_a_state_is_written_whole(
    tmp_path: Path, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    template = get_anew(tmp_path)
    assert template is not None
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    with template.parts(make_cell(), tmp_path) as parts:
        assert os.pread(parts.state, 2 * len(STATE), 0) == STATE


def test_no_guest_can_change_what_the_next_one_starts_from(tmp_path: Path, maker: Maker) -> None:
    template = get_anew(tmp_path)
    assert template is not None
    for _ in range(2):
        with template.parts(make_cell(), tmp_path) as parts:
            (ram, swap) = parts.memories
            assert os.pread(parts.state, len(STATE), 0) == STATE
            os.pwrite(parts.state, b"QEMU does", 0)
            assert os.pread(ram.fd, len(RAM), MIB) == RAM
            for memory in (ram, swap):
                os.pwrite(memory.fd, b"the guest does", MIB)


def blocks(parts: Parts) -> int:
    """Return how many bytes of the host a guest's memories take."""
    return sum(os.fstat(memory.fd).st_blocks * 512 for memory in parts.memories)


def test_memory_is_taken_once_and_only_when_touched(tmp_path: Path, maker: Maker) -> None:
    template = get_anew(tmp_path)
    assert template is not None
    taken = template.bytes
    with template.parts(make_cell(), tmp_path) as parts:
        assert 0 < blocks(parts) <= taken < MIB
        ram = parts.memories[0]
        # Mapped as by QEMU: the machine's description says share = "on".
        description = qemu.machine_description(
            make_cell(), qemu.Descriptors(qmp=1, console=2, log=3, memories=parts.memories)
        )
        assert f'mem-path = "/proc/self/fd/{ram.fd}"\n  share = "on"' in description
        with mmap.mmap(ram.fd, ram.mib * MIB) as mapped:
            mapped[: 4 * MIB] = bytes(4 * MIB)
        assert 4 * MIB <= blocks(parts) < 5 * MIB
        # Memory that one guest touches belongs to no other guest, nor to the template.
        with template.parts(make_cell(), tmp_path) as others:
            assert blocks(others) <= taken
    assert sum(os.fstat(fd).st_blocks * 512 for fd in template._files.values()) == taken


def test_large_templates_do_not_stay(
    tmp_path: Path, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        source = Templates(Store(tmp_path))
        for number in range(3):
            assert await get(source, make_cell(kernel=str(number))) is not None
            assert len(source._open) == 1

    monkeypatch.setattr(templates, "_OPEN_BYTES", 1)
    asyncio.run(main())


def test_files_are_closed_with_the_last_template(tmp_path: Path, maker: Maker) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def main() -> None:
        source = Templates(Store(tmp_path))
        for number in range(templates._OPEN + 3):
            assert await get(source, make_cell(kernel=str(number))) is not None
        assert opened() == before + 3 * templates._OPEN + loop

    async def nothing() -> int:
        return opened() - before

    before = opened()
    loop = asyncio.run(nothing())
    asyncio.run(main())
    assert opened() == before

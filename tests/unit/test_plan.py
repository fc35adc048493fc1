"""From campaign to cells: order, names, digests, and what a cell's steps become."""

from __future__ import annotations

import dataclasses
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import (
    bind,
    boot_files,
    cell_id,
    cell_inputs,
    cell_name,
    plan_cells,
    plan_rows,
)
from memnotify.errors import InputError
from memnotify.guest import probe, qemu
from memnotify.model import Accel, Arch, BootFiles, Cell, Clock, KernelRequest
from memnotify.scenario import ClientKind, File, Op, Program
from memnotify.store import Artifact

from tests.support.campaign_text import head, scenario, write
from tests.support.steps import numbers

TEXT = head(
    series=["none", "v4"],
    memory_mib=[64, 96],
    clients=[3, 1],
    machine="pc-swap-disk",
    scenario="all",
    repeat=2,
) + scenario(
    "all",
    (
        0.5,
        'clients = { kind = "release", count = "matrix", cache_mib = 2, give_back_mib = 0.5, '
        "spacing_ms = 2 }",
    ),
    (1, 'clients = { kind = "exit", count = 5 }'),
    (2, "hog = { rate_mib_s = 1.5, ceiling_percent = 50 }"),
    (3, "filecache = { rate_mib_s = 8, total_mib = 16 }"),
    (4, "balloon = { percent = 33, settle_s = 2 }"),
    (
        6,
        'clients = { kind = "circular", count = 1, cache_mib = 8, rate_mib_s = 2, '
        "give_back_mib = 1, give_back_after_ms = 100 }",
    ),
    (7, 'clients = { kind = "allocate", count = 1, cache_mib = 8, rate_mib_s = 0.5 }'),
    (8, "filecache = { rate_mib_s = 8, total_mib = 16, touch_ms = 5 }"),
    (9, 'stop = "hog"'),
    duration_s=40,
    log_records=1000,
)


@pytest.fixture
def cells(tmp_path: Path) -> tuple[Cell, ...]:
    path = write(tmp_path, TEXT)
    return plan_cells(load_campaign(path))


def test_order_and_names(cells: tuple[Cell, ...]) -> None:
    assert [cell_name(cell) for cell in cells[:5]] == [
        "6.1-none-x86_64-pc-swap-disk-64M-all-10c-r1",
        "6.1-none-x86_64-pc-swap-disk-64M-all-10c-r2",
        "6.1-none-x86_64-pc-swap-disk-64M-all-8c-r1",
        "6.1-none-x86_64-pc-swap-disk-64M-all-8c-r2",
        "6.1-none-x86_64-pc-swap-disk-96M-all-10c-r1",
    ]
    assert len({cell_name(cell) for cell in cells}) == len(cells) == 16


def test_steps_in_the_units_of_the_guest(cells: tuple[Cell, ...]) -> None:
    scenario = cells[0].scenario
    assert (scenario.start_ns, scenario.duration_ns) == (10 * 10**9, 40 * 10**9)
    assert [(step.at_ns, step.op, numbers(step)) for step in scenario.steps] == [
        (500_000_000, Op.CLIENTS, (ClientKind.RELEASE, 3, 2048, 512, 2_000_000)),
        (1_000_000_000, Op.CLIENTS, (ClientKind.EXIT, 5, 0, 0, 1_000_000)),
        (2_000_000_000, Op.HOG, (1536, 32 * 1024)),
        (3_000_000_000, Op.FILECACHE, (8192, 16 * 1024)),
        (4_000_000_000, Op.BALLOON, (21624, 2_000_000_000)),  # whole pages of 33 % of 64 MiB
        (6_000_000_000, Op.CLIENTS, (6, 1, 8192, 1024, 1_000_000, 2048, 0, 0, 100_000_000)),
        (7_000_000_000, Op.CLIENTS, (5, 1, 8192, 0, 1_000_000, 512)),
        (8_000_000_000, Op.FILECACHE, (8192, 16 * 1024, File.DISK, 5_000_000)),
        (9_000_000_000, Op.STOP, (Op.HOG,)),
    ]


def test_a_sparse_file_is_read_as_such(tmp_path: Path) -> None:
    text = TEXT.replace('"6.1"', '"2.6.24"').replace('"pc-swap-disk"', '"x86-64-numa"')
    path = write(tmp_path, text.replace("total_mib = 16", 'total_mib = 16, file = "sparse"'))
    steps = plan_cells(load_campaign(path))[0].scenario.steps
    found = [numbers(step) for step in steps if step.op is Op.FILECACHE]
    assert found == [
        (8192, 16384, File.SPARSE, 0),
        (8192, 16384, File.SPARSE, 5_000_000),
    ]


def test_a_campaign_may_leave_the_number_of_clients_to_its_scenario(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT.replace("clients = [3, 1]\n", "").replace('"matrix"', "4"))
    found = plan_cells(load_campaign(path))
    assert (len(found), {cell.clients for cell in found}) == (8, {11})


def test_repeats_differ_in_the_seed(cells: tuple[Cell, ...]) -> None:
    assert [(cell.repeat, cell.seed) for cell in cells[:2]] == [(1, 0), (2, 1)]
    assert cells[0].scenario != cells[1].scenario


def bound(cell: Cell, **changes: object) -> Cell:
    values = {"kernel": "k", "image": "i", "hardware": "h", **changes}
    return dataclasses.replace(cell, **values)  # type: ignore[arg-type]


def test_ids_cover_every_input_but_where_the_source_was(cells: tuple[Cell, ...]) -> None:
    one = bound(cells[0])
    assert len(cell_id(one)) == 16
    assert cell_id(one) == cell_id(bound(cells[0]))
    request = dataclasses.replace(one.request, source="/elsewhere")
    assert cell_id(bound(one, request=request)) == cell_id(one)
    others = [
        bound(one, kernel="other"),
        bound(one, image="other"),
        bound(one, hardware="other"),
        bound(one, memory_mib=65),
        bound(one, seed=99),
        bound(one, log_records=1001),
        bound(one, clock=Clock.REAL),
        bound(one, machine=dataclasses.replace(one.machine, smp=2)),
        bound(one, scenario=dataclasses.replace(one.scenario, sample_ns=1)),
        *(bound(cell) for cell in cells[1:]),
    ]
    assert len({cell_id(cell) for cell in [one, *others]}) == len(others) + 1


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Cell)])
def test_every_field_of_a_cell_is_in_its_id(cells: tuple[Cell, ...], field: str) -> None:
    one = bound(cells[0])
    others: dict[str, object] = {
        "request": dataclasses.replace(one.request, series="other"),
        "machine": dataclasses.replace(one.machine, smp=2),
        "scenario": dataclasses.replace(one.scenario, sample_ns=1),
        "programs": (Program(name="other.c", digest="1"),),
        "accel": Accel.KVM,
        "clock": Clock.REAL,
        **dict.fromkeys(("memory_mib", "clients", "repeat", "seed", "log_records"), 77),
        "setting": "other",
        **dict.fromkeys(("kernel", "image", "hardware"), "other"),
    }
    changed = bound(one, **{field: others[field]})
    assert changed != one
    assert cell_id(changed) != cell_id(one)


@pytest.mark.parametrize("field", ["base", "series", "arch"])
def test_the_kernel_that_was_asked_for_is_in_the_id(cells: tuple[Cell, ...], field: str) -> None:
    one = bound(cells[0])
    other: dict[str, Any] = {field: Arch.I386 if field == "arch" else "other"}
    request = dataclasses.replace(one.request, **other)
    assert request != one.request
    assert cell_id(bound(one, request=request)) != cell_id(one)


def test_a_bound_cell_has_the_digests_of_what_it_depends_on(
    cells: tuple[Cell, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, image = (
        Artifact(kind=kind, key=f"key of {kind}", path=tmp_path / kind, inputs={}, facts={})
        for kind in ("kernel", "image")
    )
    assert boot_files(kernel, image) == BootFiles(
        kernel=tmp_path / "kernel/bzImage", initramfs=tmp_path / "image/initramfs.cpio"
    )
    real = dataclasses.replace(cells[0], accel=Accel.AUTO, clock=Clock.REAL)
    asked: list[object] = []

    def choose(accel: Accel, clock: Clock) -> Accel:
        asked.append((accel, clock))
        return Accel.KVM

    def hardware(cell: Cell, accel: Accel) -> str:
        asked.append((cell, accel))
        return "of the hardware"

    monkeypatch.setattr(probe, "choose", choose)
    monkeypatch.setattr(qemu, "hardware_digest", hardware)
    assert bind(real, kernel, image) == dataclasses.replace(
        real,
        accel=Accel.KVM,
        kernel="key of kernel",
        image="key of image",
        hardware="of the hardware",
    )
    assert asked == [(Accel.AUTO, Clock.REAL), (real, Accel.KVM)]


@pytest.mark.parametrize("field", ["kernel", "image", "hardware"])
def test_an_unbound_cell_has_no_id(cells: tuple[Cell, ...], field: str) -> None:
    name = "6.1-none-x86_64-pc-swap-disk-64M-all-10c-r1"
    with pytest.raises(ValueError, match=f"^{name} is only planned$"):
        cell_id(bound(cells[0], **{field: ""}))


def test_kernels_are_asked_for_as_the_user_says(tmp_path: Path) -> None:
    bases = '["2.6.24", "2.6.24-rc6-mm1"]'
    several = TEXT.replace('"6.1"', bases).replace('"pc-swap-disk"', '"x86-64-numa"')
    path = write(tmp_path, re.sub("(?s)filecache = .*?\n", "swappiness = 1\n", several))
    campaign = load_campaign(path)
    assert {cell.request.base for cell in plan_cells(campaign)} == {"2.6.24"}
    (request,) = {
        dataclasses.replace(cell.request, series="s")
        for cell in plan_cells(campaign, base="2.6.24-rc6-mm1", source="/tree", cc="gcc-4.8")
    }
    variant = campaign.machines["x86-64-numa"].variant
    assert variant
    assert request == KernelRequest(
        base="2.6.24-rc6-mm1",
        series="s",
        arch=Arch.X86_64,
        variant=variant,
        source="/tree",
        cc="gcc-4.8",
    )


def test_cells_are_values(cells: tuple[Cell, ...]) -> None:
    assert pickle.loads(pickle.dumps(cells)) == cells
    assert len(set(cells)) == len(cells)


def test_plan_rows_say_all(cells: tuple[Cell, ...]) -> None:
    row = plan_rows([bound(cells[0])])[0]
    assert row.id == cell_id(bound(cells[0]))
    assert row.name == cell_name(cells[0])
    assert row.inputs["machine"]["name"] == "pc-swap-disk"
    assert row.inputs["request"] == {"base": "6.1", "series": "none", "arch": "x86_64"}
    request = dataclasses.replace(cells[0].request, source="/tree")
    assert plan_rows([bound(dataclasses.replace(cells[0], request=request))])[0].source == "/tree"


def test_a_cell_has_the_programs_of_its_scenario(tmp_path: Path) -> None:
    campaign = load_campaign(write(tmp_path, TEXT))
    program = Program(name="one", digest="d", path="/one", expect_status=3)
    given = dataclasses.replace(campaign, programs={"all": (program,), "other": ()})
    cell = plan_cells(given)[0]
    assert cell.programs == (program,)
    assert cell_inputs(cell)["programs"] == [
        {"name": "one", "digest": "d", "args": (), "wakeup_line": "", "expect_status": 3}
    ]
    ends_well = dataclasses.replace(cell, programs=(dataclasses.replace(program, expect_status=0),))
    assert "expect_status" not in cell_inputs(ends_well)["programs"][0]
    without = plan_cells(dataclasses.replace(campaign, programs={}))[0]
    assert without.programs == ()
    assert "programs" not in cell_inputs(without)


def test_virtual_time_is_tcg(tmp_path: Path) -> None:
    path = write(tmp_path, TEXT)
    campaign = load_campaign(path)
    assert plan_cells(campaign)[0].accel is Accel.TCG
    assert plan_cells(campaign, clock=Clock.REAL)[0].accel is Accel.AUTO
    assert plan_cells(campaign, clock=Clock.REAL)[0].clock is Clock.REAL
    with pytest.raises(InputError, match=r"^--accel kvm does not .*\(add --clock real, or use tcg"):
        plan_cells(campaign, accel=Accel.KVM)


@pytest.mark.parametrize(
    ("clients", "given", "records"),
    [
        (1, "", 262_144),
        (4_000, "", 262_144),
        (12_500, "", 12_507 * 64),
        (12_500, "log_records = 1000", 1_000),
    ],
)
def test_a_log_has_room_for_all_clients_unless_the_scenario_says_otherwise(
    tmp_path: Path, clients: int, given: str, records: int
) -> None:
    text = TEXT.replace("clients = [3, 1]", f"clients = {clients}")
    path = write(tmp_path, text.replace("log_records = 1000", given))
    planned = plan_cells(load_campaign(path))
    assert {cell.log_records for cell in planned} == {records}

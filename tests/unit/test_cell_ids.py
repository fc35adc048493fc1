"""The ids of cells, which name their folders: a cell keeps its id from version to version.

These were computed before steps had typed actions, from the same text.
"""

from __future__ import annotations

import dataclasses

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import cell_id, plan_cells
from memnotify.model import Arch, Cell, MachineProfile, SwapKind

from tests.support.campaign_text import head, scenario, write

HEAD = head(
    series=["none", "v5"],
    memory_mib=64,
    clients=5,
    repeat=2,
    machine="pc-swap-disk",
    scenario="all",
)

STEPS = (
    'clients = { kind = "poll", count = "matrix", fasync = true }',
    'clients = { kind = "release", count = 3, cache_mib = 2, give_back_mib = 0.5, spacing_ms = 2 }',
    'clients = { kind = "exit", count = 3, cache_mib = 1, open_first = true, read_bytes = 4 }',
    'clients = { kind = "fasync", count = 1, spacing_ms = 0 }',
    'clients = { kind = "allocate", count = 1, cache_mib = 9, rate_mib_s = 0.51 }',
    'clients = { kind = "allocate", count = 1, cache_mib = 9, step_mib = 1.5, pause_ms = 2.5, '
    "leave = true }",
    'clients = { kind = "circular", count = 1, cache_mib = 9, give_back_mib = 1, rate_mib_s = 2, '
    "give_back_after_ms = 0.5, from_the_start = true, meminfo = true, text_mib = 0.5 }",
    "group = { version = 1, limit_mib = 24 }",
    'clients = { kind = "pressure_level", count = 1, level = "medium" }',
    'clients = { kind = "psi", count = 1, stall_ms = 150, window_ms = 1000 }',
    'clients = { kind = "usage", count = 1 }',
    'clients = { kind = "epoll", count = 1 }',
    'clients = { kind = "peek", count = 1, every_ms = 4 }',
    'clients = { kind = "idle", count = 1 }',
    "balloon = { percent = 91.3, settle_s = 0.1 }",
    "hog = { rate_mib_s = 1.5, ceiling_percent = 33.3 }",
    "hog = { rate_mib_s = 3, ceiling_mib = 9 }",
    "filecache = { rate_mib_s = 8, total_mib = 16 }",
    'filecache = { rate_mib_s = 8, total_mib = 16, file = "disk", touch_ms = 5 }',
    "console = { every_s = 0.5 }",
    "dd = { block_mib = 1.5, count = 4 }",
    "self_check = { memory_mib = 44 }",
    "swappiness = 10",
    'stop = "dd"',
)

MACHINE = MachineProfile(
    name="made-up",
    arches=(Arch.X86_64,),
    qemu_machine="pc",
    cpu="qemu64",
    smp=2,
    swap=SwapKind.SLRAM,
    swap_mib=8,
)

GOLDEN = {
    ("none", 1, 0): "24c713ecd9ec2dda",
    ("none", 2, 1): "62d8ddbc6999ce32",
    ("v5", 1, 0): "28a4cc5cb415fa22",
    ("v5", 2, 1): "93655b8ba8b1e201",
}
"""By series, repeat and seed."""


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cell, ...]:
    text = HEAD + scenario("all", *enumerate(STEPS), duration_s=40)
    return plan_cells(load_campaign(write(tmp_path_factory.mktemp("ids"), text)))


def test_ids_stay(cells: tuple[Cell, ...]) -> None:
    found = {}
    for cell in cells:
        bound = dataclasses.replace(
            cell, machine=MACHINE, kernel="kernel", image="image", hardware="hardware"
        )
        found[cell.request.series, cell.repeat, cell.seed] = cell_id(bound)
    assert found == GOLDEN

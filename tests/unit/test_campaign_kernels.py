"""What a campaign may ask of a kernel and of a machine."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.errors import InputError
from memnotify.guest.machine import load_machine
from memnotify.kernel.base import load_base
from memnotify.model import DiskBus, SwapKind

from tests.support.campaign_text import head, write
from tests.support.good_campaign import GOOD, STEP, TEXT, register
from tests.support.steps import numbers


@pytest.mark.parametrize(
    ("memory", "hint"), [(512, ""), (1040, ""), (2200, "2192 or 2208"), (100, "96 or 112")]
)
def test_numa_nodes_begin_where_the_kernel_finds_them(
    tmp_path: Path, memory: int, hint: str
) -> None:
    text = GOOD.replace('"pc-swap"', '"x86-64-numa"').replace('"6.1"', '"2.6.24"')
    text = re.sub("memory_mib = .*", f"memory_mib = {memory}", text)
    if not hint:
        load_campaign(write(tmp_path, text))
        return
    said = f"{memory} MiB in the 2 nodes of machine x86-64-numa: each node must be a multiple of 8"
    with pytest.raises(InputError, match=rf": matrix\.memory_mib: {said} MiB \(use {hint}\)$"):
        load_campaign(write(tmp_path, text))
    several = text.replace(f"memory_mib = {memory}", f"memory_mib = [512, {memory}]")
    with pytest.raises(InputError, match=rf"matrix\.memory_mib\[1\]: {memory} MiB"):
        load_campaign(write(tmp_path, several))


def test_a_kernel_without_a_driver_for_the_disk(tmp_path: Path) -> None:
    text = GOOD.replace('"pc-swap"', '"pc-swap-virtio"')
    assert load_campaign(write(tmp_path, text)).machines
    with pytest.raises(
        InputError,
        match=r"toml:10: .*2\.6\.24 has no driver for the virtio swap .*"
        r"\(use a machine with slram or IDE\)$",
    ):
        load_campaign(write(tmp_path, text.replace('"6.1"', '["6.1", "2.6.24"]')))
    several = text.replace('"pc-swap-virtio"', '["pc-swap", "pc-swap-virtio"]')
    with pytest.raises(InputError, match=r"toml:10: matrix\.machine\[1\]: 2\.6\.24 has no driver"):
        load_campaign(write(tmp_path, several.replace('"6.1"', '"2.6.24"')))


def test_a_kernel_without_the_configuration_of_a_machine(tmp_path: Path) -> None:
    text = GOOD.replace('"pc-swap"', '"x86-64-numa"').replace('"6.1"', '"6.12"')
    with pytest.raises(InputError, match=r"kernel\.arch.*: 6\.12 has no variant numa for x86_64"):
        load_campaign(write(tmp_path, text))


def test_a_node_that_the_machine_has(tmp_path: Path) -> None:
    hog = STEP + "hog = {{ rate_mib_s = 1, ceiling_mib = 1, node = {} }}\n"
    text = GOOD.replace('"pc-swap"', '"x86-64-numa"').replace('"6.1"', '"2.6.24"')
    cell = plan_cells(load_campaign(write(tmp_path, text + hog.format(1))))[0]
    assert numbers(cell.scenario.steps[-1]) == (1024, 1024, 2)
    with pytest.raises(InputError, match=r"hog\.node: .*node 2.*x86-64-numa has nodes 0 to 1"):
        load_campaign(write(tmp_path, text + hog.format(2)))


def test_what_is_mapped_of_a_disk_is_there(tmp_path: Path) -> None:
    text = GOOD.replace('"pc-swap"', '"pc-swap-disk"')
    disk = load_campaign(write(tmp_path, text)).machines["pc-swap-disk"].disk_mib

    def load(mib: int, how: str) -> None:
        read = f"filecache = {{ rate_mib_s = 8, total_mib = {mib}{how} }}"
        load_campaign(write(tmp_path, text.replace("balloon = { percent = 100 }", read)))

    load(disk, ", touch_ms = 100")
    load(disk + 1, "")
    words = rf"total_mib: maps more than the {disk} MiB of the disk .*\(a disk is only read again"
    with pytest.raises(InputError, match=words):
        load(disk + 1, ", touch_ms = 100")


@pytest.mark.parametrize("step", ["dd = {{ block_mib = 16, count = {} }}", TEXT])
def test_what_is_written_or_mapped_may_fill_the_disk(tmp_path: Path, step: str) -> None:
    text = GOOD.replace('"pc-swap"', '"pc-swap-disk"') + STEP
    disk = load_campaign(write(tmp_path, text + "swappiness = 1")).machines["pc-swap-disk"].disk_mib
    fits = disk // 16 if step.startswith("dd") else disk
    assert load_campaign(write(tmp_path, text + step.format(fits))).scenarios
    with pytest.raises(InputError, match=rf"the disk of machine pc-swap-disk has {disk} \("):
        load_campaign(write(tmp_path, text + step.format(fits + 1)))


def test_a_machine_that_does_not_run_an_architecture(tmp_path: Path) -> None:
    text = GOOD.replace('"pc-swap"', '["pc-swap", "x86-64-numa"]')
    several = text.replace('"6.1"', '"2.6.24"\narch = ["x86_64", "i386"]')
    with pytest.raises(InputError, match=r"toml:5: kernel\.arch\[1\]: machine x86-64-numa only"):
        load_campaign(write(tmp_path, several))


def test_a_base_that_cannot_be_built_for_an_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_base("6.1")
    table = whole.table.model_copy(update={"arch": {"x86_64": whole.table.arch["x86_64"]}})
    less = dataclasses.replace(whole, table=table)
    monkeypatch.setattr("memnotify.campaign.load.load_base", lambda name: less)
    text = GOOD.replace('"6.1"', '"6.1"\narch = ["x86_64", "i386"]')
    said = r"toml:5: kernel\.arch\[1\]: 6\.1 can only be built for x86_64$"
    with pytest.raises(InputError, match=said):
        load_campaign(write(tmp_path, text))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"disk_mib": 16}, "disk"),
        ({"disk_mib": 16, "swap": SwapKind.VIRTIO}, "swap and disk"),
        ({"disk_mib": 1}, "disk"),
        ({"disk_mib": 16, "disk_bus": DiskBus.IDE}, None),
        ({}, None),
    ],
)
def test_a_machine_with_a_virtio_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], what: str | None
) -> None:
    """None of ours has such a disk on a kernel without a driver; a profile of a user's may."""
    machine = dataclasses.replace(load_machine("pc-swap"), **changes)
    monkeypatch.setattr("memnotify.campaign.load.load_machine", lambda name: machine)
    file = write(tmp_path, GOOD.replace('"6.1"', '"2.6.24"'))
    if what is None:
        assert load_campaign(file).machines == {"pc-swap": machine}
        return
    said = rf"2\.6\.24 has no driver for the virtio {what} of machine pc-swap "
    with pytest.raises(InputError, match=rf"toml:10: matrix\.machine: {said}"):
        load_campaign(file)


def test_the_cells_of_every_axis_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.campaign.load.MAX_CELLS", 383)
    text = head(
        arch=["i386", "x86_64"],
        series=["none", "v4"],
        machine=["pc", "pc-swap"],
        scenario=["a", "b"],
        memory_mib=[64, 96],
        clients=[1, 2, 3],
        repeat=4,
    )
    axes = "2 series * 2 arch * 2 machine * 2 scenario * 2 memory_mib * 3 clients * 4 repeat"
    said = f"384 cells ({axes})"
    with pytest.raises(
        InputError, match=rf"matrix: {re.escape(said)}; a campaign has at most 383$"
    ):
        load_campaign(write(tmp_path, text))
    monkeypatch.setattr("memnotify.campaign.load.MAX_CELLS", 384)
    with pytest.raises(InputError, match="there is neither"):
        load_campaign(write(tmp_path, text))


def on(base: str, step: str) -> str:
    """Return a campaign for a base with this step."""
    text = GOOD.replace('base = "6.1"', f'base = "{base}"')
    return text.replace('series = ["none", "v4"]', 'series = ["none"]') + STEP + step


PSI = 'clients = { kind = "psi", count = 1, stall_ms = 150, window_ms = 1000 }'
HOG = "hog = { rate_mib_s = 1, ceiling_mib = 9 }\n"
GROUP = "group = { version = 1, limit_mib = 24 }" + STEP + HOG
SPARSE = 'filecache = { rate_mib_s = 8, total_mib = 16, file = "sparse" }'


@pytest.mark.parametrize(
    ("good", "bad", "step", "words"),
    [
        (
            "6.1",
            "2.6.24",
            PSI,
            r"clients\.kind: kernels of 2\.6\.24 have no /proc/pressure/memory "
            r"\(CONFIG_PSI is not set for 2\.6\.24\)",
        ),
        ("6.1", "2.6.25", PSI, r"clients\.kind: kernels of 2\.6\.25 have no /proc/pressure/memory"),
        (
            "6.1",
            "2.6.24",
            GROUP,
            r"group: kernels of 2\.6\.24 have no control groups of memory "
            r"\(CONFIG_MEMCG is not set for 2\.6\.24\)",
        ),
        (
            "2.6.24",
            "6.1",
            SPARSE,
            r"filecache\.file: 6\.1 never reclaims pages of ramfs, .* "
            r"\(use a machine with a disk, or an older base\)",
        ),
    ],
)
def test_what_a_kernel_does_not_have(
    tmp_path: Path, good: str, bad: str, step: str, words: str
) -> None:
    assert load_campaign(write(tmp_path, on(good, step))).scenarios
    with pytest.raises(InputError, match=rf"toml:\d\d: scenario\.squeeze\.step\[3\]\.{words}"):
        load_campaign(write(tmp_path, on(bad, step)))
    several = on(good, step).replace(f'base = "{good}"', f'base = ["{good}", "{bad}"]')
    with pytest.raises(InputError, match=words):
        load_campaign(write(tmp_path, several))


def test_an_option_of_the_configuration_that_a_machine_needs_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load_base("2.6.24")
    table = base.table.model_copy(deep=True)
    (tmp_path / "psi.config").write_text("CONFIG_PSI=y\n")
    table.arch["x86_64"].variant["numa"].append(str(tmp_path / "psi.config"))
    own = dataclasses.replace(base, table=table)
    monkeypatch.setattr("memnotify.campaign.load.load_base", lambda name: own)
    text = on("2.6.24", PSI)
    with pytest.raises(InputError, match="no /proc/pressure/memory"):
        load_campaign(write(tmp_path, text))
    assert load_campaign(write(tmp_path, text.replace('"pc-swap"', '"x86-64-numa"'))).scenarios


@pytest.mark.parametrize(
    ("version", "kept"),
    [(".*", False), (r"2\.6\.27", False), (r"2\.6\.28", True), (r"3\.0", True)],
)
def test_since_when_pages_of_ramfs_are_not_reclaimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, kept: bool
) -> None:
    """Of a base that does not say its version, that is not known."""
    base = load_base("2.6.24")
    table = base.table.model_copy(update={"version": version})
    own = dataclasses.replace(base, name="mine", table=table)
    monkeypatch.setattr("memnotify.campaign.load.load_base", lambda name: own)
    file = write(tmp_path, on("2.6.24", SPARSE))
    if not kept:
        assert load_campaign(file).scenarios
        return
    with pytest.raises(InputError, match=r"file: mine never reclaims pages of ramfs"):
        load_campaign(file)


def test_an_option_of_a_series_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port of pressure stall information to an old kernel sets it in the series' config."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    register(tmp_path, "v4-original", "2.6.24")
    config = tmp_path / "memnotify/series/v4-original/2.6.24/config"
    text = on("2.6.24", PSI).replace('"none"', '"none", "v4-original"')
    with pytest.raises(InputError, match="no /proc/pressure/memory"):
        load_campaign(write(tmp_path, text))
    config.write_text("CONFIG_PSI=y\n")
    assert load_campaign(write(tmp_path, text)).scenarios

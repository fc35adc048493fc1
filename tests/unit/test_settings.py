"""The axis `setting`: options and boot parameters of kernels as tables of a campaign."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from memnotify.axes import AXES, chosen, point_of
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import cell_inputs, cell_name, plan_cells
from memnotify.errors import InputError
from memnotify.kernel.config import merge_fragments
from memnotify.model import Cell, Outcome
from memnotify.results.cell import _read_cell
from memnotify.results.verdict import Verdict

PLAIN = """\
name = "settings"
[kernel]
base = "6.1"
[matrix]
series = ["none", "v4"]
memory_mib = 64
machine = "pc-swap"
scenario = "s"
"""

SETTINGS = """\
setting = ["classic", "mglru", "lazy"]
[setting.classic]
[setting.mglru]
config = ["CONFIG_LRU_GEN=y", "# CONFIG_KSM is not set"]
[setting.lazy]
boot = ["sysctl.vm.swappiness=1"]
"""

SCENARIO = """\
[scenario.s]
duration_s = 10
step = [{ at_s = 0, clients = { kind = "poll", count = 1 } }]
"""


def plan(tmp_path: Path, text: str) -> tuple[Cell, ...]:
    path = tmp_path / "c.toml"
    path.write_text(text)
    return plan_cells(load_campaign(path))


@pytest.fixture
def cells(tmp_path: Path) -> tuple[Cell, ...]:
    return plan(tmp_path, PLAIN + SETTINGS + SCENARIO)


def test_a_setting_is_an_axis_of_kernels_and_command_lines(cells: tuple[Cell, ...]) -> None:
    assert [(cell.request.series, cell.setting) for cell in cells] == [
        (series, setting) for series in ("none", "v4") for setting in ("classic", "mglru", "lazy")
    ]
    classic, mglru, lazy = cells[:3]
    assert mglru.request.options == ("CONFIG_LRU_GEN=y", "# CONFIG_KSM is not set")
    assert classic.request == lazy.request, "a boot parameter needs no other kernel"
    assert lazy.machine.kernel_args == (*classic.machine.kernel_args, "sysctl.vm.swappiness=1")
    assert cell_name(mglru) == "6.1-none-mglru-x86_64-pc-swap-64M-s-1c-r1"


def test_without_the_axis_nothing_of_a_cell_changes(tmp_path: Path) -> None:
    (cell, _) = plan(tmp_path, PLAIN + SCENARIO)
    assert "setting" not in cell_inputs(cell)
    assert cell_name(cell) == "6.1-none-x86_64-pc-swap-64M-s-1c-r1"
    assert AXES["setting"].read(cell_inputs(cell), cell_id="i") == ""
    assert "setting" not in chosen(point_of(cell))


def test_the_setting_is_in_what_is_written_of_a_cell(cells: tuple[Cell, ...]) -> None:
    mglru = cells[1]
    inputs = cell_inputs(mglru)
    assert AXES["setting"].read(inputs, cell_id="i") == "mglru"
    again = _read_cell(inputs)
    assert dataclasses.replace(again, request=mglru.request) == mglru
    for cell, expected in ((mglru, "mglru"), (dataclasses.replace(mglru, setting=""), None)):
        verdict = Verdict(
            id="i",
            name="n",
            point=point_of(cell),
            outcome=Outcome(),
            repeatability="exact",
            lost_records=0,
            guest_seconds=1.0,
            wall_seconds=1.0,
            figures={},
        )
        written = verdict.to_json()
        assert written.get("setting") == expected
        assert Verdict.from_json(written).point == point_of(cell)
    with pytest.raises(ValueError, match="setting is 7, not a string"):
        Verdict.from_json(written | {"setting": 7})


def test_lines_of_a_setting_override_all_others(tmp_path: Path) -> None:
    (tmp_path / "a.config").write_text("CONFIG_LRU_GEN=n\nCONFIG_KSM=y\n")
    merged = merge_fragments([tmp_path / "a.config"], ["CONFIG_LRU_GEN=y"])
    assert [line.text for line in merged] == ["CONFIG_KSM=y", "CONFIG_LRU_GEN=y"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SETTINGS.replace("[setting.lazy]", "[setting.lazi]"), r"there is no \[setting.lazy\]"),
        (SETTINGS + '[setting.more]\nboot = ["quiet"]\n', "no cell has this setting"),
        (
            SETTINGS.replace('boot = ["sysctl.vm.swappiness=1"]', ""),
            "lazy sets the same as classic",
        ),
        (SETTINGS.replace('"CONFIG_LRU_GEN=y"', '"LRU_GEN"'), "a line of a configuration"),
        (SETTINGS.replace("swappiness=1", "swap =1"), "one argument"),
        ('setting = "mglru"\n', r"there is no \[setting.mglru\] \(add \[setting.mglru\]\)"),
    ],
)
def test_what_is_refused(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"c\.toml:\d+: .*{said}"):
        plan(tmp_path, PLAIN + text + SCENARIO)


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        (
            SETTINGS.replace("[setting.mglru]", "[setting.mglruu]"),
            "9: matrix.setting[1]: there is no [setting.mglru]",
            "did you mean mglruu?",
        ),
        (
            'setting = "mglru"\n',
            "9: matrix.setting: there is no [setting.mglru]",
            "add [setting.mglru]",
        ),
        (
            SETTINGS + '[setting.more]\nboot = ["quiet"]\n',
            "15: setting.more: no cell has this setting",
            'setting = ["more"] in [matrix] uses it',
        ),
        (
            SETTINGS.replace('boot = ["sysctl.vm.swappiness=1"]', ""),
            "9: matrix.setting[2]: lazy sets the same as classic, so cells would be identical",
            None,
        ),
    ],
)
def test_a_refusal_says_where_and_what_to_do(
    text: str, said: str, hint: str | None, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        plan(tmp_path, PLAIN + text + SCENARIO)
    assert caught.value.message == f"{tmp_path}/c.toml:{said}"
    assert caught.value.hint == hint or (hint and (caught.value.hint or "").startswith(hint))


def test_settings_are_among_the_cells_that_are_counted(tmp_path: Path) -> None:
    sizes = [16 * number for number in range(1, 41)]
    text = PLAIN.replace("memory_mib = 64", f"memory_mib = {sizes}\nrepeat = 1000")
    with pytest.raises(InputError) as caught:
        plan(tmp_path, text + SETTINGS + SCENARIO)
    assert caught.value.message.endswith(
        "240000 cells (2 series * 3 setting * 40 memory_mib * 1000 repeat); "
        "a campaign has at most 100000"
    )


def test_a_setting_may_give_kernels_what_a_step_needs(tmp_path: Path) -> None:
    text = PLAIN.replace('"6.1"', '"2.6.24"') + SCENARIO.replace(
        'kind = "poll"', 'kind = "psi", stall_ms = 150, window_ms = 1000'
    )
    with pytest.raises(InputError, match="have no /proc/pressure/memory"):
        plan(tmp_path, text)
    given = 'setting = "psi"\n[setting.psi]\nconfig = ["CONFIG_PSI=y"]\n'
    assert plan(tmp_path, text.replace("[scenario.s]", given + "[scenario.s]"))


def test_an_expectation_selects_by_the_setting(tmp_path: Path) -> None:
    expect = '[[expect]]\nsays = "x"\nwhat = "wakeups > 0"\nsetting = "WHICH"\n'
    plan(tmp_path, PLAIN + SETTINGS + SCENARIO + expect.replace("WHICH", "mglru"))
    with pytest.raises(InputError, match="no cell has other"):
        plan(tmp_path, PLAIN + SETTINGS + SCENARIO + expect.replace("WHICH", "other"))

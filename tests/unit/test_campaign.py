"""Campaign files: what is refused, with which file, line and key, and what is accepted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.campaign.plan import plan_cells
from memnotify.errors import InputError
from memnotify.guest.mailbox import ClientArg
from memnotify.places import CAMPAIGNS
from memnotify.scenario import Habit
from memnotify.series.quilt import MEM_NOTIFY

from tests.support.campaign_text import write
from tests.support.good_campaign import GOOD, MORE, STEP, register
from tests.support.ours import campaigns
from tests.support.steps import numbers


def test_a_good_one_loads(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    campaign = load_campaign(file)
    assert campaign.path == file
    assert campaign.table.matrix.machine == ["pc-swap"]
    assert campaign.machines["pc-swap"].swap_mib > 0
    assert campaign.text == GOOD.encode()


EXPECTED = """
[[expect]]
says = "a"
series = "v4"
what = ["base == '6.1'"]

[[expect]]
says = "b"
{} = {}
what = ["wakeups > 0", "{}"]
"""


@pytest.mark.parametrize(
    ("axis", "there", "other", "known"),
    [
        ("arch", '"x86_64"', '"i386"', "there is: x86_64"),
        ("series", '["none", "v4"]', '["v4", "v5"]', "there are: none, v4"),
        ("memory_mib", "96", "128", "there are: 64, 96"),
        ("clients", "32", "2", "there are: 1, 32"),
        ("machine", '"pc-swap"', '"pc-swop"', "did you mean pc-swap"),
        ("scenario", '"squeeze"', '"sqeeze"', "did you mean squeeze"),
    ],
)
def test_an_expectation_is_of_cells_that_there_are(
    tmp_path: Path, axis: str, there: str, other: str, known: str
) -> None:
    load_campaign(write(tmp_path, GOOD + EXPECTED.format(axis, there, "base == '6.1'")))
    file = write(tmp_path, GOOD + EXPECTED.format(axis, other, "base == '6.1'"))
    line = GOOD.count("\n") + 9
    with pytest.raises(InputError) as caught:
        load_campaign(file)
    assert f":{line}: expect[1].{axis}: no cell has " in caught.value.message
    assert known in (caught.value.hint or "")


def test_a_comparison_is_with_values_that_there_are(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD + EXPECTED.format("clients", 1, "base == '6.12'"))
    with pytest.raises(InputError) as caught:
        load_campaign(file)
    line = GOOD.count("\n") + 10
    said = "expect[1].what[1]: \"base == '6.12'\": no cell has base '6.12'"
    assert caught.value.message == f"{file}:{line}: {said}"
    assert "6.1" in (caught.value.hint or "")


def test_an_expectation_counts_all_clients_of_a_guest(tmp_path: Path) -> None:
    text = GOOD + STEP + 'clients = { kind = "poll", count = 5 }\n'
    load_campaign(write(tmp_path, text + EXPECTED.format("clients", [6, 37], "clients == 37")))
    with pytest.raises(InputError, match=r"clients: no cell has 32 \(there are: 6, 37\)$"):
        load_campaign(write(tmp_path, text + EXPECTED.format("clients", 32, "wakeups > 1")))


def test_an_expectation_is_of_a_series_by_the_word_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    shutil.copytree(MEM_NOTIFY / "v4/6.1", tmp_path / "mine")
    text = GOOD.replace('"none", "v4"', '"./mine", "v4"')
    assert load_campaign(
        write(tmp_path, text + EXPECTED.format("series", '"./mine"', "wakeups > 1"))
    ).table.expect
    other = EXPECTED.format("series", '"./other"', "wakeups > 1")
    with pytest.raises(InputError, match=r"expect\[1\]\.series: no cell has \./other"):
        load_campaign(write(tmp_path, text + other))


def test_the_demo_is_what_it_should_be() -> None:
    campaign = load_campaign(CAMPAIGNS / "demo.toml")
    matrix = campaign.table.matrix
    assert campaign.table.kernel.base == ["2.6.24-rc6-mm1", "2.6.24", "6.1", "6.12"]
    assert matrix.series == ["none", "v4"]
    assert (matrix.memory_mib, matrix.clients) == ([64, 96], [1, 32, 200])
    assert campaign.scenarios["squeeze"].duration_s >= 40


OURS = campaigns()


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_every_campaign_of_ours_loads(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if path.name == "originals.toml":
        for name in ("v4-original", "v6-original"):
            with pytest.raises(InputError, match=rf"there is no series {name} \(.*originals v"):
                load_campaign(path)
            register(tmp_path, name, "2.6.24")
    assert load_campaign(path).scenarios


def test_of_several_bases_those_stay_that_an_original_was_imported_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    register(tmp_path, "v4-original", "2.6.24")
    text = GOOD.replace('"none", "v4"', '"v4", "v4-original"')
    several = text.replace('base = "6.1"', 'base = ["2.6.24-rc6-mm1", "2.6.24", "6.1"]')
    assert load_campaign(write(tmp_path, several)).table.kernel.base == ["2.6.24"]
    with pytest.raises(
        InputError,
        match=r"toml:7: matrix\.series\[1\]: v4-original was imported for "
        r"2\.6\.24, not for 6\.1 \(use one of those bases, or register it for another with --base",
    ):
        load_campaign(write(tmp_path, text))
    register(tmp_path, "v4-original", "2.6.24-rc6-mm1")
    others = text.replace('base = "6.1"', 'base = ["6.1", "6.12"]')
    said = r"v4-original was imported for 2\.6\.24, 2\.6\.24-rc6-mm1, not for 6\.1 or 6\.12 \("
    with pytest.raises(InputError, match=said):
        load_campaign(write(tmp_path, others))
    # An original that does not exist at all is not a reason to leave out bases.
    with pytest.raises(InputError, match=r"there is no series v5-original"):
        load_campaign(write(tmp_path, several.replace("v4-original", "v5-original")))


@pytest.mark.parametrize(
    ("spacing", "axes"),
    [
        (1290, ""),  # the last of 32 starts at 39.99 s
        (1290, "repeat = 1"),
        (860, "repeat = 2"),  # times 1.5 with a seed
        (860, "seed = 1"),
        (0, "repeat = 2"),
    ],
)
def test_clients_that_start_just_before_the_end(tmp_path: Path, spacing: int, axes: str) -> None:
    text = GOOD.replace('count = "matrix"', f'count = "matrix", spacing_ms = {spacing}')
    text = text.replace("memory_mib", f"{axes}\nmemory_mib", 1)
    load_campaign(write(tmp_path, text))


@pytest.mark.parametrize("axes", ["repeat = 2", "seed = 1"])
def test_with_seeds_clients_may_start_later(tmp_path: Path, axes: str) -> None:
    text = GOOD.replace('count = "matrix"', 'count = "matrix", spacing_ms = 861')
    load_campaign(write(tmp_path, text))
    text = text.replace("memory_mib", f"{axes}\nmemory_mib", 1)
    said = r"861 ms apart \(and up to 1\.5 times that with seeds\), only 31 would start before the "
    with pytest.raises(InputError, match=said):
        load_campaign(write(tmp_path, text))


def test_as_many_cells_as_a_campaign_may_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memnotify.campaign.load.MAX_CELLS", 8)
    load_campaign(write(tmp_path, GOOD))
    monkeypatch.setattr("memnotify.campaign.load.MAX_CELLS", 7)
    with pytest.raises(InputError, match="8 cells"):
        load_campaign(write(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("percent = 75", "percent = 75, settle_s = 15"),  # until the next balloon step
        ("percent = 100", "percent = 100, settle_s = 20"),  # until the end
        ("percent = 75", "mib = 8"),
        ("balloon = { percent = 100 }", "self_check = { memory_mib = 192 }"),  # RAM and swap
        ("[64, 96]", "[64, 100]"),
        (
            "balloon = { percent = 100 }",
            "self_check = { memory_mib = 9 }" + STEP + "swappiness = 1",
        ),
        ('count = "matrix" }', 'count = "matrix" }' + STEP.replace("30", "1") + MORE),
    ],
)
def test_what_is_just_possible(tmp_path: Path, old: str, new: str) -> None:
    assert GOOD.count(old) == 1
    assert load_campaign(write(tmp_path, GOOD.replace(old, new))).scenarios


def test_too_many_clients_in_all(tmp_path: Path) -> None:
    more = STEP + 'clients = { kind = "exit", count = 15_990 }\n'
    with pytest.raises(InputError, match="16022 clients in one cell"):
        load_campaign(write(tmp_path, GOOD + more))


def test_more_steps_than_the_mailbox_holds(tmp_path: Path) -> None:
    more = (STEP + "hog = { rate_mib_s = 1, ceiling_mib = 1 }\n") * 1000
    said = r"scenario squeeze: 1003 steps, but the mailbox holds \d+$"
    with pytest.raises(InputError, match=rf"try\.toml:\d+: scenario\.squeeze\.step: {said}"):
        load_campaign(write(tmp_path, GOOD + more))


def test_a_scenario_in_a_file_of_its_own(tmp_path: Path) -> None:
    head, _, body = GOOD.partition("[scenario.squeeze]\n")
    (tmp_path / "scenarios").mkdir()
    file = tmp_path / "scenarios" / "squeeze.toml"
    file.write_text(body.replace("scenario.squeeze.", ""))
    assert load_campaign(write(tmp_path, head)).scenarios["squeeze"].duration_s == 40

    with pytest.raises(InputError, match=r"matrix\.scenario: .*\[scenario\.b\].*there is: squeeze"):
        load_campaign(write(tmp_path, head.replace('"squeeze"', '"b"')))

    file.write_text(body.replace("scenario.squeeze.", "").replace("percent = 75", "mib = 80"))
    with pytest.raises(InputError, match=r"scenarios/squeeze\.toml:9: step\[1\]\.balloon\.mib"):
        load_campaign(write(tmp_path, head))
    file.write_text(body.replace("scenario.squeeze.", "").replace("percent = 75", "percents = 75"))
    with pytest.raises(
        InputError, match=r"scenarios/squeeze\.toml:9: step\[1\]\.balloon\.percents: "
    ):
        load_campaign(write(tmp_path, head))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read"):
        load_campaign(tmp_path / "none.toml")


def test_clients_that_no_kernel_would_signal(tmp_path: Path) -> None:
    text = GOOD.replace('kind = "poll"', 'kind = "fasync"')
    with pytest.raises(InputError, match=r"toml:18: .*kind: .*none, v4 sends SIGIO .*v5, v6"):
        load_campaign(write(tmp_path, text))
    compared = text.replace('["none", "v4"]', '["none", "v4", "v5"]')
    assert load_campaign(write(tmp_path, compared)).scenarios

    also = GOOD.replace('kind = "poll"', 'kind = "poll", fasync = true')
    with pytest.raises(InputError, match=r"toml:18: .*clients\.fasync: .*none, v4 sends SIGIO"):
        load_campaign(write(tmp_path, also))
    assert load_campaign(write(tmp_path, also.replace('"v4"', '"v5"'))).scenarios

    late = GOOD + STEP + 'clients = { kind = "fasync", count = 1 }\n'
    with pytest.raises(InputError, match=r"step\[3\]\.clients\.kind: .*\(add one of .*v5, "):
        load_campaign(write(tmp_path, late))


def test_a_group_is_for_what_comes_after_it(tmp_path: Path) -> None:
    hog = STEP + "hog = { rate_mib_s = 1, ceiling_mib = 9 }\n"
    group = STEP + "group = { version = 2 }\n"
    assert load_campaign(write(tmp_path, GOOD + group + hog)).scenarios
    with pytest.raises(InputError, match=r"step\[4\]\.group: has no effect: no later step starts"):
        load_campaign(write(tmp_path, GOOD + hog + group))


def test_a_stopped_process_cannot_be_stopped_again(tmp_path: Path) -> None:
    hog = STEP + "hog = { rate_mib_s = 1, ceiling_mib = 1 }\n"
    stop = STEP + 'stop = "hog"\n'
    assert load_campaign(write(tmp_path, GOOD + hog + stop + hog + stop)).scenarios
    with pytest.raises(InputError, match=r"step\[5\]\.stop: .*that is still running"):
        load_campaign(write(tmp_path, GOOD + hog + stop + stop))


def test_each_habit_is_a_number_of_the_step(tmp_path: Path) -> None:
    """Check what a key of a client means to the guest: `enum mn_client_arg` in record.h."""
    wanted = {
        'kind = "exit", cache_mib = 1, open_first = true, read_bytes = 4': {
            ClientArg.CACHE: 1024,
            ClientArg.HABITS: Habit.OPEN_FIRST,
            ClientArg.READ: 4,
        },
        'kind = "allocate", cache_mib = 9, step_mib = 1.5, pause_ms = 2.5, leave = true': {
            ClientArg.CACHE: 9216,
            ClientArg.HABITS: Habit.LEAVE,
            ClientArg.STEP: 1536,
            ClientArg.PAUSE: 2_500_000,
        },
        'kind = "circular", cache_mib = 9, give_back_mib = 1, rate_mib_s = 2, text_mib = 0.5, '
        "give_back_after_ms = 0.5, from_the_start = true, meminfo = true": {
            ClientArg.CACHE: 9216,
            ClientArg.GIVE: 1024,
            ClientArg.RATE: 2048,
            ClientArg.DELAY: 500_000,
            ClientArg.HABITS: Habit.FROM_THE_START | Habit.MEMINFO,
            ClientArg.TEXT: 512,
        },
    }
    for words, expected in wanted.items():
        text = GOOD.replace('kind = "poll"', words).replace('"pc-swap"', '"pc-swap-disk"')
        args = numbers(plan_cells(load_campaign(write(tmp_path, text)))[0].scenario.steps[0])
        assert {
            number: args[number]
            for number in range(ClientArg.CACHE, len(args))
            if args[number] and number != ClientArg.SPACING
        } == expected, words


def test_a_buffer_that_is_larger_than_the_guest(tmp_path: Path) -> None:
    text = GOOD.replace('"pc-swap"', '"pc-swap-disk"') + STEP
    assert load_campaign(write(tmp_path, text + "dd = { block_mib = 64, count = 1 }")).scenarios
    with pytest.raises(
        InputError,
        match=r"toml:30: .*dd\.block_mib: a buffer of 65 MiB in a guest of 64 MiB "
        r"\(use smaller buffers, and more of them\)",
    ):
        load_campaign(write(tmp_path, text + "dd = { block_mib = 65, count = 1 }"))

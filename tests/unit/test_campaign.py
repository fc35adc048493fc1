"""Campaign files: what is refused, with which file, line and key, and what is accepted."""

from __future__ import annotations

import re
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
from memnotify.series.registered import write_facts

from tests.support.steps import numbers

GOOD = """\
name = "try"

[kernel]
base = "6.1"

[matrix]
series = ["none", "v4"]
memory_mib = [64, 96]
clients = [1, 32]
machine = "pc-swap"
scenario = "squeeze"

[scenario.squeeze]
duration_s = 40

[[scenario.squeeze.step]]
at_s = 0
clients = { kind = "poll", count = "matrix" }

[[scenario.squeeze.step]]
at_s = 5
balloon = { percent = 75 }

[[scenario.squeeze.step]]
at_s = 20
balloon = { percent = 100 }
"""


TEXT = 'clients = {{ kind = "exit", count = 1, cache_mib = 1, text_mib = {} }}'


def write(folder: Path, text: str) -> Path:
    path = folder / "try.toml"
    path.write_text(text)
    return path


def test_a_good_one_loads(tmp_path: Path) -> None:
    campaign = load_campaign(write(tmp_path, GOOD))
    assert campaign.table.matrix.machine == ["pc-swap"]
    assert campaign.machines["pc-swap"].swap_mib > 0
    assert campaign.text == GOOD.encode()


def test_the_demo_is_what_it_should_be() -> None:
    campaign = load_campaign(CAMPAIGNS / "demo.toml")
    matrix = campaign.table.matrix
    assert campaign.table.kernel.base == ["2.6.24-rc6-mm1", "2.6.24", "6.1"]
    assert matrix.series == ["none", "v4"]
    assert (matrix.memory_mib, matrix.clients) == ([64, 96], [1, 32, 200])
    assert campaign.scenarios["squeeze"].duration_s >= 40


OURS = sorted([*CAMPAIGNS.glob("*.toml"), *CAMPAIGNS.glob("hypotheses/*.toml")])


def register(root: Path, name: str, base: str) -> None:
    """Register our series as an original, as a user would."""
    revision = name.removesuffix("-original")
    folder = root / "memnotify/series" / name / base
    shutil.copytree(MEM_NOTIFY / revision / base, folder)
    write_facts(folder, revision=revision, mails=[], ours=[])


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
    # An original that does not exist at all is not a reason to leave out bases.
    with pytest.raises(InputError, match=r"there is no series v5-original"):
        load_campaign(write(tmp_path, several.replace("v4-original", "v5-original")))


STEP = "\n[[scenario.squeeze.step]]\nat_s = 30\n"
MORE = 'clients = { kind = "poll", count = 15_968 }'  # with 32 of the matrix all there may be

# What to replace, the replacement, and the line and words that the error must have.
REFUSED = {
    "unknown key": (
        "clients = [1, 32]",
        "client = [1]",
        9,
        r"matrix\.client: unknown key.*clients",
    ),
    "unknown key in a table": (
        'base = "6.1"',
        'base = "6.1"\nfoo = 1',
        5,
        r"kernel\.foo: unknown key",
    ),
    "wrong type": ("[64, 96]", '[64, "96"]', 8, r"matrix\.memory_mib\[1\].*'96'"),
    "bool for a number": ("duration_s = 40", "duration_s = true", 14, r"squeeze\.duration_s"),
    "not a number": ("duration_s = 40", "duration_s = nan", 14, r"squeeze\.duration_s"),
    "missing": ("duration_s = 40\n", "", 13, r"squeeze\.duration_s: this key is missing"),
    "balloon above RAM": (
        "percent = 75",
        "mib = 80",
        22,
        r"step\[1\]\.balloon\.mib.*80 MiB.*64 MiB in matrix",
    ),
    "balloon above 100 %": ("percent = 75", "percent = 120", 22, r"step\[1\]\.balloon\.percent"),
    "no room to live": ("percent = 75", "mib = 2", 22, r"step\[1\]\.balloon\.mib.*2 MiB"),
    "nor by a share": (
        "percent = 75",
        "percent = 5",
        22,
        r"step\[1\]\.balloon\.percent: leaves 3\.19922 MiB to a guest of 64 MiB; no kernel",
    ),
    "two targets": (
        "percent = 75",
        "mib = 40, percent = 5",
        22,
        r"mib.*exactly one|exactly one.*mib",
    ),
    "no target": ("percent = 75", "settle_s = 3.0", 22, "exactly one of percent, mib"),
    "balloons overlap": (
        "percent = 75",
        "percent = 75, settle_s = 16",
        25,
        r"step\[2\]\.at_s.*until 21",
    ),
    "settles too late": (
        "percent = 100",
        "percent = 100, settle_s = 21",
        26,
        r"settle_s.*after the end",
    ),
    "after the end": ("at_s = 20", "at_s = 40", 25, r"step\[2\]\.at_s: 40 is not before the end"),
    "at the end once it is rounded to nanoseconds": (
        "at_s = 20",
        "at_s = 39.9999999999",
        25,
        r"step\[2\]\.at_s: 40 is not before the end, duration_s = 40; every step must begin",
    ),
    "not in order": ("at_s = 20", "at_s = 4", 25, r"step\[2\]\.at_s: 4 comes after 5"),
    "two actions": (
        "at_s = 20",
        'at_s = 20\nstop = "hog"',
        24,
        r"step\[2\]: .*exactly one.*balloon and stop",
    ),
    "no action": ("balloon = { percent = 100 }", "", 24, r"step\[2\]: .*has none"),
    "stop of nothing": (
        "balloon = { percent = 100 }",
        'stop = "hog"',
        26,
        r"no earlier step starts a hog",
    ),
    "a number for a table": (
        "balloon = { percent = 75 }",
        "balloon = 75",
        22,
        r"balloon: must be a table, not 75",
    ),
    "no disk": (
        "balloon = { percent = 100 }",
        "filecache = { rate_mib_s = 8, total_mib = 64 }",
        26,
        "pc-swap has no disk",
    ),
    "hog without ceiling": (
        "balloon = { percent = 100 }",
        "hog = { rate_mib_s = 8 }",
        26,
        "ceiling_mib, ceiling_percent",
    ),
    "a node on a machine without": (
        "balloon = { percent = 100 }",
        "hog = { rate_mib_s = 8, ceiling_mib = 9, node = 0 }",
        26,
        r"step\[2\]\.hog\.node: there is no node 0: machine pc-swap has a single node",
    ),
    "unknown kind": ('kind = "poll"', 'kind = "wait"', 18, r"step\[0\]\.clients\.kind"),
    "release without sizes": ('kind = "poll"', 'kind = "release"', 18, "needs cache_mib"),
    "poll with a cache": (
        'kind = "poll"',
        'kind = "poll", cache_mib = 1',
        18,
        "cache_mib: not for.*poll",
    ),
    "circular without a rate": (
        'kind = "poll"',
        'kind = "circular", cache_mib = 9, give_back_mib = 1',
        18,
        "exactly one of rate_mib_s, step_mib; this one has none",
    ),
    "a step without a pause": (
        'kind = "poll"',
        'kind = "allocate", cache_mib = 9, step_mib = 1',
        18,
        "step_mib needs pause_ms",
    ),
    "a pause without steps": (
        'kind = "poll"',
        'kind = "allocate", cache_mib = 9, rate_mib_s = 1, pause_ms = 5',
        18,
        "pause_ms can only be used with step_mib",
    ),
    "a step of less than a page": (
        'kind = "poll"',
        'kind = "allocate", cache_mib = 9, step_mib = 0.001, pause_ms = 5',
        18,
        r"step_mib: 0\.001 is less than a page of 4 KiB",
    ),
    "an order that a kind has not": (
        'kind = "poll"',
        'kind = "poll", open_first = true',
        18,
        "open_first: not for.*poll",
    ),
    "too much to read": (
        'kind = "poll"',
        'kind = "poll", read_bytes = 65',
        18,
        r"read_bytes: must be 64 or less",
    ),
    "text without a disk": (
        'kind = "poll"',
        'kind = "poll", text_mib = 1',
        18,
        r"text_mib: maps 1 MiB, and the disk of machine pc-swap has 0",
    ),
    "dd without a disk": (
        "balloon = { percent = 100 }",
        "dd = { block_mib = 1.5, count = 4 }",
        26,
        r"step\[2\]\.dd: writes 6 MiB, and the disk of machine pc-swap has 0",
    ),
    "stop of no console": (
        "balloon = { percent = 100 }",
        'stop = "console"',
        26,
        "no earlier step starts a console",
    ),
    "a duration of nothing": (
        "duration_s = 40",
        "duration_s = 0.0000001",
        14,
        r"squeeze\.duration_s: 1e-07 is less than a millisecond",
    ),
    "a time of nothing": ("at_s = 5", "at_s = 1e-9", 21, r"at_s: 1e-09 is less than a millisecond"),
    "a pause of nothing": (
        'kind = "poll"',
        'kind = "poll", spacing_ms = 1e-7',
        18,
        r"spacing_ms: 1e-07 is less than a microsecond",
    ),
    "a look every nothing": (
        'kind = "poll"',
        'kind = "peek", every_ms = 1e-7',
        18,
        r"every_ms: 1e-07 is less than a microsecond",
    ),
    "a stall of nothing": (
        'kind = "poll"',
        'kind = "psi", stall_ms = 1e-7, window_ms = 1000',
        18,
        r"stall_ms: 1e-07 is less than a microsecond",
    ),
    "a size of nothing": (
        "balloon = { percent = 100 }",
        "hog = { rate_mib_s = 8, ceiling_mib = 0.0001 }",
        26,
        r"ceiling_mib: 0\.0001 is less than a page of 4 KiB",
    ),
    "a rate of nothing": (
        "balloon = { percent = 100 }",
        "hog = { rate_mib_s = 0.0001, ceiling_mib = 1 }",
        26,
        r"rate_mib_s: 0\.0001 is less than a page of 4 KiB",
    ),
    "a share of nothing": (
        "balloon = { percent = 100 }",
        "hog = { rate_mib_s = 8, ceiling_percent = 0.0001 }",
        26,
        r"ceiling_percent: less than a page of a guest of 64 MiB",
    ),
    "an order without a cache": (
        'kind = "poll"',
        'kind = "exit", open_first = true',
        18,
        "open_first has no effect without cache_mib",
    ),
    "a group for nobody": (
        "balloon = { percent = 100 }",
        "group = { version = 2 }",
        26,
        r"step\[2\]\.group: has no effect: no later step starts a hog",
    ),
    "a self-check without room": (
        "balloon = { percent = 100 }",
        "self_check = { memory_mib = 4096 }",
        26,
        r"self_check\.memory_mib: fills 4096 MiB, and a guest of 64 MiB on machine pc-swap has 192",
    ),
    "dead axis": ('"matrix"', "7", 9, r"matrix\.clients: no step of scenario squeeze"),
    "missing axis": ("clients = [1, 32]\n", "", 6, "matrix: no clients"),
    "too many clients": ("[1, 32]", "[1, 16001]", 9, r"matrix\.clients\[1\].*16000"),
    "empty axis": ("[1, 32]", "[]", 9, r"matrix\.clients.*at least 1"),
    "twice": ("[1, 32]", "[32, 1, 32]", 9, r"matrix\.clients: 32 is listed twice"),
    "unknown machine": (
        '"pc-swap"',
        '"toaster"',
        10,
        r"matrix\.machine: .*toaster.*there are.*pc-swap",
    ),
    "misspelt machine": ('"pc-swap"', '"pc-swp"', 10, r"matrix\.machine: .*mean pc-swap\?"),
    "misspelt of several": ('"pc-swap"', '["pc", "pc-swp"]', 10, r"matrix\.machine\[1\]: "),
    "series without brackets": (
        'series = ["none", "v4"]',
        'series = "v99"',
        7,
        r"matrix\.series: there is no series v99 .there are: none, v1, .*v3, .*v4",
    ),
    "no name": ('name = "try"', 'name = "my try"', 1, "name: 'my try' is not a name: at most 64"),
    "neither of two": ('"matrix"', '"all"', 18, "count: must be 'matrix', or a whole number, not"),
    "too few": ('"matrix"', "0", 18, "count: must be 'matrix', or 1 or more, not 0"),
    "too small": ("[64, 96]", "[64, 6]", 8, r"memory_mib\[1\]: must be 16 or more, not 6"),
    "too large": ("[64, 96]", "1048577", 8, r"memory_mib: must be 1048576 or less, not 1048577"),
    "true for a number": ("duration_s = 40", "duration_s = true", 14, "must be a number, not true"),
    "no string": ('"squeeze"', "7", 11, "scenario: must be a string in quotes, not 7"),
    "unknown series": ('"v4"]', '"v99"]', 7, r"matrix\.series\[1\].*v99.*v4"),
    "unknown base": ('"6.1"', '"5.99"', 4, r"kernel\.base.*5\.99.*6\.1"),
    "unknown architecture": ('base = "6.1"', 'base = "6.1"\narch = "arm64"', 5, r"kernel\.arch"),
    "unknown scenario": (
        'scenario = "squeeze"',
        'scenario = "squash"',
        11,
        r"matrix\.scenario: .*squash.*squeeze",
    ),
    "a name that is a path": ('name = "try"', 'name = "../try"', 1, "name"),
    "not TOML": ("duration_s = 40", "duration_s = 40 41", 14, "not TOML"),
}


@pytest.mark.parametrize(("old", "new", "line", "words"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, old: str, new: str, line: int, words: str) -> None:
    assert GOOD.count(old) == 1
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_campaign(path)
    assert caught.value.exit_code == 2
    text = str(caught.value)
    assert text.startswith(f"{path}:{line}: "), text
    assert re.search(words, text, re.DOTALL), text
    assert "\n" not in text


HINTS = {
    "balloons overlap": "reduce its settle_s",
    "no disk": "use a machine with disk_mib",
    "text without a disk": "use a machine with disk_mib",
    "dd without a disk": "use a machine with disk_mib",
    "a node on a machine without": "use a machine with numa_nodes, or omit node",
    "missing axis": "add, for example, clients = [1, 32, 200]",
}


@pytest.mark.parametrize(("case", "hint"), HINTS.items(), ids=HINTS)
def test_a_refusal_says_what_to_do(tmp_path: Path, case: str, hint: str) -> None:
    old, new, *_ = REFUSED[case]
    with pytest.raises(InputError) as caught:
        load_campaign(write(tmp_path, GOOD.replace(old, new)))
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("percent = 75", "percent = 75, settle_s = 15"),  # until the next balloon step
        ("percent = 100", "percent = 100, settle_s = 20"),  # until the end
        ("percent = 75", "mib = 8"),
        ("balloon = { percent = 100 }", "self_check = { memory_mib = 192 }"),  # RAM and swap
        ("[64, 96]", "[64, 100]"),
        ('count = "matrix" }', 'count = "matrix" }' + STEP.replace("30", "1") + MORE),
    ],
)
def test_what_is_just_possible(tmp_path: Path, old: str, new: str) -> None:
    assert GOOD.count(old) == 1
    assert load_campaign(write(tmp_path, GOOD.replace(old, new))).scenarios


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
    with pytest.raises(InputError, match=rf"matrix\.memory_mib: {memory} MiB in the 2 .*{hint}"):
        load_campaign(write(tmp_path, text))
    several = text.replace(f"memory_mib = {memory}", f"memory_mib = [512, {memory}]")
    with pytest.raises(InputError, match=rf"matrix\.memory_mib\[1\]: {memory} MiB"):
        load_campaign(write(tmp_path, several))


def test_too_many_clients_in_all(tmp_path: Path) -> None:
    more = STEP + 'clients = { kind = "exit", count = 15_990 }\n'
    with pytest.raises(InputError, match="16022 clients in one cell"):
        load_campaign(write(tmp_path, GOOD + more))


def test_a_kernel_without_a_driver_for_the_disk(tmp_path: Path) -> None:
    text = GOOD.replace('"pc-swap"', '"pc-swap-virtio"')
    assert load_campaign(write(tmp_path, text)).machines
    with pytest.raises(
        InputError,
        match=r"toml:10: .*2\.6\.24 has no driver for the virtio swap .*"
        r"\(use a machine with slram or IDE\)$",
    ):
        load_campaign(write(tmp_path, text.replace('"6.1"', '["6.1", "2.6.24"]')))


def test_a_node_that_the_machine_has(tmp_path: Path) -> None:
    hog = STEP + "hog = {{ rate_mib_s = 1, ceiling_mib = 1, node = {} }}\n"
    text = GOOD.replace('"pc-swap"', '"x86-64-numa"').replace('"6.1"', '"2.6.24"')
    cell = plan_cells(load_campaign(write(tmp_path, text + hog.format(1))))[0]
    assert numbers(cell.scenario.steps[-1]) == (1024, 1024, 2)
    with pytest.raises(InputError, match=r"hog\.node: .*node 2.*x86-64-numa has nodes 0 to 1"):
        load_campaign(write(tmp_path, text + hog.format(2)))


def test_more_steps_than_the_mailbox_holds(tmp_path: Path) -> None:
    more = (STEP + "hog = { rate_mib_s = 1, ceiling_mib = 1 }\n") * 1000
    with pytest.raises(InputError, match=r"try\.toml:\d+: scenario\.squeeze\.step: .*mailbox"):
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


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read"):
        load_campaign(tmp_path / "none.toml")


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
    with pytest.raises(InputError, match=r"step\[3\]\.clients\.kind: .*\(add one of v5, "):
        load_campaign(write(tmp_path, late))


def test_a_machine_that_does_not_run_an_architecture(tmp_path: Path) -> None:
    text = GOOD.replace('"pc-swap"', '["pc-swap", "x86-64-numa"]')
    several = text.replace('"6.1"', '"2.6.24"\narch = ["x86_64", "i386"]')
    with pytest.raises(InputError, match=r"toml:5: kernel\.arch\[1\]: machine x86-64-numa only"):
        load_campaign(write(tmp_path, several))


def test_a_group_is_for_what_comes_after_it(tmp_path: Path) -> None:
    hog = STEP + "hog = { rate_mib_s = 1, ceiling_mib = 9 }\n"
    group = STEP + "group = { version = 2 }\n"
    assert load_campaign(write(tmp_path, GOOD + group + hog)).scenarios
    with pytest.raises(InputError, match=r"step\[4\]\.group: has no effect: no later step starts"):
        load_campaign(write(tmp_path, GOOD + hog + group))


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

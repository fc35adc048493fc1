"""mm/mem_notify.c of v4 to v6 as the patches make it, compiled against a kernel of a few macros.

This checks the order of events on one CPU in a moment; tests/guest has real kernels.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.series.apply import apply_series
from memnotify.series.quilt import Patch, Series, load_series
from unidiff.patch import PatchSet

from tests.support.madetree import no_file

STUBS = Path(__file__).parent / "mem_notify"
SOURCES = ("mm/mem_notify.c", "include/linux/mem_notify.h")
HZ = 250
FREQUENCY = HZ // 5
POLLIN = 1

Play = Callable[..., list[str]]


def sources(revision: str, base: str, folder: Path) -> dict[str, str]:
    """Return the files of the series that need nothing from the tree, as its patches make them."""
    folder.mkdir(exist_ok=True)
    patches = []
    for patch in load_series(revision, base).patches:
        files = PatchSet(patch.path.read_text())
        own = [str(file) for file in files if file.target_file.partition("/")[2] in SOURCES]
        if own:
            patches.append(Patch(path=folder / patch.name, sha256=""))
            patches[-1].path.write_text("".join(own))
    series = Series(revision=revision, base=base, patches=tuple(patches))
    made = apply_series(series, no_file).files
    return {name: state.data.decode() for name, state in made.items() if state is not None}


def build(folder: Path, revision: str) -> Path:
    for name, text in sources(revision, "2.6.24", folder / "patches").items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for line in text.splitlines():
            if line.startswith("#include <") and "mem_notify" not in line:
                stub = folder / "include" / line.partition("<")[2].rstrip(">")
                stub.parent.mkdir(parents=True, exist_ok=True)
                stub.touch()
    program = folder / "driver"
    words: list[str | Path] = ["gcc", "-std=gnu11", "-w"]
    words += ["-I", folder, "-I", folder / "include", "-I", STUBS]
    # v4 and v5 get the header through other headers of the kernel.
    words += ["-include", STUBS / "kernel.h", "-include", "linux/mem_notify.h"]
    subprocess.run([*words, STUBS / "driver.c", "-o", program], check=True)
    return program


@pytest.fixture(scope="module", params=["v4", "v5", "v6"])
def revision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    built: dict[str, Path] = {}

    def of(revision: str) -> Path:
        if revision not in built:
            built[revision] = build(tmp_path_factory.mktemp(revision), revision)
        return built[revision]

    return of


@pytest.fixture(scope="module")
def play(programs: Callable[[str], Path]) -> Play:
    def of(revision: str, *words: str) -> list[str]:
        done = subprocess.run(
            [programs(revision), *words], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return of


def wakeups(said: list[str]) -> list[str]:
    return [line for line in said if line.startswith(("wake", "signal"))]


def all_on(count: int) -> list[str]:
    return [f"on:{number}" for number in range(count)]


@pytest.mark.parametrize("revision", ["v4", "v5", "v6"])
def test_2_6_25_has_the_same_files_as_2_6_24(revision: str, tmp_path: Path) -> None:
    on_24, on_25 = (sources(revision, base, tmp_path / base) for base in ("2.6.24", "2.6.25"))
    assert on_24.keys() == set(SOURCES)
    assert on_24 == on_25


@pytest.mark.parametrize(
    ("revision", "watchers", "woken"),
    [
        *(("v4", *case) for case in ((0, 100), (1, 100), (1600, 100), (1616, 101), (4000, 250))),
        *(("v5", *case) for case in ((1, 1), (15, 1), (16, 2), (1583, 99), (1584, 100))),
        *(("v6", *case) for case in ((1, 1), (15, 1), (16, 2), (1583, 99), (4000, 100))),
    ],
)
def test_how_many_are_woken(play: Play, revision: str, watchers: int, woken: int) -> None:
    assert wakeups(play(revision, f"open:{watchers}", "pressure:1")) == [f"wake {woken}"]


def test_nobody_watching(play: Play, programs: Callable[[str], Path]) -> None:
    assert wakeups(play("v6", "pressure:1", "open:1", "poll:0")) == []
    # The status is set before the division, so the pressure stays for later watchers.
    done = subprocess.run([programs("v5"), "pressure:1"], check=False)
    assert done.returncode == -signal.SIGFPE


def test_the_stamp_is_set_though_nobody_watches(play: Play) -> None:
    words = ("pressure:1", "open:1", f"ticks:{FREQUENCY - 1}", "pressure:1", "ticks:1")
    assert wakeups(play("v6", *words)) == []
    assert wakeups(play("v6", *words, "pressure:1")) == ["wake 1"]


def test_equality_passes(revision: str, play: Play) -> None:
    first, again = f"wake {100 if revision == 'v4' else 1}", f"ticks:{FREQUENCY}"
    assert wakeups(play(revision, "open:1", "free:200", "pressure:1")) == [first]
    assert wakeups(play(revision, "open:1", "free:201", "pressure:1")) == []
    assert wakeups(play(revision, "open:1", "pressure:1", again, "pressure:1")) == [first] * 2


def test_a_small_zone_is_left_alone(play: Play) -> None:
    words = ("open:1", "status:-1", "pressure:1", "poll:0", "pressure:0", "poll:0")
    assert play("v5", *words) == play("v6", *words) == ["poll 0", "poll 0"]


def test_the_guard(revision: str, play: Play) -> None:
    guard = {"v4": 10 * HZ, "v5": 10 * HZ, "v6": 3 * FREQUENCY}[revision]
    later = (f"ticks:{guard - 1}", "poll:0", "ticks:1", "poll:0")
    said = play(revision, "open:3", "pressure:1", "poll:0", *later)
    assert [line for line in said if line.startswith("poll")] == [
        f"poll {POLLIN}",
        "poll 0",
        f"poll {POLLIN}",
    ]


def test_the_guard_of_v6_has_an_end(play: Play) -> None:
    later = (f"ticks:{10 * HZ - 1}", "poll:0", "ticks:1", "poll:0")
    said = play("v6", "open:60", "pressure:1", "poll:0", *later)
    assert [line for line in said if line.startswith("poll")] == ["poll 1", "poll 0", "poll 1"]


def test_the_guard_of_v6_is_that_of_the_watchers_there_are_now(play: Play) -> None:
    said = play(
        "v6", "open:2", "pressure:1", "poll:0", f"ticks:{FREQUENCY}", "poll:0", "close:1", "poll:0"
    )
    assert [line for line in said if line.startswith("poll")] == ["poll 1", "poll 0", "poll 1"]


@pytest.mark.parametrize("revision", ["v5", "v6"])
@pytest.mark.parametrize("count", [1, 16])
def test_where_all_have_fasync_everyone_who_polls_is_woken(
    play: Play, revision: str, count: int
) -> None:
    nr = count // 16 + 1
    woken = wakeups(play(revision, f"open:{count}", *all_on(count), "pressure:1"))
    assert woken[0] == "wake 0"  # to wake_up_locked_nr(), 0 means everyone
    assert [line.split()[0] for line in woken[1:]] == ["signal"] * nr


@pytest.mark.parametrize(("revision", "wake"), [("v5", 1), ("v6", 1)])
def test_one_file_without_fasync_ends_that(play: Play, revision: str, wake: int) -> None:
    woken = wakeups(play(revision, "open:17", *all_on(16), "pressure:1"))
    assert woken[0] == f"wake {wake}"
    # v5: 2 * 16 / 17, rounded down, and the rest; v6: both rounded up.
    assert len(woken) - 1 == {"v5": 1, "v6": 2}[revision]


@pytest.mark.parametrize(
    ("revision", "watchers", "fasync", "wake", "signals"),
    [
        ("v5", 15, 1, 1, 0),
        ("v6", 15, 1, 1, 1),
        ("v5", 128, 32, 7, 2),
        ("v6", 128, 32, 7, 3),
        ("v6", 33, 1, 3, 1),
        ("v6", 33, 32, 1, 3),
    ],
)
def test_the_shares(
    play: Play, revision: str, watchers: int, fasync: int, wake: int, signals: int
) -> None:
    woken = wakeups(play(revision, f"open:{watchers}", *all_on(fasync), "pressure:1"))
    assert woken[0] == f"wake {wake}", "pollers come first"
    assert [line.split()[0] for line in woken[1:]] == ["signal"] * signals


def test_v5_signals_with_the_queue_locked_and_v6_after(play: Play) -> None:
    words = ("open:1", "on:0", "pressure:1")
    fasync = ["lock mem_fasync_lock", "unlock mem_fasync_lock", "on 1"]
    signals = ["lock mem_fasync_lock", "signal 1000 fd 100 band 1", "unlock mem_fasync_lock"]
    assert play("v5", *words) == [
        *fasync, "lock queue irqs off", "wake 0", *signals, "unlock queue"
    ]  # fmt: skip
    assert play("v6", *words) == [
        *fasync, "lock queue irqs off", "wake 0", "unlock queue", *signals
    ]  # fmt: skip


@pytest.mark.parametrize("revision", ["v5", "v6"])
def test_the_oldest_is_signalled_first_and_goes_to_the_end(play: Play, revision: str) -> None:
    event = ("pressure:1", f"ticks:{FREQUENCY}")
    said = play(revision, "open:32", *all_on(32), *event * 11)
    signalled = [int(line.split()[1]) for line in said if line.startswith("signal")]
    assert signalled == [1000 + number % 32 for number in range(33)]


@pytest.mark.parametrize("revision", ["v5", "v6"])
def test_setting_fasync(play: Play, revision: str) -> None:
    def on_and_off(*words: str) -> list[str]:
        said = play(revision, "open:1", *words)
        return [line for line in said if line.startswith(("on", "off"))]

    assert on_and_off("on:0", "on:0", "off:0", "off:0") == ["on 1", "on 0", "off 1", "off 0"]
    # A file closed with FASYNC set is no longer signalled, nor counted.
    said = wakeups(play(revision, "open:2", "on:0", "close:0", "pressure:1"))
    assert said == ["wake 1"]


@pytest.mark.parametrize("revision", ["v5", "v6"])
def test_signals_have_no_guard(play: Play, revision: str) -> None:
    event = ("pressure:1", f"ticks:{FREQUENCY}")
    said = wakeups(play(revision, "open:1", "on:0", *event * 3))
    assert said == ["wake 0", "signal 1000 fd 100 band 1"] * 3

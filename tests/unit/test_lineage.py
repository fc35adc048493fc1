"""The revisions before v4: the content of their folders, and what their device does.

Numbers and Message-Ids are copied from the mails here, not from the patches. Devices are tried on
the host: their file is compiled with hostkernel/kernel.h instead of the kernel's headers.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.process import run
from memnotify.series.apply import apply_series
from memnotify.series.quilt import load_series, revisions

from tests.support.madetree import made_up_tree

BASE = "2.6.24"
K = ".KOSAKI.MOTOHIRO@jp.fujitsu.com"
MAILS: dict[str, list[str | None]] = {
    "v1": ["20071030210743.GA304@dmt"],
    "v2": ["20071121195316.GA21481@dmt"],
    "v2-wakeup": ["20071121195316.GA21481@dmt", None],  # the mails only say that he added one
    "v3": ["20071224203250.GA23149@dmt"],
    "v3-wake-all": ["20071224203250.GA23149@dmt", f"20071225182144.D26D{K}"],
    "v3-throttled": [
        "20071224203250.GA23149@dmt",
        f"20071225182144.D26D{K}",
        f"20071225192625.D273{K}",
    ],
    "v3-faster": [
        "20071224203250.GA23149@dmt",
        f"20071225182144.D26D{K}",
        f"20071225192625.D273{K}",
        f"20071227134854.7F0E{K}",
    ],
}
BUILT_ON = {
    "v2-wakeup": "v2",
    "v3-wake-all": "v3",
    "v3-throttled": "v3-wake-all",
    "v3-faster": "v3-throttled",
    "v4-tenth": "v4",
    "v4-long-uptime": "v4",
    "v6-ageing": "v6",
}

FREQ = 50 + 1  # ticks between two events: more than a fifth of a second, at HZ = 250
BOOT = f"tick {FREQ}"
LOW = ("free 0 40", "free 1 49")  # one page below 2 · (high + reserve) of the zones in kernel.h
ENOUGH = "free 1 50"


def test_every_base_of_a_later_revision_has_the_earlier_one() -> None:
    known = revisions()
    for later, earlier in BUILT_ON.items():
        assert set(known[later]) <= set(known[earlier])
    assert known["v3-faster"] == known["v3"], "v3 + 3 is for every base of v3"


@pytest.mark.parametrize(
    ("revision", "base"),
    [(later, base) for later in BUILT_ON for base in revisions().get(later, [BASE])],
)
def test_a_later_revision_has_copies_of_the_earlier_ones_patches(revision: str, base: str) -> None:
    earlier = load_series(BUILT_ON[revision], base).patches
    later = load_series(revision, base).patches
    assert len(later) == len(earlier) + 1
    for patch, copy in zip(earlier, later, strict=False):
        assert (copy.name, copy.fuzz) == (patch.name, patch.fuzz)
        assert copy.path.read_bytes() == patch.path.read_bytes()


@pytest.mark.parametrize("revision", MAILS)
def test_on_its_base_nothing_is_shifted_and_no_fuzz_is_allowed(revision: str) -> None:
    series = load_series(revision, BASE)
    assert [patch.fuzz for patch in series.patches] == [0] * len(MAILS[revision])
    tree = made_up_tree(series)
    done = apply_series(series, tree.get)
    assert [patch.shifted for patch in done.patches] == [()] * len(MAILS[revision])
    new = {name for name, state in done.files.items() if state and name not in tree}
    assert new == {"mm/oom_notify.c" if revision == "v1" else "mm/mem_notify.c"}


@pytest.mark.parametrize("revision", MAILS)
def test_what_is_ours_says_so_and_names_the_mail(revision: str) -> None:
    for patch, mail in zip(load_series(revision, BASE).patches, MAILS[revision], strict=True):
        head = patch.path.read_text().partition("\n---\n")[0]
        assert head.startswith("From: mem_notify testbed <>\n")
        assert "Signed-off-by" not in head
        assert "Reconstructed by the mem_notify testbed" in head
        assert re.findall(r"Message-Id ([^\s)]+)", " ".join(head.split())) == [mail] * bool(mail)


def test_only_v1_needs_an_option() -> None:
    needed = {name: load_series(name, BASE).config for name in MAILS}
    assert [name for name, config in needed.items() if config] == ["v1"]
    assert "CONFIG_OOM_NOTIFY=y\n" in (needed["v1"] or Path()).read_text()


Device = Callable[..., list[str]]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Device]:
    """Return a function that returns a revision's device: it takes commands, returns events."""

    @functools.cache
    def build(revision: str) -> Path:
        name = "oom_notify" if revision == "v1" else "mem_notify"
        series = load_series(revision, BASE)
        file = apply_series(series, made_up_tree(series).get).files[f"mm/{name}.c"]
        assert file is not None
        folder = tmp_path_factory.mktemp(revision)
        unit = folder / "unit.c"
        event = "abort" if revision == "v1" else "mem_notify_userspace"
        here = Path(__file__).with_name("hostkernel")
        unit.write_text(
            f'#include "{here}/kernel.h"\n'
            + re.sub(r"^#include.*", "", file.data.decode(), flags=re.M)
            + f'#define EVENT {event}\n#define FOPS {name}_fops\n#include "{here}/driver.c"\n'
        )
        program = folder / "device"
        run(["gcc", "-std=gnu11", "-Wall", "-Werror", "-o", program, unit], timeout=60)
        return program

    def give(revision: str) -> Device:
        program = build(revision)

        def does(*commands: str) -> list[str]:
            done = run([program, *commands], timeout=10)
            lines = [line.strip() for line in done.stdout.splitlines()]
            assert len(lines) == len(commands)
            return [line for line in lines if line]

        return does

    return give


# --- v1


def test_v1_looks_for_swapout_once_a_second_while_it_is_open(
    device: Callable[[str], Device],
) -> None:
    does = device("v1")
    assert does("swapout 5", "tick 300", "armed") == ["0"]
    # Earlier swap-out notifies the first user, a second after open.
    assert does("swapout 5", "open 0", "tick 249", "tick 1", "armed") == ["0", "wake", "1"]
    assert does("open 0", "tick 250", "swapout 1", "tick 249", "tick 1", "tick 250") == [
        "0",
        "wake",
    ]
    # A second user changes nothing; the last one to leave stops it.
    assert does("open 0", "open 1", "release 0", "armed", "release 1", "armed") == [
        "0",
        "0",
        "0",
        "1",
        "0",
        "0",
    ]


def test_v1_gives_pollin_to_all_until_a_second_without_swapout(
    device: Callable[[str], Device],
) -> None:
    does = device("v1")
    opened = ["open 0", "open 1", "swapout 1", "poll 0", "tick 250"]
    assert does(*opened, "poll 0", "poll 0", "poll 1", "tick 250", "poll 1") == [
        *("0", "0", "0", "wake"),
        *("1", "1", "1", "0"),
    ]
    # The status goes with the last user, the total does not.
    assert does(*opened, "release 0", "release 1", "open 0", "poll 0", "tick 250")[4:] == [
        *("0", "0", "0", "0"),
    ]


@pytest.mark.parametrize(("zone", "low"), [(0, 2), (1, 20), (2, 4)])
def test_v1_gives_pollin_if_a_zone_is_at_its_low_mark(
    device: Callable[[str], Device], zone: int, low: int
) -> None:
    # For the class of the first zone of the first zonelist: no reserve counts.
    does = device("v1")
    assert does("open 0", f"free {zone} {low + 1}", "poll 0") == ["0", "0"]
    assert does("open 0", f"free {zone} {low}", "poll 0", "poll 0") == ["0", "1", "1"]


# --- v2


def test_v2_wakes_nobody_and_the_first_poll_takes_the_status(
    device: Callable[[str], Device],
) -> None:
    told = ["open 0", "open 1", "event", "poll 0", "poll 1", "event", "event", "poll 1", "poll 0"]
    assert device("v2")(*told) == ["0", "0", "1", "0", "1", "0"]
    assert device("v2-wakeup")(*told) == ["0", "0", "wake", "1", "0", "wake", "wake", "1", "0"]
    assert device("v2-wakeup")("open 0", "on-wake poll 0", "event") == ["0", "wake 1"]
    assert device("v2")("event", "tick 9999", "open 0", "poll 0") == ["0", "1"]  # from long ago


@pytest.mark.parametrize("revision", ["v2", "v2-wakeup"])
def test_v2_gives_pollin_when_all_zones_together_are_at_their_low_marks(
    device: Callable[[str], Device], revision: str
) -> None:
    does = device(revision)
    # low 2 + 20 + 4, reserves 5 + 7; high memory counts as well.
    at = ["open 0", "free 0 10", "free 1 20"]
    assert does(*at, "free 2 9", "poll 0") == ["0", "0"]
    assert does(*at, "free 2 8", "poll 0", "poll 0") == ["0", "1", "1"]
    # The status is taken even if the gate has given POLLIN.
    assert does(*at, "free 2 8", "event", "poll 0", "free 2 9", "poll 0")[-2:] == ["1", "0"]


# --- v3


@pytest.mark.parametrize("revision", ["v3", "v3-wake-all", "v3-throttled", "v3-faster"])
def test_v3_lets_more_than_a_fifth_of_a_second_pass(
    device: Callable[[str], Device], revision: str
) -> None:
    does = device(revision)
    assert does(f"tick {FREQ - 1}", "event") == []
    assert does(BOOT, "event", f"tick {FREQ - 1}", "event") == ["wake"]
    assert does(BOOT, "event", f"tick {FREQ}", "event", "event") == ["wake", "wake"]
    # The time is noted before anybody wakes.
    assert does(BOOT, "on-wake event", "event") == ["wake"]


@pytest.mark.parametrize(
    ("revision", "each"),
    [("v3", True), ("v3-wake-all", True), ("v3-throttled", False), ("v3-faster", False)],
)
def test_v3_counts_the_time_for_each_cpu_and_throttled_for_the_system(
    device: Callable[[str], Device], revision: str, each: bool
) -> None:
    said = device(revision)(BOOT, "event", "cpu 1", "event", "event")
    assert said == ["wake"] * (1 + each)


def test_v3_tells_the_first_who_polls_and_nobody_else(device: Callable[[str], Device]) -> None:
    does = device("v3")
    assert does(BOOT, *LOW, "open 0", "poll 0") == ["0", "0"]  # low, but no event
    told = [BOOT, *LOW, "open 0", "open 1", "event", "poll 1", "poll 0", "poll 1"]
    assert does(*told) == ["0", "0", "wake", "1", "0", "0"]
    assert does(BOOT, *LOW, "open 0", "on-wake poll 0", "event") == ["0", "wake 1"]
    # An event without a watcher waits for one.
    assert does(BOOT, *LOW, "event", "tick 9999", "open 0", "poll 0") == ["wake", "0", "1"]


def test_v3_clears_the_status_before_it_asks_the_gate(device: Callable[[str], Device]) -> None:
    does = device("v3")
    assert does(BOOT, *LOW, ENOUGH, "open 0", "event", "poll 0", *LOW, "poll 0") == [
        *("0", "wake", "0", "0"),
    ]


@pytest.mark.parametrize("revision", ["v3", "v3-wake-all", "v3-throttled", "v3-faster"])
def test_v3s_gate_is_twice_high_and_reserve_of_all_zones_but_high_memory(
    device: Callable[[str], Device], revision: str
) -> None:
    does = device(revision)
    told = [BOOT, "open 0", "event", *LOW]
    assert does(*told, "poll 0")[-1] == "1"
    assert does(*told, "free 2 0", ENOUGH, "poll 0")[-1] == "0"
    assert does(*told, "free 2 9999", "poll 0")[-1] == "1"


def test_v3_cannot_be_read(device: Callable[[str], Device]) -> None:
    assert device("v3")("open 0", "read 0 4", "release 0") == ["0", "-22", "0"]


# --- v3 + 1


@pytest.mark.parametrize("revision", ["v3-wake-all", "v3-throttled", "v3-faster"])
def test_wake_all_tells_everyone_until_they_read(
    device: Callable[[str], Device], revision: str
) -> None:
    does = device(revision)
    told = [BOOT, *LOW, "open 0", "open 1", "event", "open 2"]
    polls = [f"poll {file}" for file in (0, 1, 0, 1)]
    between = [word for poll in polls for word in (poll, "tick 1")]  # so that nobody has to nap
    assert does(*told, *between) == ["0", "0", "wake", "0", "1", "1", "1", "1"]
    # A file that is opened after an event waits for the next.
    assert does(*told, "poll 2", f"tick {FREQ}", "event", "poll 2")[-3:] == ["0", "wake", "1"]
    # A read of any size acknowledges all events before it.
    assert does(*told, "read 0 0", "poll 0", "poll 1")[-3:] == ["0", "0", "1"]
    assert does(*told, "read 0 4", f"tick {FREQ}", "event", "poll 0")[-3:] == ["0", "wake", "1"]


@pytest.mark.parametrize("revision", ["v3-wake-all", "v3-throttled", "v3-faster"])
def test_wake_all_has_data_for_each_file(device: Callable[[str], Device], revision: str) -> None:
    does = device(revision)
    assert does("nomem 1", "open 0", "nomem 0", "open 0", "release 0") == ["-12", "0", "0"]
    assert does("open 0", "forget 0", "read 0 4") == ["0", "-22"]


@pytest.mark.parametrize("revision", ["v3-wake-all", "v3-throttled"])
def test_an_event_is_not_over_when_somebody_finds_enough_memory(
    device: Callable[[str], Device], revision: str
) -> None:
    told = [BOOT, *LOW, ENOUGH, "open 0", "open 1", "event"]
    assert device(revision)(*told, "poll 0", "tick 1", *LOW, "poll 0", "tick 1", "poll 1")[3:] == [
        *("0", "1", "1"),
    ]


# --- v3 + 2

TOLD = (BOOT, *LOW, "open 0", "open 1", "event")


@pytest.mark.parametrize("revision", ["v3-throttled", "v3-faster"])
def test_throttled_lets_one_pass_in_a_tick(device: Callable[[str], Device], revision: str) -> None:
    does = device(revision)
    # A nap of 1 ms is two ticks at this HZ: the one in which it begins, and a whole one.
    assert does(*TOLD, "poll 0", "poll 1", "poll 0")[3:] == ["1", "nap1 1", "nap1 1"]
    assert does(*TOLD, "poll 0", "tick 1", "poll 1")[3:] == ["1", "1"]
    # After a nap, the gate decides by the state at that time.
    assert does(*TOLD, "poll 0", f"on-nap {ENOUGH}", "poll 1")[3:] == ["1", "nap1 0"]
    # A client with no pending event does not nap.
    assert does(*TOLD, "poll 0", "read 1 4", "poll 1")[3:] == ["1", "0", "0"]


@pytest.mark.parametrize("revision", ["v3-throttled", "v3-faster"])
def test_naps_get_longer_with_each_16_collisions_until_somebody_passes(
    device: Callable[[str], Device], revision: str
) -> None:
    does = device(revision)
    *_, longer, again = does(*TOLD, "poll 0", "freeze 40", "poll 1", "freeze 1", "poll 0")
    naps = [1] * 16 + [2] * 16 + [3] * 9
    assert longer == " ".join(f"nap{ms}" for ms in naps) + " 1"
    assert again == "nap1 nap1 1"


@pytest.mark.parametrize("revision", ["v3-throttled", "v3-faster"])
def test_a_signal_ends_a_nap_without_pollin(device: Callable[[str], Device], revision: str) -> None:
    does = device(revision)
    said = does(*TOLD, "poll 0", "signal 1", "freeze 1", "poll 1", "signal 0", "poll 1")
    assert said[3:] == ["1", "nap1 0", "nap1 1"]
    # A signal does not keep a client that need not nap from POLLIN, and such a nap is no collision.
    assert does(*TOLD, "signal 1", "poll 0")[3:] == ["1"]
    nap = ["signal 1", "freeze 1", "poll 1"] * 16
    assert does(*TOLD, "poll 0", *nap, "signal 0", "freeze 1", "poll 1")[-1] == "nap1 nap1 1"


# --- v3 + 3


def test_faster_looks_at_the_events_again_after_a_nap(device: Callable[[str], Device]) -> None:
    napping = [*TOLD, "poll 0", "on-nap read 1 4", "poll 1"]
    assert device("v3-throttled")(*napping)[-1] == "nap1 0 1"
    assert device("v3-faster")(*napping)[-1] == "nap1 0 0"


def test_faster_sends_home_who_waits_with_an_event_that_is_over(
    device: Callable[[str], Device],
) -> None:
    over = [*TOLD, ENOUGH, "poll 0", "freeze 9"]
    assert device("v3-throttled")(*over, "poll 1")[3:] == ["0", " ".join(["nap1"] * 10) + " 0"]
    assert device("v3-faster")(*over, "poll 1", *LOW, "poll 1")[3:] == ["0", "0", "0"]
    # Until the next event. A client that naps in the meantime goes home as well.
    more = [*over, *LOW, f"tick {FREQ}", "event", "poll 1"]
    assert device("v3-faster")(*more)[3:] == ["0", "wake", "1"]
    while_napping = [*TOLD, "poll 0", f"on-nap {ENOUGH};tick 1;poll 0", "poll 1"]
    assert device("v3-faster")(*while_napping)[3:] == ["1", "nap1 0 0"]

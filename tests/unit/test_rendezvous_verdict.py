"""From what a guest leaves to its outcome: judge, console."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import signal
from contextlib import ExitStack

import numpy as np
import pytest
from memnotify.guest import console
from memnotify.guest.console import Console
from memnotify.guest.outcome import judge
from memnotify.guest.rendezvous import End
from memnotify.model import Finding, Outcome
from memnotify.records import layout
from memnotify.records.layout import BalloonPhase, Kind
from memnotify.records.log import RecordLog
from memnotify.results.evidence import evidence
from memnotify.scenario import Op

NOTHING = RecordLog(np.zeros(0, layout.RECORD), lost=0, torn=0)
KILLED = "Out of memory: Killed process 70 (init) total-vm:8kB"


def record(kind: Kind, *value: int) -> RecordLog:
    records = np.zeros(1, layout.RECORD)
    records["kind"] = kind
    records["commit"] = 1
    records["pid"] = 1
    records["value"][0, : len(value)] = value
    return RecordLog(records, lost=0, torn=0)


def hear(*chunks: bytes) -> tuple[Console, bytes]:
    """Send chunks to a console as a guest would; return it and its file's content."""

    async def main() -> tuple[Console, bytes]:
        file = io.BytesIO()
        kept = Console(file)
        with ExitStack() as ours, ExitStack() as theirs:
            source, sink = console.open_pipe(ours, theirs)

            async def talk() -> None:
                for chunk in chunks:
                    await asyncio.to_thread(sink.write, chunk)
                    await asyncio.sleep(0.001)
                theirs.close()

            await asyncio.gather(kept.copy(source), talk())
        return kept, file.getvalue()

    return asyncio.run(main())


def test_a_guest_need_not_wait_for_us_to_read_what_it_says() -> None:
    kept, _ = hear(b"x" * 1000)
    assert not kept.may_have_waited
    with ExitStack() as ours, ExitStack() as theirs:
        _, sink = console.open_pipe(ours, theirs)
        os.set_blocking(sink.fileno(), False)
        # One byte at a time, as from a serial line; None would be "try again".
        assert all(sink.write(b"x") == 1 for _ in range(100_000))


def test_a_guest_that_says_more_than_the_pipe_holds_may_have_waited() -> None:
    with ExitStack() as ours, ExitStack() as theirs:
        _, sink = console.open_pipe(ours, theirs)
        holds = fcntl.fcntl(sink, fcntl.F_GETPIPE_SZ)
    assert not hear(bytes(holds))[0].may_have_waited
    assert hear(bytes(holds), b"x")[0].may_have_waited


def verdict(
    end: End = End(),  # noqa: B008
    *,
    log: RecordLog = NOTHING,
    said: bytes = b"",
    disagreements: tuple[str, ...] = (),
    ended: bool = False,
) -> Outcome:
    return judge(end, log=log, console=hear(said)[0], disagreements=disagreements, ended=ended)


def test_a_quiet_guest_is_ok() -> None:
    agents_kill = record(Kind.EXIT, 0, signal.SIGKILL, 1, Op.CLIENTS)
    assert verdict(log=agents_kill, said=b"hello\n").ok


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (record(Kind.EXIT, 0, signal.SIGKILL, 0, Op.HOG), b""),
        (record(Kind.RECLAIM, 0, 0, 0, 0, 2), b""),
        (NOTHING, KILLED.encode()),
        (NOTHING, b"Out of memory: Kill process 70 (init) score 9 or sacrifice child"),
    ],
)
def test_an_oom_kill_is_seen_in_any_of_its_traces(log: RecordLog, said: bytes) -> None:
    outcome = verdict(log=log, said=said)
    assert outcome.finding is Finding.OOM_KILL


def test_a_missed_balloon_target_is_a_finding() -> None:
    log = record(Kind.BALLOON, BalloonPhase.MISSED, 3, 49152, 60000, 2 * 10**9)
    outcome = verdict(log=log)
    assert outcome.finding is Finding.BALLOON
    assert "step 3 did not reach 49152 KiB in 2 s" in outcome.detail
    assert verdict(disagreements=("QEMU says 5",)).finding is Finding.BALLOON


def test_the_most_serious_finding_wins_and_the_others_are_told() -> None:
    log = record(Kind.BALLOON, BalloonPhase.MISSED, 3, 49152, 60000, 2 * 10**9)
    outcome = verdict(End(Finding.HANG, "no record"), log=log, said=KILLED.encode())
    assert outcome.finding is Finding.HANG
    assert "also oom-kill" in outcome.detail
    assert "also balloon" in outcome.detail


@pytest.mark.parametrize("end", [End(Finding.PANIC), End(Finding.REBOOT), End(Finding.HANG)])
def test_a_panic_on_the_console_explains_every_end(end: End) -> None:
    outcome = verdict(end, said=b"[1.0] Kernel panic - not syncing: Attempted to kill init!\n---\n")
    assert outcome.finding is Finding.PANIC
    assert outcome.detail == "Kernel panic - not syncing: Attempted to kill init!"


@pytest.mark.parametrize("end", [End(Finding.PANIC, "kernel panic"), End(Finding.HANG, "stuck")])
def test_a_finding_after_the_end_of_the_scenario_says_so(end: End) -> None:
    early, late = verdict(end), verdict(end, ended=True)
    assert early.finding is late.finding is end.finding
    assert early.detail == end.detail
    assert late.detail == f"after the end of the scenario: {end.detail}"
    assert verdict(ended=True).ok
    cut = verdict(End(detail="the log ends there"), ended=True)
    assert cut.ok and cut.detail == "the log ends there"
    # Findings in the log are from before the end.
    log = record(Kind.EXIT, 0, signal.SIGKILL, 0, Op.HOG)
    assert "after the end" not in verdict(log=log, ended=True).detail


def test_a_line_that_comes_in_pieces_is_recognised_and_kept() -> None:
    kept, text = hear(b"[ 1.0] Kernel panic - not", b" syncing: Fatal", b" exception\n", b"end")
    assert kept.panic == "Kernel panic - not syncing: Fatal exception"
    assert text == b"[ 1.0] Kernel panic - not syncing: Fatal exception\nend"


def test_bytes_that_are_no_text_do_no_harm() -> None:
    kept, text = hear(b"\xff\x00Kernel panic - not syncing: \xfe\n")
    assert kept.panic == "Kernel panic - not syncing: �"
    assert text.startswith(b"\xff\x00")


def test_a_flood_is_capped_with_its_beginning_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "CAP", 1000)
    monkeypatch.setattr(console, "TAIL", 20_000)
    flood = [b"first\n", *[b"x" * 10_000] * 30, b"last\n"]
    _, text = hear(*flood)
    assert text.startswith(b"first\n") and text.endswith(b"xlast\n")
    cut = int(text.split(b"[... ")[1].split()[0])
    note = b"\n[... %d bytes left out ...]\n" % cut
    assert len(text) - len(note) + cut == sum(map(len, flood))
    assert 20_000 < len(text) < 60_000


def test_a_pressure_process_that_gives_up_is_a_finding() -> None:
    outcome = verdict(log=record(Kind.EXIT, 12, 0, 0, Op.HOG))
    assert outcome.finding is Finding.AGENT
    assert verdict(log=record(Kind.EXIT, 0, signal.SIGKILL, 1, Op.HOG)).ok
    assert verdict(log=record(Kind.EXIT, 0, 0, 0, Op.CLIENTS)).ok


def test_a_client_that_cannot_open_the_device_is_a_finding_where_there_is_one() -> None:
    def log(present: int) -> RecordLog:
        device, client = record(Kind.DEVICE, present, 1, 13, 0o444), record(Kind.CLIENT, 1, 13)
        return RecordLog(np.concatenate([device.records, client.records]), lost=0, torn=0)

    assert verdict(log=log(1)).finding is Finding.AGENT
    assert verdict(log=log(0)).ok


@pytest.mark.parametrize(
    ("number", "client", "words"),
    [
        (signal.SIGSEGV, 3, "client 3 was killed by SIGSEGV"),
        (signal.SIGBUS, layout.NO_CLIENT, "a filecache was killed by SIGBUS"),
        (40, layout.NO_CLIENT, "a filecache was killed by signal 40"),
        (2**63, layout.NO_CLIENT, f"a filecache was killed by signal {2**63}"),
    ],
)
def test_a_process_that_crashes_is_a_finding(number: int, client: int, words: str) -> None:
    log = record(Kind.EXIT, 0, number, 0, Op.FILECACHE)
    log.records["client"] = client
    outcome = verdict(log=log)
    assert (outcome.finding, outcome.detail) == (Finding.AGENT, words)
    assert list(evidence(log, outcome)) == [0]
    assert verdict(log=record(Kind.EXIT, 0, number, 1, Op.FILECACHE)).ok


def test_processes_have_the_names_that_they_have_and_not_the_writers_pid() -> None:
    log = record(Kind.EXIT, 12, 0, 0, Op.HOG)
    log.records["client"] = layout.NO_CLIENT
    assert verdict(log=log).detail == "a hog gave up: Cannot allocate memory"
    killed = record(Kind.EXIT, 0, signal.SIGKILL, 0, Op.CLIENTS)
    killed.records["client"] = 7
    assert verdict(log=killed).detail == "1 OOM kill, the first of client 7"

"""Runs tests against mutants: `python -P mutant_runner.py`, in a folder that `lay_out` made.

pytest collects the tests once. A fork runs all of them without a mutant, to see which functions
each of them reaches. Then, for each mutant, a fork runs the tests that reach its function until one
of them fails; those that caught a mutant of this function before come first, then the fast ones.
A function that ran while the tests were collected did so without a mutant: if no test catches
a mutant of it, a new process collects the tests with the mutant and runs them all.

`plan.json` says what to do, and each result is a line of `results.jsonl`.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support import mutant_switch
else:
    import mutant_switch

PYTEST = ["-q", "--tb=no", "-p", "no:cacheprovider", "-p", "no:xdist", "--basetemp=scratch"]
PASSED, FAILED, BROKEN = 0, 1, 3
MEMORY = 8 << 30  # a mutant that never stops collecting must not use up the host's


@dataclass(frozen=True)
class Plan:
    tests: list[str]
    mutants: list[str]
    slow: float  # tests that take more seconds are left out
    patience: float  # seconds of processor time that a mutant may add


@dataclass(frozen=True)
class Alone:
    """What a test does without a mutant."""

    test: str
    seconds: float
    failed: bool
    reached: list[str]


def run_forked(work: Callable[[], int], seconds: float) -> int | None:
    """Do some work in a fork; return its exit status, None if it took too long.

    It may use so many seconds of processor time, and three times as many may pass.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = BROKEN
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            limit = max(1, round(seconds))
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            status = work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    end, ended = os.pidfd_open(pid), False
    try:
        ended = bool(select.select([end], [], [], 3 * seconds)[0])
    finally:
        os.close(end)
        # The fork leads a group, which still has what its tests have left running.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return status if ended and status not in (-signal.SIGXCPU, -signal.SIGKILL) else None


def state_of(status: int | None) -> str:
    if status is None:
        return "timeout"
    return "survived" if status == PASSED else "killed"


@dataclass
class Runner:
    """A plugin of pytest that runs the tests it has collected once for each mutant."""

    plan: Plan
    folder: Path
    failed: bool = False
    killers: dict[str, list[pytest.Item]] = field(default_factory=dict)
    fixtures: dict[str, set[str]] = field(default_factory=dict)  # what setting up each one reaches

    def reached(self) -> set[str]:
        """Return which functions have been called since this was last asked."""
        hits = self.folder / "hits"
        names = set(hits.read_text().split()) if hits.exists() else set()
        hits.write_text("")
        mutant_switch.note(str(hits))
        return names

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[object]
    ) -> Generator[None, object, object]:
        """Note what a fixture reaches: only the first of the tests that share it sets it up."""
        if not mutant_switch.noting():
            return (yield)
        before = self.reached()
        try:
            return (yield)
        finally:
            own = self.reached()
            self.fixtures.setdefault(fixturedef.argname, set()).update(own)
            (self.folder / "hits").write_text("\n".join([*before, *own, ""]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    def run(self, item: pytest.Item, after: pytest.Item | None) -> bool:
        """Run a test; return whether it fails."""
        self.failed = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        return self.failed

    def say(self, **line: object) -> None:
        with (self.folder / "results.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed or not session.items:
            return None  # pytest says what is wrong
        imported = self.reached()
        alone = self.alone(session.items)
        mutant_switch.note("")
        failed = [each.test for each in alone if each.failed]
        slow = [each.test for each in alone if not each.failed and each.seconds > self.plan.slow]
        left_out = {*failed, *slow}
        kept = sorted(
            (each.seconds, number, each.reached)
            for number, each in enumerate(alone)
            if each.test not in left_out
        )
        self.say(tests=len(kept), failed=failed, slow=slow)
        for mutant in self.plan.mutants:
            function = mutant.rpartition("__mutmut_")[0]
            reach = [(seconds, session.items[n]) for seconds, n, names in kept if function in names]
            start = time.monotonic()
            state = self.state(mutant, function, reach)
            if state in ("survived", "no tests") and function in imported and kept:
                state = self.state_of_fresh(mutant, sum(each[0] for each in kept), left_out)
            self.say(mutant=mutant, state=state, seconds=round(time.monotonic() - start, 2))
        return True

    def alone(self, items: list[pytest.Item]) -> list[Alone]:
        """Run all tests without a mutant."""
        file = self.folder / "alone.json"

        def work() -> int:
            done = []
            for item, after in zip(items, [*items[1:], None], strict=True):
                self.reached()
                start = time.monotonic()
                failed = self.run(item, after)
                done.append((item, time.monotonic() - start, failed, self.reached()))
            lines = []
            for item, seconds, failed, reached in done:
                shared = (self.fixtures.get(each, ()) for each in getattr(item, "fixturenames", ()))
                reached = reached.union(*shared)
                lines.append((item.nodeid, seconds, failed, sorted(reached)))
            file.write_text(json.dumps(lines))
            return PASSED

        if run_forked(work, 3600) != PASSED:
            raise RuntimeError("the tests cannot be run without a mutant")
        return [Alone(*each) for each in json.loads(file.read_text())]

    def state(self, mutant: str, function: str, reach: list[tuple[float, pytest.Item]]) -> str:
        if not reach:
            return "no tests"
        first = self.killers.setdefault(function, [])
        items = [*first, *(item for _, item in reach if item not in first)]
        caught = self.folder / "caught"

        def work() -> int:
            mutant_switch.take(mutant)
            for number, (item, after) in enumerate(zip(items, [*items[1:], None], strict=True)):
                if self.run(item, after):
                    caught.write_text(str(number))
                    return FAILED
            return PASSED

        status = run_forked(work, self.plan.patience + 10 * sum(each[0] for each in reach))
        if status == FAILED:
            killer = items[int(caught.read_text())]
            self.killers[function] = [killer, *(each for each in first if each is not killer)][:6]
        return state_of(status)

    def state_of_fresh(self, mutant: str, seconds: float, left_out: Iterable[str]) -> str:
        """Return the state of a mutant with which all modules are imported again."""
        words = [sys.executable, "-P", "-m", "pytest", "-x", *PYTEST]
        words += [f"--deselect={test}" for test in left_out] + self.plan.tests

        def work() -> int:
            mutant_switch.take(mutant)
            os.execv(sys.executable, words)

        return state_of(run_forked(work, self.plan.patience + 10 * seconds))


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that no fork is left behind
    folder = Path.cwd()
    plan = Plan(**json.loads((folder / "plan.json").read_text()))
    mutant_switch.take("")
    mutant_switch.note(str(folder / "hits"))
    return pytest.main([*PYTEST, *plan.tests], plugins=[Runner(plan, folder)])


if __name__ == "__main__":
    sys.exit(main())

"""A user's project whose tests are cells, with made-up guests."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from memnotify.plugin import session

from tests.support.campaigns import TEXT

CELLS = [
    f"6.1-{series}-x86_64-pc-swap-64M-squeeze-{clients}c-r1"
    for series in ("none", "v4")
    for clients in (1, 3)
]


LARGEST = CELLS[3]


# Guests are made up in every process that runs cells. A file lists their faults by name; each guest
# that starts leaves a line.
CONFTEST = f"""
import asyncio, json, os, signal, sys
from functools import partial
from pathlib import Path

sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.support.campaigns import Bench, Guests, fails, finds

from memnotify.run.services import Services
from memnotify.campaign.plan import cell_name
from memnotify.plugin import session

here = Path(__file__).parent


def dies(cell, folder):
    (here / "faults.json").write_text("{{}}")
    os._exit(1)


async def runner(cell, **given):
    with (here / "started").open("a") as file:
        print(cell_name(cell), file=file)
    fault = json.loads((here / "faults.json").read_text()).get(cell_name(cell))
    if fault == "stops":
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(30)
    plan = [dict(fails=fails, finds=finds, dies=dies)[fault]] if fault else []
    return await Guests(*plan)(cell, **given)


bench = Bench.__new__(Bench)
session.Services = partial(
    Services, build_kernel=bench.build_kernel, build_image=bench.build_image, runner=runner
)
"""


CHOOSES = """

def choose(campaign, using, **_):
    using.say("base 6.1; not 2.6.24: this is a test")
    return "6.1"


session.choose_base = choose
"""


class Project:
    """A user's project."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        self.run_folder = self.path / "runs" / "try"
        (self.path / "try.toml").write_text(TEXT)
        self.faults()
        pytester.makeconftest(CONFTEST)

    def faults(self, **by_name: str) -> None:
        (self.path / "faults.json").write_text(json.dumps(by_name))

    def test_file(self, text: str) -> None:
        self.pytester.makepyfile(test_it=textwrap.dedent(text))

    def run(
        self, *arguments: str, campaign: str | Path = "try.toml", timeout: float | None = None
    ) -> pytest.RunResult:
        given = (f"--memnotify={campaign}", "--memnotify-cold", "-rA", *arguments)
        # pytest knows markers of an earlier session of its process.
        if "-n" in arguments or "--strict-markers" in arguments:
            return self.pytester.runpytest_subprocess(*given, timeout=timeout)
        return self.pytester.runpytest_inprocess(*given)

    def started(self) -> Counter[str]:
        file = self.path / "started"
        return Counter(file.read_text().split()) if file.exists() else Counter()

    def left(self) -> set[str]:
        """Return what is in the run's folder besides results."""
        return {path.name for path in self.run_folder.rglob(".*")}


def made_project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Make a project in pytester's folder."""
    for name in ("Services", "choose_base"):  # the conftest may replace them
        monkeypatch.setattr(session, name, getattr(session, name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(pytester.path / "cache"))
    return Project(pytester)


def collected(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if "::" in line]

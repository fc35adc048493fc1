"""The patch that changes an outcome: the search, and whole bisections of a small kernel."""

from __future__ import annotations

import asyncio
import io
import itertools
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.campaign.load import load_campaign
from memnotify.check.expression import parse_expression
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.kernel.build import ensure_kernel
from memnotify.model import BootFiles, Cell, CellResult, Finding, Outcome
from memnotify.records import layout
from memnotify.records.layout import Kind
from memnotify.records.log import RecordLog
from memnotify.records.parquet import write_records
from memnotify.report.board import open_board
from memnotify.run.bisect import Asked, Bisection, bisect_series, only_cell, search, sentence
from memnotify.run.services import Services
from memnotify.series.quilt import Patch, Series
from memnotify.store import Artifact
from rich.console import Console

from tests.support.campaign_text import POLL, head, scenario
from tests.support.fakekernel import TREE, Lab

TEXT = head(series="v4", memory_mib=64, clients=1, machine="pc", scenario="squeeze") + scenario(
    "squeeze", (0, POLL), duration_s=20
)


def series(count: int) -> Series:
    patches = tuple(Patch(path=Path(f"{n}.patch"), sha256="") for n in range(1, count + 1))
    return Series(revision="mine", base="6.1", patches=patches)


@given(st.integers(1, 20), st.data())
def test_the_first_patch_is_found_with_as_few_tries_as_halving_takes(
    count: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, count))
    tried: list[int] = []

    def test(patches: int) -> bool:
        tried.append(patches)
        return patches >= first

    found = search(series(count), test)
    assert [patch.name for patch in found.patches] == [f"{first}.patch"]
    assert len(tried) == len(set(tried)) <= 2 + (count - 1).bit_length()


@given(st.integers(2, 12), st.data())
def test_what_does_not_build_widens_the_answer_as_little_as_can_be(
    count: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, count))
    broken = data.draw(st.sets(st.integers(1, count - 1)))
    found = search(series(count), lambda n: None if n in broken else n >= first)
    builds = [n for n in range(count + 1) if n not in broken]
    low, high = next((a, b) for a, b in itertools.pairwise(builds) if a < first <= b)
    assert [patch.name for patch in found.patches] == [
        f"{n}.patch" for n in range(low + 1, high + 1)
    ]


@given(st.integers(1, 20), st.data())
def test_a_search_starts_where_it_is_told(count: int, data: st.DataObject) -> None:
    good = data.draw(st.integers(0, count - 1))
    first = data.draw(st.integers(good + 1, count))
    tried: list[int] = []

    def test(patches: int) -> bool:
        tried.append(patches)
        return patches >= first

    found = search(series(count), test, good)
    assert [patch.name for patch in found.patches] == [f"{first}.patch"]
    assert min(tried) == good


def test_sentences() -> None:
    question = parse_expression("wakeups>0")
    patches = series(2).patches
    one = sentence(Bisection(patches=patches[:1], holds=True), question, "v4")
    assert one == "1.patch is the first patch with which wakeups>0 does hold"
    two = sentence(Bisection(patches=patches, holds=False), question, "v4")
    assert two.startswith(
        "one of 1.patch, 2.patch is the first patch with which wakeups>0 does not"
    )
    none = sentence(Bisection(patches=(), holds=False), question, "v4")
    assert none == "wakeups>0 does not hold, with v4 and without"
    none = sentence(Bisection(patches=(), holds=False), question, "v4", 3)
    assert none == "wakeups>0 does not hold, with v4 and with its first 3 patches alone"


# The second patch breaks what the third fixes.
HEADER = (TREE / "include/linux/mm.h").read_text().splitlines()[0]
CHANGE = "--- a/include/linux/mm.h\n+++ b/include/linux/mm.h\n"
CHANGES = {
    2: f"{CHANGE}@@ -1,1 +1,2 @@\n+#error third\n {HEADER}\n",
    3: f"{CHANGE}@@ -1,2 +1,1 @@\n-#error third\n {HEADER}\n",
}


class Bench:
    """A campaign of one cell, and a small kernel with a series of five patches.

    Each patch adds a variable. A guest wakes if its kernel has `patch4`, and panics if it has
    `patch5`.
    """

    def __init__(self, folder: Path) -> None:
        self.lab = Lab(folder / "lab").set_up()
        self.file = folder / "try.toml"
        self.file.write_text(TEXT)
        self.path = folder / "run"
        self.said: list[str] = []
        self.started = 0
        self.mine = folder / "mine"
        self.mine.mkdir()
        for number in range(1, 6):
            text = new_file(f"mm/p{number}.c", f"int patch{number};")
            (self.mine / f"{number}.patch").write_text(text + CHANGES.get(number, ""))
        self.write_series(range(1, 6))

    def write_series(self, numbers: Any) -> None:
        (self.mine / "series").write_text("".join(f"{number}.patch\n" for number in numbers))

    async def guest(self, cell: Cell, *, files: BootFiles, folder: Path, **_: Any) -> CellResult:
        self.started += 1
        image = await asyncio.to_thread(files.kernel.read_bytes)
        rows = np.zeros(2, layout.RECORD)
        rows["commit"], rows["kind"] = (1, 2), (Kind.START, Kind.WAKEUP)
        rows["value"][1, :2] = 1  # revents, and the result of poll()
        log = RecordLog(rows if b"patch4" in image else rows[:1], lost=0, torn=0)
        write_records(log, folder / "records.parquet")
        outcome = Outcome(finding=Finding.PANIC) if b"patch5" in image else Outcome()
        return CellResult(
            outcome=outcome, guest_ns=1, wall_seconds=1, records=len(log), lost_records=0
        )

    def bisect(self, question: str, *, good: int = 0, **options: Any) -> list[str]:
        campaign = load_campaign(self.file)
        with open_board(Console(file=io.StringIO())) as board:
            found = bisect_series(
                campaign,
                only_cell(campaign, options.pop("base", None), str(TREE)),
                Asked(revision=str(self.mine), question=parse_expression(question), good=good),
                Services(
                    store=self.lab.store,
                    board=board,
                    build_kernel=partial(ensure_kernel, kernels=self.lab.kernels),
                    build_image=lambda arch, **_: Artifact("image", "image", Path("/i"), {}, {}),
                    **{"runner": self.guest, **options},
                ),
                path=self.path,
                say=self.said.append,
            )
        return [patch.name for patch in found.patches]


def new_file(name: str, line: str) -> str:
    return (
        f"diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n"
        f"@@ -0,0 +1,1 @@\n+{line}\n"
    )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_patch_that_wakes(bench: Bench) -> None:
    assert bench.bisect("wakeups>0") == ["4.patch"]
    assert bench.said == [
        "no patch: wakeups 0, no",
        "first 5 of 5: wakeups 1, yes",
        "first 2 of 5: does not build",
        "first 3 of 5: wakeups 0, no",
        "first 4 of 5: wakeups 1, yes",
    ]
    # Nothing is run twice, and a kernel is stored under its inputs.
    assert bench.started == 4
    assert bench.bisect('outcome != "ok"') == ["5.patch"]
    assert bench.started == 4


def test_patches_before_the_start_are_not_in_question(bench: Bench) -> None:
    assert bench.bisect("wakeups>0", good=3) == ["4.patch"]
    assert bench.said[0] == "first 3 of 5: wakeups 0, no"
    assert "no patch" not in "".join(bench.said)
    # Of the two answers it has, neither is that of the base.
    assert bench.bisect("wakeups>0", good=4) == []
    with pytest.raises(InfrastructureError, match="#error third"):
        bench.bisect("wakeups>0", good=2)
    with pytest.raises(InputError, match=r"--good 5: .* has 5 patches, so none is left to try"):
        bench.bisect("wakeups>0", good=5)


def test_patches_of_git_format_patch_need_no_series_file(bench: Bench) -> None:
    for number in range(1, 6):
        (bench.mine / f"{number}.patch").rename(bench.mine / f"000{number}-one.patch")
    (bench.mine / "series").unlink()
    assert bench.bisect("wakeups>0", good=3) == ["0004-one.patch"]


def test_patches_that_only_build_together_are_told_together(bench: Bench) -> None:
    bench.write_series((1, 4, 2, 5, 3))
    assert bench.bisect('outcome != "ok"') == ["2.patch", "5.patch", "3.patch"]


def test_an_outcome_that_does_not_change(bench: Bench) -> None:
    assert bench.bisect("wakeups>1") == []
    assert bench.started == 2
    bench.said.clear()
    assert bench.bisect("first_wakeup_ms<1e9") == []  # no sample shows when the gate opened
    assert bench.said[0] == "no patch: first_wakeup_ms -, no"


def test_a_series_that_does_not_build_as_a_whole_is_no_answer(bench: Bench) -> None:
    bench.write_series((1, 2))
    with pytest.raises(InfrastructureError, match="#error third"):
        bench.bisect("wakeups>0")


def test_a_testbed_that_fails_is_no_answer(bench: Bench) -> None:
    async def fails(cell: Cell, **_: Any) -> CellResult:
        raise InfrastructureError("qemu-died", "QEMU was killed")

    with pytest.raises(InfrastructureError, match="QEMU was killed"):
        bench.bisect("wakeups>0", runner=fails)


def test_a_campaign_of_several_cells_is_refused(bench: Bench) -> None:
    bench.file.write_text(TEXT.replace("clients = 1", "clients = [1, 2]"))
    with pytest.raises(InputError, match="has 2 cells for each series"):
        bench.bisect("wakeups>0")
    bench.file.write_text(TEXT.replace('"6.1"', '["6.1", "2.6.24"]'))
    with pytest.raises(InputError, match=r"--base 6\.1"):
        bench.bisect("wakeups>0")
    with pytest.raises(InputError, match="is not a base"):
        bench.bisect("wakeups>0", base="6.2")


def test_bad_input_is_refused_before_anything_is_built(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["series", "bisect", "v4", "--campaign", str(bench.file), "-o", str(bench.path)]
    assert main([*words, "--until", "wakeups"]) == 2
    assert "compares nothing" in capsys.readouterr().err
    assert main([*words, "--until", "wakeups>0", "--base", "6.2"]) == 2
    assert "not a base" in capsys.readouterr().err
    shutil.rmtree(bench.mine)
    words[2] = str(bench.mine)
    assert main([*words, "--until", "wakeups>0"]) == 2
    assert "mine" in capsys.readouterr().err
    assert not bench.path.exists()

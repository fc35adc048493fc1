"""The mail with which it all began: patch 3/5 of v4, as an archive's page shows it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.kernel import build as kernel_build
from memnotify.kernel.make import make_command
from memnotify.kernel.source import ensure_source
from memnotify.kernel.tree import work_tree
from memnotify.mailpatch.tokens import is_c, tokens
from memnotify.model import Arch, KernelRequest
from memnotify.places import KERNELS, PATCHES
from memnotify.process import CommandLog, run
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import MEM_NOTIFY, Patch, Series, read_series_file
from memnotify.store import Store

V4 = PATCHES / "mem_notify/v4"
SEED = V4 / "original/3-of-5.txt"
OBJECTS = ("mm/mem_notify.o", "drivers/char/mem.o", "mm/page_alloc.o")


@pytest.fixture
def tree() -> Path:
    given = os.environ.get("MEMNOTIFY_SOURCE_2_6_24")
    if not given or not Path(given).is_dir():
        pytest.skip("MEMNOTIFY_SOURCE_2_6_24 names no tree of 2.6.24")
    return Path(given)


def test_the_seed_becomes_what_was_restored_by_hand(
    tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["series", "import", str(SEED), "--tree", str(tree), "-o", str(tmp_path / "out")]
    assert main(words) == 2
    assert "does not fit mm/Makefile (it would with --fuzz 2)" in capsys.readouterr().err
    assert main([*words, "--fuzz", "2"]) == 0
    assert "missing: 1/5, 2/5, 4/5, 5/5" in capsys.readouterr().out

    by_hand = Patch(path=V4 / "2.6.24/0003-add-dev-mem_notify-device.patch", sha256="", fuzz=2)
    imported = read_series_file(tmp_path / "out/series")
    assert [(patch.name, patch.fuzz) for patch in imported] == [(by_hand.path.name, 0)]
    wanted, got = (
        apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
        for patches in ((by_hand,), imported)
    )
    assert set(got) == set(wanted)
    assert len(got) == 7
    differing = []
    for name, state in wanted.items():
        ours, theirs = got[name], state
        assert ours is not None and theirs is not None
        both = [side.data.decode("latin-1").split("\n") for side in (ours, theirs)]
        assert tokens(both[0], c=is_c(name)) == tokens(both[1], c=is_c(name))
        differing += [(name, line) for line, other in zip(*both, strict=True) if line != other]
    # Nobody can know how a comment was indented inside.
    owner = " * KOSAKI Motohiro <kosaki.motohiro@xxxxxxxxxxxxxx>"
    assert differing == [("include/linux/mem_notify.h", owner), ("mm/mem_notify.c", owner)]


def with_the_seed(folder: Path, tree: Path) -> Path:
    """Make v4 for 2.6.24 with the mail itself instead of the patch restored by hand."""
    folder.mkdir()
    for file in (V4 / "2.6.24").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    words = ["series", "import", str(SEED), "--tree", str(tree), "-o", str(folder)]
    assert main([*words, "--fuzz", "2", "--replace"]) == 0
    return folder


def test_the_series_goes_on_with_the_imported_patch(tmp_path: Path, tree: Path) -> None:
    folder = with_the_seed(tmp_path / "v4", tree)
    assert b"X-Memnotify-Source" in (folder / "0003-add-dev-mem_notify-device.patch").read_bytes()
    assert main(["series", "apply", str(folder), "--tree", str(tree), "--check"]) == 0


def object_code(series: str, tree: Path, bare: Path, log: CommandLog) -> list[str]:
    """Compile what the seed touches; return code, data and relocations without debug data."""
    request = KernelRequest(base="2.6.24", series=series, arch=Arch.X86_64, source=str(tree))
    plan = kernel_build.plan_build(request, KERNELS, MEM_NOTIFY, log)
    store, found = Store(), []
    source = ensure_source(plan.base, str(tree), store=store, log=log, progress=print)
    with work_tree(
        source, request.arch, environment=plan.environment, store=store, progress=print
    ) as work:
        work.switch(plan.series, log=log)
        make = make_command(plan.variables, work.path, store, work.folder / "ccache.calls")
        with work.building(plan.environment):
            kernel_build.configure(plan, work, make, work.build_log, log)
            make.run(*OBJECTS, tree=work.path, output=work.build_log, timeout=900, log=log)
        for name in OBJECTS:
            run(["objcopy", "--strip-debug", work.path / name, bare], timeout=60, log=log)
            words = ["objdump", "--disassemble", "--reloc", "--full-contents", str(bare)]
            found.append(run(words, timeout=60, log=log).stdout)
    return found


@pytest.mark.kernel_build
def test_the_seed_compiles_to_the_same_object_code(tmp_path: Path, tree: Path) -> None:
    log = CommandLog(tmp_path / "commands.jsonl")
    mine = with_the_seed(tmp_path / "v4", tree)
    by_hand, imported = (
        object_code(series, tree, tmp_path / "bare.o", log) for series in ("v4/2.6.24", str(mine))
    )
    assert all(re.search(r"^\s+[0-9a-f]+:\t", code, re.M) for code in by_hand)
    assert imported == by_hand

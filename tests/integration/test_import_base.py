"""Imports against a base: read while it is being built, and then built."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.kernel.base import load_base
from memnotify.kernel.pristine import pristine_files
from memnotify.kernel.source import ensure_source
from memnotify.kernel.stored import Source
from memnotify.kernel.tree import tree_folder, work_tree
from memnotify.model import Arch
from memnotify.series.apply import FileState
from memnotify.series.quilt import load_series

from tests.support.fakekernel import TREE, Lab

VMSTAT = (TREE / "mm/vmstat.c").read_text()


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path).set_up()
    lab.add_series("v2", mm__vmstat_c=VMSTAT + "\nint second;\n", mm__extra_c="int extra;\n")
    return lab


@pytest.fixture
def source(lab: Lab) -> Source:
    base = load_base("6.1", root=lab.kernels)
    return ensure_source(base, str(TREE), store=lab.store, progress=lambda line: None)


def text(state: FileState | None) -> str | None:
    return None if state is None else state.data.decode()


def never(line: str) -> None:
    raise AssertionError(line)


def test_a_base_is_read_while_its_tree_is_in_use(lab: Lab, source: Source) -> None:
    series = load_series("v2", "6.1", root=lab.series)
    with work_tree(source, Arch.X86_64, store=lab.store, progress=lambda line: None) as tree:
        read = pristine_files(source, Arch.X86_64, store=lab.store, progress=never)
        assert text(read("mm/vmstat.c")) == VMSTAT
        tree.switch(series)
        assert (tree.path / "mm/vmstat.c").read_text() != VMSTAT
        for reader in (
            read,
            pristine_files(source, Arch.X86_64, store=lab.store, progress=never),
        ):
            assert text(reader("mm/vmstat.c")) == VMSTAT
            assert text(reader("mm/vmscan.c")) == (TREE / "mm/vmscan.c").read_text()
            assert reader("mm/extra.c") is None


def test_a_tree_that_somebody_changed_is_unpacked_again(lab: Lab, source: Source) -> None:
    said: list[str] = []
    read = pristine_files(source, Arch.X86_64, store=lab.store, progress=said.append)
    assert text(read("mm/vmstat.c")) == VMSTAT
    changed = tree_folder(source, Arch.X86_64, store=lab.store) / "linux/mm/vmstat.c"
    changed.write_text("int mine;\n")
    assert text(read("mm/vmstat.c")) == VMSTAT
    assert len([line for line in said if line.startswith("unpacking")]) == 2


def test_what_is_below_a_file_or_was_built_is_not_of_the_base(lab: Lab, source: Source) -> None:
    said: list[str] = []
    read = pristine_files(source, Arch.X86_64, store=lab.store, progress=said.append)
    assert text(read("mm/vmstat.c")) == VMSTAT
    with pytest.raises(InputError, match=r"Makefile: is a file, so nothing can be below it"):
        read("Makefile/x")
    (tree_folder(source, Arch.X86_64, store=lab.store) / "linux/vmlinux").write_text("built")
    assert read("vmlinux") is None
    assert len(said) == 1


@pytest.mark.parametrize("state", ["[]", "{}", "", "null", '{"busy": false, "touched": {"a": 5}}'])
def test_a_tree_whose_state_is_damaged_is_unpacked_again(
    lab: Lab, source: Source, state: str
) -> None:
    said: list[str] = []
    for _ in range(2):
        with work_tree(source, Arch.X86_64, store=lab.store, progress=said.append) as tree:
            (tree.folder / "state.json").write_text(state)
    assert len(said) == 2
    (tree_folder(source, Arch.X86_64, store=lab.store) / "linux/mm/vmstat.c").write_text("mine")
    read = pristine_files(source, Arch.X86_64, store=lab.store, progress=said.append)
    assert text(read("mm/vmstat.c")) == VMSTAT


def test_a_bug_is_no_damaged_tree(
    lab: Lab, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(path: Path) -> NoReturn:
        raise TypeError("a bug")

    with work_tree(source, Arch.X86_64, store=lab.store, progress=lambda line: None):
        pass
    monkeypatch.setattr("memnotify.kernel.tree.stamp", bug)
    with (
        pytest.raises(TypeError, match="a bug"),
        work_tree(source, Arch.X86_64, store=lab.store, progress=never),
    ):
        pass


def test_what_was_imported_is_built(lab: Lab, tmp_path: Path) -> None:
    last = VMSTAT.rstrip("\n").split("\n")[-1]
    count = VMSTAT.count("\n")
    mail = tmp_path / "mail.txt"
    mail.write_text(
        "Subject: [PATCH] one\nFrom: a@example.org\n\n--- a/mm/vmstat.c\n+++ b/mm/vmstat.c\n"
        f"@@ -{count},1 +{count},2 @@\n{last.strip()}\n+int imported;\n"
    )
    out = tmp_path / "imported"
    assert main(["series", "import", str(mail), "--tree", str(TREE), "-o", str(out)]) == 0
    assert "imported" in lab.build(str(out)).file("System.map").read_text()

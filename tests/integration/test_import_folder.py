"""The destination of imported patches: a folder, written completely or not at all."""

from __future__ import annotations

import errno
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from memnotify.cli.main import main
from memnotify.kernel import import_series
from memnotify.mailpatch.restore_series import ImportedSeries, import_mails
from memnotify.series.quilt import read_series_file

from tests.support import archive_forms, archives
from tests.support.archives import Clean
from tests.support.imports import (
    HEAD,
    V4,
    change,
    made_up_tree,
    mail,
    run,
    small_tree,
)
from tests.support.series_files import contents


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "tree")


@pytest.fixture
def series(tree: Path, tmp_path: Path) -> Path:
    """Make a folder with two patches, comments, and options."""
    out = tmp_path / "out"
    one = mail(tmp_path / "1", "[PATCH 1/2] one", change(5, "one()"))
    two = mail(tmp_path / "2", "[PATCH 2/2] two", change(20, "two()"))
    assert run(tree, out, one, two) == 0
    (out / "series").write_text(
        "# of the lamps\n0001-one.patch -p1 # first\n\n"
        "# of 0001-one.patch and more\n0002-two.patch fuzz=2 # second\n# the end\n"
    )
    return out


def test_comments_stay_and_fuzz_is_reported(
    tree: Path, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = mail(tmp_path / "r", "[PATCH 2/2] real", change(20, "real()"))
    assert run(tree, series, real, "--replace") == 0
    assert (series / "series").read_text() == (
        "# of the lamps\n0001-one.patch -p1 # first\n\n"
        "# of 0001-one.patch and more\n0002-real.patch # second\n# the end\n"
    )
    assert "0002-real.patch needs no fuzz: fuzz=2 is left out" in capsys.readouterr().out
    assert sorted(contents(series)) == ["0001-one.patch", "0002-real.patch", "series"]


def test_two_patches_of_a_number_are_not_both_replaced(
    tree: Path, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (series / "0002-two.patch").rename(series / "0001-two.patch")
    (series / "series").write_text("0001-one.patch\n0001-two.patch\n")
    before = contents(series)
    real = mail(tmp_path / "r", "[PATCH 1/2] real", change(20, "real()"))
    assert run(tree, series, real, "--replace") == 2
    said = capsys.readouterr().err
    assert f"{series}/series: 0001-one.patch and 0001-two.patch have the number 1 both" in said
    assert said.count("\n") == 1
    assert contents(series) == before


@pytest.mark.parametrize(("broken", "code"), [(errno.ENOSPC, 3), (errno.EACCES, 2)])
def test_a_failure_while_files_are_put_in_place_changes_nothing(
    tree: Path,
    series: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    broken: int,
    code: int,
) -> None:
    before = contents(series)
    real = Path.rename

    def rename(self: Path, target: Path) -> Path:
        if target == series / "series" and self.parent.name == "fresh":
            raise OSError(broken, "no")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    mails = [
        mail(tmp_path / "r", "[PATCH 2/2] real", change(20, "real()")),
        mail(tmp_path / "s", "[PATCH 1/2] one", change(5, "other()")),
    ]
    assert run(tree, series, *mails, "--replace") == code
    assert capsys.readouterr().err.count("\n") == 1
    assert contents(series) == before
    assert {path.name for path in series.iterdir()} == set(before)


IMPORT = """
import os, signal, sys
from pathlib import Path
from memnotify.cli.main import main
left = int(sys.argv[1])
real = Path.rename
def rename(self, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)
Path.rename = rename
sys.exit(main(sys.argv[2:]))
"""


def test_what_a_killed_import_left_is_undone(
    tree: Path, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(series)
    mails = [
        mail(tmp_path / "r", "[PATCH 2/2] real", change(20, "real()")),
        mail(tmp_path / "s", "[PATCH 1/2] one", change(5, "other()")),
    ]
    words = ["series", "import", *map(str, mails), "--tree", str(tree), "-o", str(series)]
    third = mail(tmp_path / "t", "[PATCH 2/2] two", change(20, "third()"))
    for renames in range(8):
        argv = [sys.executable, "-c", IMPORT, str(renames), *words, "--replace"]
        killed = subprocess.run(argv, check=False).returncode
        if killed == 0:
            break
        if (series / ".memnotify-import/names").exists():
            assert main(["series", "apply", str(series), "--tree", str(tree), "--check"]) == 2
            assert "interrupted, or is still running" in capsys.readouterr().err
        else:
            assert {k: v for k, v in contents(series).items() if "/" not in k} == before
        # Even an import that is refused first restores the folder.
        assert run(tree, series, third) == 2
        assert contents(series) == before
    assert renames > 2
    assert "0002-real.patch" in contents(series)
    assert {path.name for path in series.iterdir()} == set(contents(series))


def pending(folder: Path, names: bytes) -> Path:
    """Make what a killed import leaves in a folder, with other `names`."""
    left = folder / ".memnotify-import"
    (left / "kept").mkdir(parents=True)
    (left / "kept/series").write_bytes((folder / "series").read_bytes())
    (left / "names").write_bytes(names)
    return left


def refused(tree: Path, series: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Import into a folder that must not be changed, and return the error."""
    before = contents(series.parent)
    capsys.readouterr()
    assert run(tree, series, series.parent / "1") == 2
    assert contents(series.parent) == before
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (b"../1", "names: '../1' is not a plain name"),
        (b"%(tmp)s/1", "/1' is not a plain name"),
        (b"..", "names: '..' is not a plain name"),
        (b"", "names: '' is not a plain name"),
        (b"\xff", "names: is not text"),
        (b"sub", "names: sub is not a plain file"),
        (b"link", "names: link is not a plain file"),
    ],
    ids=["above", "absolute", "parent", "empty", "bytes", "folder", "link"],
)
def test_nothing_but_plain_files_of_a_folder_is_undone(
    tree: Path,
    series: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: bytes,
    said: str,
) -> None:
    (series / "sub").mkdir()
    (series / "link").symlink_to(tmp_path / "1")
    pending(series, b"0001-one.patch\n" + name.replace(b"%(tmp)s", bytes(tmp_path)) + b"\n")
    assert said in refused(tree, series, capsys)


def test_links_and_gaps_in_what_a_killed_import_left_are_refused(
    tree: Path, series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = pending(series, b"0001-one.patch\n")
    (left / "kept").rename(tmp_path / "elsewhere")
    assert "names: there is no folder kept beside it" in refused(tree, series, capsys)
    (left / "kept").symlink_to(tmp_path / "elsewhere")
    assert "names: there is no folder kept beside it" in refused(tree, series, capsys)
    (left / "kept").unlink()
    (left / "kept/sub").mkdir(parents=True)
    assert "kept/sub is not a plain file" in refused(tree, series, capsys)
    left.rename(tmp_path / "left")
    left.symlink_to(tmp_path / "left")
    assert ".memnotify-import: is a link" in refused(tree, series, capsys)


def test_two_imports_at_once_are_one_after_the_other(
    tree: Path, series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (series / "series").write_text("0001-one.patch\n0002-two.patch\n")
    other = mail(tmp_path / "r", "[PATCH 2/2] real", change(20, "real()"))
    words = ["series", "import", str(other), "--tree", str(tree), "-o", str(series), "--replace"]
    argv = [sys.executable, "-m", "memnotify.cli.main", *words]
    running: list[subprocess.Popen[str]] = []

    def slowly(*args: Any, **options: Any) -> ImportedSeries:
        # Another import starts after this one has read the series, and before it writes.
        process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stderr is not None
        assert process.stderr.readline() == f"waiting for another import into {series} to finish\n"
        return import_mails(*args, **options)

    monkeypatch.setattr(import_series, "import_mails", slowly)
    first = mail(tmp_path / "s", "[PATCH 1/2] first", change(5, "other()"))
    assert run(tree, series, first, "--replace") == 0
    assert running[0].communicate(timeout=60)[1] == ""
    assert running[0].returncode == 0
    assert (series / "series").read_text() == "0001-first.patch\n0002-real.patch\n"


def test_a_series_that_changes_meanwhile_is_left_alone(
    tree: Path,
    series: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:

    def meanwhile(*args: Any, **options: Any) -> ImportedSeries:
        done = import_mails(*args, **options)
        (series / "series").write_text("0002-two.patch\n")
        return done

    monkeypatch.setattr(import_series, "import_mails", meanwhile)
    other = mail(tmp_path / "r", "[PATCH 2/2] real", change(20, "real()"))
    assert run(tree, series, other, "--replace") == 2
    said = capsys.readouterr().err
    assert (
        said == f"memnotify: {series}/series: has changed since this import began (import again)\n"
    )
    assert (series / "series").read_text() == "0002-two.patch\n"


def test_a_folder_that_cannot_be_made(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = mail(tmp_path / "1", "[PATCH] one", change(5, "one()"))
    assert run(tree, Path("/proc/here/out"), one) == 2
    said = capsys.readouterr().err
    assert said == (
        "memnotify: /proc/here/out: cannot be written (-o names a folder that you may write)\n"
    )


def quoted(lines: list[str]) -> list[str]:
    return ["Ada wrote:", *(f"> {line}" for line in lines), "Nice."]


def test_a_reply_that_quotes_an_unnumbered_patch_is_none(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = change(5, "one()")
    one = mail(tmp_path / "1", "[PATCH] fix", lines)
    reply = mail(tmp_path / "2", "Re: [PATCH] fix", quoted(lines))
    assert run(tree, tmp_path / "out", reply, one) == 0
    assert "“Re: [PATCH] fix” only quotes a patch: left out" in capsys.readouterr().out
    assert (tmp_path / "out/series").read_text() == "0001-fix.patch\n"


@pytest.mark.parametrize(
    "subjects",
    [
        ("[PATCH v3 1/2] one", "[PATCH v3 2/2] two", "[PATCH v4 1/2] one", "[PATCH v4 2/2] two"),
        ("[PATCH 1/2] one v3", "[PATCH 2/2] two v3", "[PATCH 1/2] one v4", "[PATCH 2/2] two v4"),
        ("[PATCHv3 1/2] one", "[PATCHv3 2/2] two", "[RFC -v4 1/2] one", "[RFC -v4 2/2] two"),
    ],
)
def test_revisions_are_told_apart(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], subjects: tuple[str, ...]
) -> None:
    mails = [
        mail(tmp_path / str(at), subject, change(3 + 7 * at, f"call{at}()"))
        for at, subject in enumerate(subjects)
    ]
    assert run(tree, tmp_path / "out", *mails) == 2
    said = capsys.readouterr().err
    assert "several revisions of a series: v3, v4 (--revision v4 takes the last)" in said
    assert said.count("\n") == 1
    assert run(tree, tmp_path / "out", *mails, "--revision", "v4") == 0
    text = b"".join(contents(tmp_path / "out").values())
    assert b"call2()" in text and b"call3()" in text
    assert b"call0()" not in text
    assert run(tree, tmp_path / "none", *mails, "--revision", "v5") == 2
    assert "there is no patch of v5 (there is: v3, v4)" in capsys.readouterr().err


def test_the_other_mails_of_v4_take_their_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user who has the real 1/5, 2/5, 4/5 and 5/5 does this; here, the mails are made of ours."""
    folder = tmp_path / "my-v4"
    folder.mkdir()
    for file in V4.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    patches = sorted(V4.glob("*.patch"))
    tree = made_up_tree(tmp_path / "tree", patches)
    mails = []
    for number, patch in enumerate(patches[:5], 1):
        if number == 3:
            continue
        clean = Clean.of(patch.read_text().replace("\n---\n", f"\n[real {number}]\n---\n", 1))
        headers = {**HEAD, "Subject": f"[RFC][PATCH {number}/5] the real {number}"}
        lines = archives.damaged(
            clean, {"header_style", "eaten", "masked", "footer", "stale_diffstat"}, random.Random(1)
        )
        mails.append(tmp_path / f"{number}-of-5.txt")
        mails[-1].write_bytes(archive_forms.as_text(Clean(headers, lines), lines))
    assert run(tree, folder, *mails, "--replace", "--fuzz", "2") == 0
    names = [patch.name for patch in read_series_file(folder / "series")]
    assert names == [
        *("0001-the-real-1.patch", "0002-the-real-2.patch", patches[2].name),
        *("0004-the-real-4.patch", "0005-the-real-5.patch", patches[5].name),
    ]
    capsys.readouterr()
    assert main(["series", "diff", "v4/2.6.24", str(folder)]) == 0
    said = capsys.readouterr().out
    assert all(f"[real {number}]" in said for number in (1, 2, 4, 5))
    assert main(["series", "apply", str(folder), "--tree", str(tree), "--check"]) == 0

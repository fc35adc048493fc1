"""Names of files and folders that cannot be what the user means: one line, and exit status 2."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from memnotify import places
from memnotify.cli.main import main
from memnotify.cli.paths import campaign
from memnotify.errors import InputError
from memnotify.guest.machine import load_machine
from memnotify.kernel import inventory
from memnotify.kernel.base import load_base
from memnotify.kernel.import_series import ImportRequest, import_series
from memnotify.places import CAMPAIGNS
from memnotify.results.folder import RunFolder
from memnotify.run.campaign import hold
from memnotify.run.replay import _folder
from memnotify.run.shards import merge
from memnotify.series.lineage import family
from memnotify.series.quilt import bases_of
from memnotify.store import Store
from memnotify.text import message

from tests.support import mutants

LONG = "a" * 300


def quiet(line: str) -> None:
    pass


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    link = tmp_path / "loop"
    link.symlink_to(link)
    return link


def test_a_loop_of_links_is_no_folder(tmp_path: Path, loop: Path) -> None:
    store = Store(tmp_path / "store")
    with (
        pytest.raises(InputError, match="loop: a loop of symbolic links"),
        hold(RunFolder(loop), store=store, warn=quiet),
    ):
        pass
    with pytest.raises(InputError, match="loop: a loop of symbolic links"):
        import_series(ImportRequest(mails=["x"]), loop, store=store, progress=quiet)


def test_where_a_merged_run_cannot_be_is_told_before_anything_is_copied(
    tmp_path: Path, loop: Path
) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "file").touch()
    for name, said in (
        ("loop", "a link that leads nowhere"),
        ("dangling", "a link that leads nowhere"),
        ("file", "is a file, not a folder"),
        (LONG, "cannot hold results: File name too long"),
    ):
        with pytest.raises(InputError, match=said):
            merge([], RunFolder(tmp_path / name))


def test_the_results_of_a_replay_do_not_fit_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", LONG):
        with (
            pytest.raises(InputError, match="1: cannot be used for results"),
            _folder(tmp_path / name, 1),
        ):
            pass


def test_what_is_no_folder_is_not_that_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "file", tmp_path / "pipe", Path("/dev/null")):
        assert main(["show", str(place)]) == 2
        said = capsys.readouterr().err
        assert f"{place} is not the folder of a run, but a file (name the folder" in said
    for words in (["show"], ["check"], ["compare"], ["expect"], ["published"], ["report"]):
        assert main([*words, str(tmp_path / LONG)]) == 2
        assert "File name too long" in capsys.readouterr().err


def test_too_long_a_name_is_the_users(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kernel", "fetch", "6.1", "--source", LONG]) == 2
    assert "File name too long" in capsys.readouterr().err


def test_where_a_report_cannot_be_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.html").mkdir()
    for name, said in (
        ("none/r.html", "cannot be written: the folder that it goes into does not exist"),
        ("folder.html", "cannot be written: is a folder"),
        (f"{LONG}.md", "cannot be written: File name too long"),
    ):
        assert main(["report", str(tmp_path), "-o", str(tmp_path / name)]) == 2
        assert said in capsys.readouterr().err


def test_a_name_does_not_begin_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "a\nmemnotify: b\x1b"]) == 2
    said = capsys.readouterr().err
    assert "a\\nmemnotify: b\\x1b is not the folder" in said
    assert said.count("\n") == 1
    assert message("gcc failed:\n  | a\nb") == "gcc failed:\n  | a\\nb"


def test_the_data_of_the_project_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none = tmp_path / "none"
    monkeypatch.setattr(places, "KERNELS", none)
    for find in (
        lambda: inventory.list_kernels(Store(tmp_path / "store")),
        lambda: load_base("6.1", root=none),
        lambda: load_machine("pc", folder=none),
        lambda: bases_of("v4", root=none),
        lambda: family(none),
    ):
        with pytest.raises(InputError, match=r"none: the data .* missing \(set MEMNOTIFY_HOME"):
            find()


def test_the_choices_of_an_architecture_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["image", "build", "--arch", "arm"])
    # Python 3.13 leaves the quotation marks out.
    said = capsys.readouterr().err.replace("'", "")
    assert "invalid choice: arm (choose from i386, x86_64)" in said


def test_a_module_that_is_not_there_has_no_mutants(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mutants", "nonsense"])
    with pytest.raises(SystemExit) as ended:
        mutants.main()
    assert ended.value.code == 2
    assert "there is no module nonsense in memnotify" in capsys.readouterr().err


def test_a_campaign_of_memnotify_is_found_from_anywhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert campaign("campaigns/demo.toml") == CAMPAIGNS / "demo.toml"
    for name in ("demo.toml", "kernels/6.1.toml", "campaigns/none.toml", "campaigns"):
        assert campaign(name) == Path(name)
    own = Path("campaigns/demo.toml")
    own.parent.mkdir()
    own.touch()
    assert campaign(str(own)) == own

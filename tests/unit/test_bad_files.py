"""Files that no user writes on purpose, and that have to end in one clear line all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify import toml
from memnotify.cli.main import main
from memnotify.errors import InputError
from memnotify.places import PATCHES
from memnotify.series.apply import read_tree
from memnotify.series.revision import load_revision

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "9" * 5_000, "not TOML that can be read: Exceeds the limit"),
        ("a = " + "[" * 3_000 + "]" * 3_000, "tables or lists within one another too deeply"),
        (".".join(["a"] * 5_000) + " = 1", "too deeply"),
    ],
)
def test_toml_that_python_cannot_take(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(text + "\n")
    with pytest.raises(InputError, match=said):
        toml.read(file)


def test_a_device_is_no_toml() -> None:
    with pytest.raises(InputError, match="too large: more than 16 MiB"):
        toml.read(Path("/dev/zero"))


@pytest.mark.parametrize("what", ["mail", "--mbox"])
def test_a_device_is_no_mail(what: str, capsys: Capture) -> None:
    words = ["/dev/zero"] if what == "mail" else ["--mbox", "/dev/zero"]
    assert main(["series", "originals", "v3", *words]) == 2
    assert "/dev/zero: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seconds = 10.0", "seconds = 1e12"),
        ("factor = 2", "factor = 99999999999"),
        ("ms = 200", "ms = 99999999999"),
        ("shift = 4", "shift = 99999999999"),
    ],
)
def test_a_promise_beyond_what_can_be_counted_with(tmp_path: Path, old: str, new: str) -> None:
    text = (PATCHES / "mem_notify/v4/revision.toml").read_text()
    file = tmp_path / "v4" / "revision.toml"
    file.parent.mkdir()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=old.partition(" ")[0]) as caught:
        load_revision("v4", root=tmp_path)
    assert caught.value.line


def test_links_that_lead_to_one_another(tmp_path: Path) -> None:
    (tmp_path / "mm").symlink_to("mm")
    with pytest.raises(InputError, match=r"mm/vmscan\.c is behind a loop of links"):
        read_tree(tmp_path)("mm/vmscan.c")


@pytest.mark.parametrize(("one", "other"), [("v4/2.6.24", "none"), ("none", "v4/2.6.24")])
def test_an_empty_series_is_compared_with_nothing(one: str, other: str, capsys: Capture) -> None:
    assert main(["series", "diff", one, other]) == 2
    assert "series has no patches" in capsys.readouterr().err


def test_a_base_that_is_not_there_is_told_before_mails_are_looked_for(capsys: Capture) -> None:
    assert main(["series", "originals", "v3", "--base", "nope"]) == 2
    assert "no base is called nope" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--csv", "--plot"])
def test_what_is_published_is_not_written_into_nothing(
    tmp_path: Path, option: str, capsys: Capture
) -> None:
    (tmp_path / "run").mkdir()
    target = tmp_path / "nope" / "a.svg"
    assert main(["published", str(tmp_path / "run"), option, str(target)]) == 2
    assert "cannot be written: its folder does not exist" in capsys.readouterr().err

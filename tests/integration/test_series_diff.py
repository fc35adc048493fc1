"""memnotify series diff, as users type it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError, InputError
from memnotify.mailpatch.lore import fetch_thread
from memnotify.mailpatch.names import message_id
from memnotify.places import PATCHES

from tests.support.fake_b4 import fake_b4

V4 = PATCHES / "mem_notify/v4/2.6.24"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Make a copy of v4 for 2.6.24, to change."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in V4.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def diff(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    assert main(["series", "diff", *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_a_series_is_equal_to_itself(capsys: pytest.CaptureFixture[str], copy: Path) -> None:
    lines = diff(capsys, "v4/2.6.24", str(copy))
    assert len(lines) == 6
    assert all(" = " in line for line in lines)


def test_a_repository_of_the_user_is_left_alone(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "mine"], check=True)
    before = sorted(path for path in (tmp_path / "mine").rglob("*"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "mine"))
    assert main(["series", "diff", "v4/6.1", str(copy)]) == 0
    assert sorted(path for path in (tmp_path / "mine").rglob("*")) == before


def test_what_changed_is_shown(capsys: pytest.CaptureFixture[str], copy: Path) -> None:
    patch = copy / "0005-proc-zoneinfo-enhancement.patch"
    patch.write_text(patch.read_text().replace("mem_notify_status: %i", "mem_notify: %i"))
    # The device's own file is known completely, so later changes of it can be shown.
    device = copy / "0003-add-dev-mem_notify-device.patch"
    device.write_text(device.read_text().replace("+\tint err = 0;\n", "+\tint err = 1;\n"))
    (copy / "series").write_text((copy / "series").read_text().rpartition("0006")[0])
    lines = diff(capsys, "v4/2.6.24", str(copy))
    assert [line.split()[2] for line in lines if line[:1].isdigit()] == list("==!=!<")
    assert '    -+		   "\\n  mem_notify_status: %i"' in lines
    assert '    ++		   "\\n  mem_notify: %i"' in lines
    assert "    -+\tint err = 0;" in lines
    stat = diff(capsys, "v4/2.6.24", str(copy), "--stat")
    assert sum("1 file changed, 1 insertion(+), 1 deletion(-)" in line for line in stat) == 2


def test_a_file_that_the_series_made_is_followed(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for side, text in (("a", "two"), ("b", "three")):
        folder = tmp_path / side
        folder.mkdir()
        (folder / "series").write_text("1.patch\n2.patch\n")
        (folder / "1.patch").write_text(
            "Subject: [PATCH 1/2] make\nFrom: x\n\n---\n--- /dev/null\n+++ b/new.c\n"
            "@@ -0,0 +1,2 @@\n+one\n+end\n"
        )
        (folder / "2.patch").write_text(
            "Subject: [PATCH 2/2] change\nFrom: x\n\n---\n--- a/new.c\n+++ b/new.c\n"
            f"@@ -1,2 +1,2 @@\n one\n-end\n+{text}\n"
        )
    lines = diff(capsys, str(tmp_path / "a"), str(tmp_path / "b"))
    assert "    -+two" in lines
    assert "    ++three" in lines
    (tmp_path / "b/2.patch").write_text((tmp_path / "b/2.patch").read_text().replace("-end", "-x"))
    assert main(["series", "diff", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "which an earlier patch of its series made" in capsys.readouterr().err


def test_color_is_as_git_users_expect(capsys: pytest.CaptureFixture[str], copy: Path) -> None:
    assert "\x1b[" not in "".join(diff(capsys, "v4/2.6.24", str(copy)))
    assert "\x1b[" in "".join(diff(capsys, "v4/2.6.24", str(copy), "--color=always"))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "v4",
            "v4 has patches for several bases "
            "(name one: v4/2.6.24, v4/2.6.24-rc6-mm1, v4/2.6.25, v4/6.1, v4/6.12, v4/7.3)",
        ),
        ("v0", "there is no series v0"),
        ("v4/5.9", "series v4 is not for base 5.9"),
        (str(PATCHES), "this folder has no `series` file"),
    ],
)
def test_a_wrong_name_is_told(capsys: pytest.CaptureFixture[str], word: str, said: str) -> None:
    assert main(["series", "diff", word, "v4/6.1"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("<1.2@example.org>", "1.2@example.org"),
        ("https://lore.kernel.org/all/1.2@example.org/", "1.2@example.org"),
        ("mail.txt", None),
    ],
)
def test_a_message_id_is_known(word: str, found: str | None) -> None:
    assert message_id(word) == found


def test_b4_fetches_a_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_b4(tmp_path, monkeypatch, 'test "$6" = 1@x && echo "From 1@x" > thread.mbx')
    assert fetch_thread("1@x", tmp_path).read_text() == "From 1@x\n"


def test_what_b4_cannot_have_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_b4(tmp_path, monkeypatch, "echo cannot resolve lore; exit 1")
    with pytest.raises(InfrastructureError, match=r"cannot resolve lore .*save the mails"):
        fetch_thread("1@x", tmp_path)
    with pytest.raises(InputError, match=r"all.mbox: no such file"):
        fetch_thread("1@x", tmp_path, mbox=tmp_path / "all.mbox")
    (tmp_path / "all.mbox").touch()
    with pytest.raises(InputError, match="has no mail with the Message-Id 1@x"):
        fetch_thread("1@x", tmp_path, mbox=tmp_path / "all.mbox")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("Subject: x\nFrom: y\n\n\n", "there is no text in this patch"),
        ("--- a/../x\n+++ b/../x\n@@ -1 +1 @@\n-a\n+b\n", "'b/../x' does not name a file in"),
        ("--- a/.git/x\n+++ b/.git/x\n@@ -1 +1 @@\n-a\n+b\n", "does not name a file in the tree"),
        ("--- a//x\n+++ b//x\n@@ -1 +1 @@\n-a\n+b\n", "does not name a file in the tree"),
    ],
    ids=["empty", "headers", "up", "git", "absolute"],
)
def test_a_patch_that_says_nothing_or_too_much(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "series").write_text("1.patch\n")
    (tmp_path / "1.patch").write_text(text)
    assert main(["series", "diff", str(tmp_path), "v4/6.1"]) == 2
    message = capsys.readouterr().err
    assert f"{tmp_path}/1.patch: " in message
    assert said in message
    assert message.count("\n") == 1


def test_empty_files_that_are_made_and_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "series").write_text("1.patch\n2.patch\n")
    for number, word, blobs in ((1, "new", "0000000..e69de29"), (2, "deleted", "e69de29..0000000")):
        (tmp_path / f"{number}.patch").write_text(
            f"Subject: {word}\nFrom: y\n\n---\ndiff --git a/mm/x b/mm/x\n"
            f"{word} file mode 100644\nindex {blobs}\n"
        )
    lines = diff(capsys, str(tmp_path), str(tmp_path))
    assert [line.split()[2] for line in lines] == ["=", "="]

"""The order of patches: numbers in subjects, series files, and one patch that came twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.imports import change, run, small_tree


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree(tmp_path / "tree")


def patch(folder: Path, name: str, subject: str, at: int, *below: str) -> Path:
    folder.mkdir(exist_ok=True)
    head = ["From: Ada <ada@example.org>", f"Subject: {subject}", f"Message-Id: <{at}@example.org>"]
    file = folder / name
    file.write_text("\n".join([*head, "", "Text.", "---", *change(at, f"n{at}"), *below]) + "\n")
    return file


def names(tree: Path) -> list[str]:
    return (tree.parent / "out/series").read_text().split()


@pytest.mark.parametrize(
    "form",
    [
        *("[v2,{}/2] {}", "[PATCH,{}/2] {}", "[PATCH] ({}/2) {}", "[PATCH] {}/2 {}"),
        *("PATCH [{}/2] {}", "[PATCH#{}/2] {}", "[PATCH|{}/2] {}", "[PATCH] {}/2: {}"),
        *("[PATCH -mm {}/2] {}", "{{{}/2}} {}", "[PATCH{}/2] {}", "patch {}/2, {}"),
        *("[PATCH_{}/2] {}", "[PATCH] part {}/2: {}", "[PATCH] {}/2 - {}", "Patch {} of 2: {}"),
        *("({} of 2) {}", "<PATCH {}/2> {}", "\u3010PATCH {}/2\u3011 {}", "(PATCH {}/2) {}"),
        *("[PATCH {}/N] {}", "[PATCH {}] {}", "[PATCH {}/?] {}", "[PATCH] #{}/2 {}"),
        *("[PATCH {}\\2] {}", "[PATCH] |{}/2| {}", "[PATCH {}/2]: {}", "[PATCH]({}/2){}"),
    ],
)
def test_n_and_m_are_found(tree: Path, form: str) -> None:
    folder = tree.parent / "in"
    mails = [
        patch(folder, "a", form.format(2, "two"), 30),
        patch(folder, "b", form.format(1, "one"), 10),
    ]
    assert run(tree, tree.parent / "out", *mails) == 0
    assert names(tree) == ["0001-one.patch", "0002-two.patch"]


@pytest.mark.parametrize(
    "form",
    [
        *("{2} ({0}/2)", "{2}, {0}/2", "{2} - part {0}/2", "{2} [{0}/2]", "{2} - {0}/2"),
        *("{2}({0}/2)", "{2} (part {0} of 2)", "{2} part {0} of 2", "{2} ({0} of 2)"),
    ],
)
def test_n_and_m_may_be_at_the_end(tree: Path, form: str) -> None:
    folder = tree.parent / "in"
    mails = [
        patch(folder, "a", "[PATCH] " + form.format(2, 2, "two"), 30),
        patch(folder, "b", "[PATCH] " + form.format(1, 2, "one"), 10),
    ]
    assert run(tree, tree.parent / "out", *mails) == 0
    assert names(tree) == ["0001-one.patch", "0002-two.patch"]


def three(tree: Path) -> Path:
    """Return a folder with three patches, whose names tell no order."""
    folder = tree.parent / "in"
    patch(folder, "aa.patch", "two", 30)
    patch(folder, "zz.patch", "one", 10)
    patch(folder, "cc.patch", "no", 20)
    return folder


def test_the_order_of_a_folder_is_that_of_its_series_file(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = three(tree)
    (folder / "series").write_text("# quilt\nzz.patch -p1\n\naa.patch # last\n")
    assert run(tree, tree.parent / "out", folder) == 0
    assert names(tree) == ["0001-one.patch", "0002-two.patch"]
    assert "is not in the series file: left out" in capsys.readouterr().out
    (folder / "series").write_text("zz.patch\nmissing.patch\n")
    assert run(tree, tree.parent / "other", folder) == 2
    assert "series:2: missing.patch is not there" in capsys.readouterr().err
    (folder / "series").write_text("zz.patch -p1 -R\n")
    assert run(tree, tree.parent / "other", folder) == 2
    assert "series:1: zz.patch is applied in reverse (-R)" in capsys.readouterr().err


def test_a_series_file_among_the_files_is_their_order(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = three(tree)
    (folder / "series").write_text("zz.patch\naa.patch\n")
    for given in (sorted(folder.iterdir()), [folder / "series"]):
        assert run(tree, tree.parent / f"out{len(given)}", *given) == 0
        done = (tree.parent / f"out{len(given)}/series").read_text().split()
        assert done == ["0001-one.patch", "0002-two.patch"]
        said = capsys.readouterr().out
        assert ("cc.patch: “no” is not in the series file: left out" in said) == (len(given) > 1)


def test_an_order_that_was_not_recognised_is_said(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tree.parent / "in"
    mails = [patch(folder, "a", "one", 10), patch(folder, "b", "two", 30)]
    assert run(tree, tree.parent / "out", *mails) == 0
    assert "2 patches without n/m in the subject: in the order given" in capsys.readouterr().out
    assert run(tree, tree.parent / "one", mails[0]) == 0
    assert "in the order given" not in capsys.readouterr().out
    numbered = patch(folder, "c", "[PATCH 1/1] three", 20)
    assert run(tree, tree.parent / "two", mails[0], numbered) == 0
    assert "“one” has no n/m in its subject: after the others" in capsys.readouterr().out


@pytest.mark.parametrize("subject", ["[PATCH 1/1] one", "one"])
def test_one_patch_that_two_lists_have_sent_is_taken_once(tree: Path, subject: str) -> None:
    folder = tree.parent / "in"
    mails = [
        patch(folder, "a", subject, 10, "--", "To unsubscribe, send a mail"),
        patch(folder, "b", subject, 10, "", "_____", "lamps mailing list"),
    ]
    assert run(tree, tree.parent / "out", *mails) == 0
    assert names(tree) == ["0001-one.patch"]


def test_two_patches_of_one_number_are_refused(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tree.parent / "in"
    mails = [patch(folder, "a", "[PATCH 1/1] one", 10), patch(folder, "b", "[PATCH 1/1] one", 20)]
    assert run(tree, tree.parent / "out", *mails) == 2
    assert "patch 1/1 is here twice" in capsys.readouterr().err

"""Originals that a user has registered: what is kept, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from memnotify.errors import InputError
from memnotify.series import registered
from memnotify.series.registered import (
    FACTS,
    Registered,
    asked_for,
    load_registered,
    revision_of,
    write_facts,
)

MAILS: list[dict[str, Any]] = [
    {"label": "v4 1/3", "verdict": "posted", "subject": "é"},
    {"label": "v4 2/3", "verdict": "another text"},
    {"label": "v4 3/3", "verdict": "no digest on file"},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Register a series; return its folder."""
    monkeypatch.setattr(registered, "root", lambda: tmp_path)
    made = tmp_path / "v4-original" / "2.6.24"
    made.mkdir(parents=True)
    (made / "series").write_text("a.patch\n")
    write_facts(made, revision="v4", mails=MAILS, ours=["b.patch"])
    return made


def test_what_is_known_of_a_series_is_read_again(folder: Path) -> None:
    found = load_registered("v4-original", "2.6.24")
    assert found == Registered(
        name="v4-original",
        base="2.6.24",
        folder=folder,
        revision="v4",
        mails=tuple(MAILS),
        ours=("b.patch",),
    )
    assert found.notes() == [
        "v4 2/3: another text",
        "v4 3/3: no digest on file",
        "b.patch is a patch of this project",
    ]
    assert sorted(path.name for path in folder.iterdir()) == [FACTS, "series"]


def test_a_series_has_the_bases_that_have_a_series_file(folder: Path) -> None:
    for base in ("2.6.25", "6.1"):
        (folder.parent / base).mkdir()
        write_facts(folder.parent / base, revision="v4", mails=[], ours=[])
    (folder.parent / "2.6.25/series").write_text("")
    assert registered.registered() == {"v4-original": ("2.6.24", "2.6.25")}
    assert revision_of("v4-original") == "v4"
    assert revision_of("v4") is None


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{",
        "[" * 100_000,
        "[]",
        '{"revision": "v4", "mails": []}',
        '{"revision": "v4", "mails": [{"label": "a"}], "ours": []}',
        '{"revision": "v4", "mails": [], "ours": [5]}',
        '{"revision": "v3", "mails": [], "ours": []}',
    ],
)
def test_a_damaged_file_is_named_with_what_helps(folder: Path, text: str | None) -> None:
    (folder / FACTS).unlink() if text is None else (folder / FACTS).write_text(text)
    with pytest.raises(InputError) as caught:
        load_registered("v4-original", "2.6.24")
    assert caught.value.message == f"{folder / FACTS}: is damaged"
    assert caught.value.hint == "`memnotify series originals` writes it again"


@pytest.mark.parametrize(
    ("name", "revision"),
    [
        ("v4-original", "v4"),
        ("v3-wake-all-altered", "v3-wake-all"),
        ("v4", None),
        ("original", None),
        ("v4-originals", None),
    ],
)
def test_a_name_says_whose_originals_it_means(name: str, revision: str | None) -> None:
    assert asked_for(name) == revision

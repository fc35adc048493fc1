"""`memnotify series list`: the family tree, for people and programs, and with invalid files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.cli.series import list as cli
from memnotify.errors import InputError
from memnotify.report.lineage import lineage_lines, lineage_rows
from memnotify.series import registered
from memnotify.series.lineage import family
from memnotify.series.quilt import MEM_NOTIFY
from memnotify.series.revision import FILE, load_lineage, load_revision

from tests.support.ours import REVISIONS as OURS

VARIANTS = {"v4-tenth", "v4-long-uptime", "v6-ageing"}  # our own: nobody posted them

LINEAGE = '[lineage]\ndate = 2008-01-15\nauthor = "A"\nchanged = "B"\n'


def add(root: Path, name: str, lineage: str | None, *bases: str, more: str = "") -> None:
    """Make a revision; `lineage` goes into its file's table, after date and author."""
    for base in bases or ("6.1",):
        (root / name / base).mkdir(parents=True)
        (root / name / base / "series").write_text("")
    if lineage is not None:
        text = f'{more}\n[lineage]\ndate = 2008-02-10\nauthor = "A. Author"\n{lineage}\n'
        (root / name / FILE).write_text(text)


def changed(what: str, follows: str | None = None) -> str:
    after = "" if follows is None else f'follows = "{follows}"\n'
    return f'changed = "{what}"\n{after}'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a root, two revisions that follow it, one of them with a child, and one without data."""
    add(tmp_path, "one", changed("The first one.") + 'posted_against = "2.6.23"\n', "6.1", "2.6.24")
    add(tmp_path, "two", changed("Another.", "one").replace("Another", "Longer and " * 9 + "long"))
    add(tmp_path, "aside", changed("Beside it.", "one").replace('"one"', '"one"'))
    add(tmp_path, "three", changed("The last.", "aside"))
    add(tmp_path, "mine", None, *(f"2.6.{number}" for number in range(20, 29)))
    return tmp_path


def test_the_tree(root: Path) -> None:
    assert list(lineage_lines(family(root))) == [
        "revision   posted      against  patches for",
        "one        2008-02-10  2.6.23   2.6.24 6.1",
        "│ A. Author: The first one.",
        "├ aside    2008-02-10  -        6.1",
        "│ │ A. Author: Beside it.",
        "│ └ three  2008-02-10  -        6.1",
        "│     A. Author: The last.",
        "└ two      2008-02-10  -        6.1",
        "    A. Author: Longer and Longer and Longer and Longer and Longer and Longer and",
        "    Longer and Longer and Longer and long.",
        "mine       -           -        2.6.20 2.6.21 2.6.22 2.6.23 2.6.24 2.6.25 2.6.26",
        "                                2.6.27 2.6.28",
    ]


def test_those_that_follow_one_are_in_the_order_of_their_dates(root: Path) -> None:
    for name, year in (("aa", 2010), ("zz", 2007)):
        add(root, name, changed("Another.", "one"))
        file = root / name / FILE
        file.write_text(file.read_text().replace("2008", str(year)))
    members = [member.revision for member in family(root)]
    assert members == ["one", "zz", "aside", "three", "two", "aa", "mine"]


def test_data_for_programs(root: Path) -> None:
    rows = {row["revision"]: row for row in lineage_rows(family(root))}
    assert list(rows) == ["one", "aside", "three", "two", "mine"]
    assert rows["one"] == {
        "revision": "one",
        "bases": ["2.6.24", "6.1"],
        "promises": False,
        "wrong": [],
        "date": "2008-02-10",
        "mails": {},
        "author": "A. Author",
        "subject": None,
        "follows": None,
        "posted_against": "2.6.23",
        "changed": "The first one.",
    }
    assert (rows["mine"]["date"], rows["mine"]["changed"]) == (None, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[lineage]\ndate = "2008"\nauthor = "A"\nchanged = "B"',
            "2: lineage.date: must be a date",
        ),
        ('[lineage]\ndate = 2008-01-15\nauthor = "A"', "1: lineage.changed: this key is missing"),
        ("[lineage", "1: not TOML"),
        ('pollin = "status"', "1: device: this key is missing"),
        ('based_on = "them"', "1: based_on: there is no revision.toml of a series them"),
        (
            LINEAGE + 'mails = { "1/1" = "<a@b>" }',
            "5: lineage.mails.1/1: '<a@b>' is not a Message-Id without angle brackets",
        ),
    ],
)
def test_a_file_that_is_wrong_is_told_and_hides_no_other(root: Path, text: str, says: str) -> None:
    add(root, "wrong", None)
    (root / "wrong" / FILE).write_text(text)
    members = family(root)
    assert sorted(member.revision for member in members) == [
        *("aside", "mine", "one", "three", "two", "wrong")
    ]
    (line,) = [line for member in members for line in member.wrong]
    assert line.startswith(f"{root / 'wrong' / FILE}:{says}")
    assert not any(member.promises for member in members)


def test_a_file_that_others_are_based_on_is_told_once(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "family", lambda: family(root))
    for name in ("wrong", "heir", "other"):
        add(root, name, None)
        (root / name / FILE).write_text('based_on = "wrong"\n')
    (root / "wrong" / FILE).write_text("pollin = 5\n")
    assert sum(bool(member.wrong) for member in family(root)) == 3
    assert main(["series", "list"]) == 2
    assert capsys.readouterr().err.count(f"{root / 'wrong' / FILE}:1") == 1


def test_a_series_file_that_is_wrong_is_told(root: Path) -> None:
    (root / "two/6.1/series").write_text("not-there.patch\n")
    (line,) = [line for member in family(root) for line in member.wrong]
    file = root / "two/6.1/series"
    assert line.startswith(f"{file}:1: not-there.patch is not in the same folder as this file")


def test_who_follows_in_a_circle_or_nobody_is_a_root(root: Path) -> None:
    add(root, "egg", changed("First.", "hen"))
    add(root, "hen", changed("First.", "egg"))
    add(root, "chick", changed("Last.", "hen"))
    add(root, "lost", changed("Alone.", "ones"))
    members = {member.revision: member for member in family(root)}
    assert len(members) == 9
    assert [len(members[name].branch) for name in ("egg", "hen", "chick", "lost")] == [1, 1, 2, 1]
    assert [line for member in members.values() for line in member.wrong] == [
        "egg follows hen, and hen follows egg",
        "hen follows egg, and egg follows hen",
        "lost follows ones, which does not exist (did you mean one?)",
    ]


def test_the_command(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "family", lambda: family(root))
    assert main(["series", "list"]) == 0
    assert capsys.readouterr().out.splitlines() == list(lineage_lines(family(root)))
    add(root, "lost", changed("Alone.", "nothing"))
    assert main(["series", "list", "--json"]) == 2
    out, err = capsys.readouterr()
    assert len(json.loads(out)) == 6
    assert err.startswith("memnotify: lost follows nothing, which does not exist")
    assert err.count("\n") == 1


def test_where_ours_come_from() -> None:
    found = {name: load_lineage(name) for name in OURS}
    assert {name: lineage and lineage.follows for name, lineage in found.items()} == OURS
    assert {file.parent.name for file in MEM_NOTIFY.glob(f"*/{FILE}")} >= OURS.keys()
    for name, lineage in found.items():
        assert lineage is not None
        follows = OURS[name]
        before = None if follows is None else found[follows]
        assert before is None or before.date <= lineage.date
        assert bool(lineage.mails) == (name not in VARIANTS)


def test_originals_that_a_user_has_registered_follow_their_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They make the same promises as the revision, and are listed below it."""
    monkeypatch.setattr(registered, "root", lambda: tmp_path)
    folder = tmp_path / "v4-original/2.6.24"
    shutil.copytree(MEM_NOTIFY / "v4/2.6.24", folder)
    registered.write_facts(folder, revision="v4", mails=[], ours=[])
    members = {member.revision: member for member in family()}
    original, v4 = members["v4-original"], members["v4"]
    assert (original.bases, original.promises, original.wrong) == (("2.6.24",), True, ())
    assert original.branch[:-1] == v4.branch
    assert original.lineage is not None and v4.lineage is not None
    assert (original.lineage.follows, original.lineage.date) == ("v4", v4.lineage.date)
    assert original.lineage.mails == {}
    assert load_revision("v4-original") == load_revision("v4")
    # A folder of series elsewhere has no originals.
    (tmp_path / "series/v4").mkdir(parents=True)
    shutil.copy(MEM_NOTIFY / "v4" / FILE, tmp_path / "series/v4" / FILE)
    with pytest.raises(InputError, match="there is no series v4-original"):
        load_revision("v4-original", root=tmp_path / "series")


@pytest.mark.parametrize(
    ("verdicts", "changed"),
    [
        ({"v4 1/2": "posted"}, "The patches of the mails, as they were posted."),
        (
            {"v4 1/3": "another text", "v4 2/3": "posted", "v4 3/3": "another text"},
            "The patches of the mails, with a changed text: 1/3, 3/3.",
        ),
        (
            {"v4 1/2": "no digest on file", "v4 2/2": "no digest on file"},
            "The patches of the mails, as they were posted; it is unknown whether 1/2, 2/2 is the "
            "text that was posted.",
        ),
    ],
)
def test_whether_registered_originals_are_as_they_were_posted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verdicts: dict[str, str], changed: str
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    folder = tmp_path / "memnotify/series/v4-original/2.6.24"
    folder.parent.mkdir(parents=True)
    shutil.copytree(MEM_NOTIFY / "v4/2.6.24", folder)
    mails = [{"label": label, "verdict": verdict} for label, verdict in verdicts.items()]
    registered.write_facts(folder, revision="v4", mails=mails, ours=[])
    lineage = load_lineage("v4-original")
    assert lineage is not None
    assert lineage.changed == changed

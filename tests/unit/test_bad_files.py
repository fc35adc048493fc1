"""Files that no user writes on purpose, and that still have to end in one clear line."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from memnotify import toml
from memnotify.cli.main import main, parser
from memnotify.digest import digest_tree
from memnotify.errors import InputError
from memnotify.files import writing
from memnotify.jsontext import dump, parse
from memnotify.kernel.base import load_base
from memnotify.kernel.config import merge_fragments
from memnotify.places import CAMPAIGNS, PATCHES
from memnotify.run.shards import read_durations
from memnotify.series.apply import read_tree
from memnotify.series.revision import load_revision

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "9" * 5_000, "3: not readable as TOML: a whole number of 5000 digits$"),
        ("a = [1,\n -" + "9_" * 5_000 + "9]", "4: not readable .* a whole number of 5001 digits$"),
        ("a = " + "[" * 3_000 + "]" * 3_000, "3: tables or lists are nested too deeply"),
        ("a = [\n" + "[" * 3_000 + "]" * 3_000 + "]", "4: tables or lists are nested too deeply"),
        (".".join(["a"] * 5_000) + " = 1", "3: .*too deeply"),
    ],
)
def test_toml_that_python_cannot_take(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(f"b = 1\ntext = '{'9' * 5_000}' # {'[' * 3_000}\n{text}\n")
    with pytest.raises(InputError, match=said) as caught:
        toml.read(file)
    assert str(caught.value).startswith(f"{file}:") and len(str(caught.value)) < len(str(file)) + 90


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
    assert (
        "cannot be written: the folder that it goes into does not exist" in capsys.readouterr().err
    )


@pytest.fixture(params=["pipe", "socket", "device"])
def special(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Yield something that has a name but is not a file; reading it would block or never end."""
    path = tmp_path / "special"
    if request.param == "device":
        yield Path("/dev/zero")
    elif request.param == "pipe":
        os.mkfifo(path)
        yield path
    else:
        with contextlib.chdir(tmp_path), socket.socket(socket.AF_UNIX) as one:
            one.bind("special")
            yield path


COMMANDS = (
    "run SPECIAL",
    "run TOML --fleet SPECIAL",
    "run TOML --shard 1/2 --durations SPECIAL",
    "run TOML --source SPECIAL",
    "run TOML --stages SPECIAL",
    "series import SPECIAL --tree TREE -o OUT",
    "series import <a@b.c> --mbox SPECIAL --tree TREE -o OUT",
    "series originals v3 SPECIAL",
    "series originals v3 --mbox SPECIAL",
    "series bisect v4 --campaign SPECIAL --until 'wakeups > 0'",
    "kernel fetch 6.1 --source SPECIAL",
    "kernel build 6.1 --source SPECIAL",
)


@pytest.mark.parametrize("words", COMMANDS)
def test_what_is_no_file_is_refused_at_once(
    words: str, special: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\n")
    names = {"SPECIAL": special, "TREE": tree, "OUT": tmp_path / "out"}
    names["TOML"] = CAMPAIGNS / "bisect.toml"
    arguments = [str(names.get(word, word)) for word in shlex.split(words)]
    assert main(arguments) == 2
    assert f"{special}: not a regular file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["Makefile", "series", "config"])
def test_a_pipe_within_a_folder_is_refused(name: str, tmp_path: Path, capsys: Capture) -> None:
    tree, series = tmp_path / "tree", tmp_path / "series"
    shutil.copytree(PATCHES / "mem_notify/v4/6.1", series)
    tree.mkdir()
    (tree / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 7\n")
    file = (tree if name == "Makefile" else series) / name
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    if name == "config":
        with pytest.raises(InputError, match="config: not a regular file"):
            merge_fragments([file])
        return
    assert main(["series", "apply", str(series), "--tree", str(tree), "--check"]) == 2
    said = capsys.readouterr().err
    assert "not a regular file" in said or "no `series` file" in said


def test_a_pipe_in_a_tree_to_build_from_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: not a regular file"):
        digest_tree(tmp_path)


def test_a_pipe_that_nobody_reads_is_not_written_to(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    os.mkfifo(file)
    with pytest.raises(InputError, match=r"table\.csv: cannot be written"), writing(file):
        raise AssertionError("it would wait")
    reader = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    with writing(file):
        file.write_text("a")
    assert os.read(reader, 9) == b"a"
    os.close(reader)


@pytest.mark.parametrize("seconds", ["NaN", "-1", '"nan"', "1e999", "true", "null", "Infinity"])
def test_durations_are_numbers_of_seconds(tmp_path: Path, seconds: str) -> None:
    file = tmp_path / "rows.json"
    file.write_text(f'[{{"name": "a", "wall_seconds": {seconds}}}]')
    with pytest.raises(InputError, match=r"rows\.json: not what memnotify show RUN --json prints"):
        read_durations(file)
    file.write_text('[{"name": "a", "wall_seconds": 2}]')
    assert read_durations(file) == {"a": 2.0}


def test_json_has_numbers_only() -> None:
    for text in ("[NaN]", "[-Infinity]", "[1e999]"):
        with pytest.raises(ValueError, match=r"is (not a number|too large)"):
            parse(text)
    assert parse("[1.5, 2]") == [1.5, 2]
    nan, inf = float("nan"), float("inf")
    written = dump({"a": [nan, 1.0], "b": (inf, "NaN")})
    assert parse(written) == {"a": [None, 1.0], "b": [None, "NaN"]}


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("series originals v4 --json MAIL", ["MAIL"]),
        ("series originals --base 6.1 v4 A --json B", ["A", "B"]),
        ("series originals v4 --json", []),
        ("series originals --json v4 -- -odd", ["-odd"]),
        ("series import A --json -o out B --base 6.1 C", ["A", "B", "C"]),
        ("series trees A --json B", ["A", "B"]),
        ("compare A --json B --by seed C", ["A", "B", "C"]),
        ("merge A -o out B", ["A", "B"]),
        ("show RUN --json CELL", "CELL"),
    ],
)
def test_options_stand_between_arguments(words: str, value: Any) -> None:
    args = parser().parse_args(words.split())
    name = next(key for key in ("mails", "trees", "runs", "cell") if hasattr(args, key))
    found = getattr(args, name)
    assert (found if isinstance(found, str) else [str(each) for each in found]) == value


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("compare", "arguments are required: RUN"),
        ("show A --json B C", "unrecognized arguments: C"),
        ("series list --jsn", "unrecognized arguments: --jsn"),
        ("series", "arguments are required: COMMAND"),
    ],
)
def test_what_is_no_argument_is_still_refused(words: str, said: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(words.split())
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"guest/new"', '"guest/odd"', "patches[1][1]: there is no "),
        ('"toolchain/new"', '"toolchain/odd"', "patches[0]: there is no "),
        ("guest/old/0001-a.patch", "guest/old/0002-b.patch", "can_lack[0]: guest/old/0002-b.patch"),
        (
            'patch = "guest/new/0001-a.patch"',
            'patch = "x"',
            "only_if[0].patch: x is not a form of a",
        ),
        ('"one.config"', '"on.config"', "arch.x86_64.config[0]: there is no "),
        ('["two.config"]', '["tow.config"]', "arch.x86_64.variant.other[0]: there is no "),
    ],
)
def test_names_in_the_file_of_a_base_stand_for_something(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    """A dangling name is reported before anything is fetched for it."""
    for folder in ("guest/new", "guest/old", "toolchain/new"):
        (tmp_path / "patches" / folder).mkdir(parents=True)
        (tmp_path / "patches" / folder / "series").write_text("0001-a.patch\n")
        (tmp_path / "patches" / folder / "0001-a.patch").write_text("a\n")
    kernels = tmp_path / "kernels"
    (kernels / "fragments").mkdir(parents=True)
    for name in ("one", "two"):
        (kernels / "fragments" / f"{name}.config").write_text("")
    file = kernels / "mine.toml"
    file.write_text(BASE)
    assert load_base("mine", root=kernels).patches
    assert BASE.count(old) == 1
    file.write_text(BASE.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_base("mine", root=kernels)
    text = BASE.replace(old, new)
    line = text[: text.index(new)].count("\n") + 1
    assert str(caught.value).startswith(f"{file}:{line}: {says}")


BASE = """\
version = '6'
patches = [
    "toolchain/new",
    ["guest/old", "guest/new"],
]
can_lack = ["guest/old/0001-a.patch"]
tools = { gcc = "gcc" }

[[source]]
kind = "debian"
package = "a"
member = "b"

[[only_if]]
patch = "guest/new/0001-a.patch"
file = "Makefile"
text = "a"

[arch.x86_64]
make = {}
config = ["one.config"]
variant = { other = ["two.config"] }
"""

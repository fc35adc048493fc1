"""What somebody gets who types nothing, or something that is not quite right."""

from __future__ import annotations

from pathlib import Path

import pytest
from memnotify.cli.main import COMMANDS, main
from memnotify.errors import InputError
from memnotify.results.comparison import parse_only
from memnotify.results.folder import RunFolder

Capture = pytest.CaptureFixture[str]


def said(words: str, capsys: Capture) -> tuple[int, str, str]:
    try:
        status = main(words.split())
    except SystemExit as ended:
        status = int(str(ended.code))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_memnotify_alone_says_what_to_do_first_and_is_no_success(capsys: Capture) -> None:
    status, out, err = said("", capsys)
    assert (status, out) == (2, "")
    assert "memnotify doctor" in err and "memnotify demo" in err and "memnotify help" in err
    assert "invalid" not in err and len(err.splitlines()) < 15


def test_a_group_of_commands_alone_lists_them(capsys: Capture) -> None:
    status, _, err = said("series", capsys)
    assert status == 2 and "memnotify series originals  fetch" in err
    assert "memnotify doctor" not in err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("shwo", "; did you mean show?"),
        ("series improt", "; did you mean import?"),
        ("compare x --by serie", "; did you mean series?"),
        ("show x --jsno", "(did you mean --json?)"),
        ("run x --clok virtual", "(did you mean --clock?)"),
        ("run x --base 6.1", "--base (the base is in the campaign: base = of its [kernel])"),
        ("run x -- --x", "memnotify run: error: unrecognized arguments: --x (see memnotify run "),
        ("run --prep=source x", "(did you mean --prepare?)"),
        ("compare x --co a --js", "unrecognized arguments: --co (did you mean --columns?)"),
        ("run x --s", "(did you mean --source or --shard or --scheduler or --stages?)"),
        ("--base x run y", "unrecognized arguments: --base (did you mean --base-dir?)"),
    ],
)
def test_a_slip_of_the_pen_is_answered_in_one_line(words: str, meant: str, capsys: Capture) -> None:
    status, out, err = said(words, capsys)
    assert (status, out) == (2, "") and meant in err
    assert len(err.splitlines()) == 1


def test_what_resembles_nothing_gets_the_list(capsys: Capture) -> None:
    _, _, err = said("xyzzy", capsys)
    assert f"(choose from {', '.join(COMMANDS)}) (see memnotify --help)" in err


def test_help_is_the_help_of_a_command(capsys: Capture) -> None:
    for words in ("", "show", "series import"):
        status, out, _ = said(f"help {words}", capsys)
        assert status == 0
        assert out == said(f"{words} --help", capsys)[1] and out.startswith("usage: memnotify")
    assert said("help shwo", capsys)[0] == 2


def test_runs_cells_and_axes_that_are_misspelt(tmp_path: Path, capsys: Capture) -> None:
    run = tmp_path / "demo"
    run.mkdir()
    (run / "plan.json").write_text('[{"id": "0a1b", "name": "6.1-v4-64M"}]')
    assert "(did you mean demo?)" in said(f"show {tmp_path}/dmeo", capsys)[2]
    with pytest.raises(InputError, match=r"no cell 6.1-v4-46M \(did you mean 6.1-v4-64M\? see "):
        RunFolder(run).find("6.1-v4-46M")
    with pytest.raises(InputError, match=r"\(did you mean clients\? AXIS=VALUE, with one of base"):
        parse_only(["client=200"])

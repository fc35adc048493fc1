"""Tables fit their reader: columns give way, blocks follow, colour and blanks stay out of files."""

from __future__ import annotations

import csv
import io
import os
import re
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from memnotify.errors import InputError
from memnotify.report import grid as grid_module
from memnotify.report.grid import ALL, PAGE, Choice, Column, Grid, Row
from memnotify.report.plain import plain_console
from rich.console import Console

WIDE = Grid(
    (
        Column(name="id", title="cell", key=True),
        Column(name="wakeups", title="wake-\nups", right=True),
        Column(name="same", title="the same everywhere", gives_way=1),
        Column(name="least", title="the least important", gives_way=3),
        Column(name="more", title="a little more so", gives_way=2),
        Column(name="hidden", usual=False),
    ),
    tuple(
        Row(
            {
                "id": name,
                "wakeups": wakeups,
                "same": "x",
                "least": name,
                "more": name,
                "hidden": None,
            }
        )
        for name, wakeups in (("one", 3), ("two", None), ("three", 20))
    ),
)


def on_a_terminal(grid: Grid, width: int) -> str:
    out = io.StringIO()
    grid.print(Console(file=out, width=width, force_terminal=True, color_system=None))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def in_a_file(grid: Grid, **options: Any) -> str:
    out = io.StringIO()
    grid.print(plain_console(out, **options))
    return out.getvalue()


@pytest.mark.parametrize(
    ("width", "gone"),
    [
        (80, []),
        (70, ["same"]),
        (47, ["same", "least"]),
        (29, ["same", "least", "more"]),
    ],
)
def test_what_says_nothing_and_what_matters_least_go_first(width: int, gone: list[str]) -> None:
    text = on_a_terminal(WIDE, width)
    assert max(map(len, text.splitlines())) <= width
    order = [column for column in ("same", "least", "more") if column in gone]
    said = " ".join(text.split())
    assert (f"no room for {', '.join(order)}: widen the terminal" in said) == bool(gone)
    assert "ups" in text and "three" in text


def test_heads_are_never_broken_letter_by_letter() -> None:
    for width in range(14, 90):
        assert "wake-" in on_a_terminal(WIDE, width), width


def test_what_is_too_wide_comes_in_blocks_with_its_key() -> None:
    columns = [Column(name="figure", key=True)]
    for group in ("v3", "v4"):
        columns.append(Column(name=group, right=True))
        columns.append(Column(name=f"d{group}", title="difference", right=True, joined=True))
    grid = Grid(tuple(columns), (Row({"figure": "herd"}),))
    assert len(on_a_terminal(grid, 60).splitlines()) == 2
    lines = on_a_terminal(grid, 30).splitlines()
    assert [line.split() for line in lines] == [
        ["figure", "v3", "difference"],
        ["herd", "-", "-"],
        ["figure", "v4", "difference"],
        ["herd", "-", "-"],
    ]


def any_table(random: Random) -> Grid:
    """Return a table of any texts: none, narrow and wide ones, and ones that take no room."""
    texts = ("", "x", "-", "a few words", "漢字", "e\u0301", "1.5", "\x1b[31m", "a" * 23)
    columns = tuple(
        Column(
            name=f"c{n}",
            title=random.choice((None, "wake-\nups", "two\n\nlines", "")),
            right=random.random() < 0.5,
            wraps=random.random() < 0.2,
            gives_way=random.randrange(3) if n else 0,
            key=n == 0,
        )
        for n in range(random.randrange(1, 6))
    )
    rows = tuple(
        Row({one.name: random.choice(texts) for one in columns}, {}, random.choice(("", "red")))
        for _ in range(random.randrange(1, 6))
    )
    return Grid(columns, rows)


@pytest.mark.parametrize("seed", range(60))
def test_a_long_table_has_the_same_lines(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """rich, which lays out short tables, takes a millisecond for each row."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    random = Random(seed)
    some, width = any_table(random), random.randrange(10, 100)
    by_rich = on_a_terminal(some, width), in_a_file(some)
    monkeypatch.setattr(grid_module, "LONG", 0)
    assert (on_a_terminal(some, width), in_a_file(some)) == by_rich
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert re.sub(r"\x1b\[[0-9;]*m", "", in_a_file(some)) == by_rich[1]


def test_a_long_table_does_not_need_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("rich lays it out")

    rows = WIDE.rows * 200
    monkeypatch.setattr(grid_module, "plain_table", refuse)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    styled = replace(WIDE, rows=(replace(rows[0], style="red"), *rows[1:]))
    text = in_a_file(styled)
    assert len(text.splitlines()) == len(rows) + 2
    assert text.count("\x1b[31m") == 1 and "\x1b[31mone" in text


def test_columns_that_were_asked_for_do_not_give_way() -> None:
    grid = WIDE.chosen(Choice(columns=("least", "hidden", "least")))
    assert in_a_file(grid).splitlines()[0].split("  ") == ["the least important", "hidden"]
    assert "hidden" in in_a_file(WIDE.chosen(Choice(columns=(ALL,))))
    assert "hidden" not in in_a_file(WIDE)


def test_rows_are_sorted_with_the_unknown_at_the_end() -> None:
    def ids(sort: str) -> list[str]:
        return [row.values["id"] for row in WIDE.chosen(Choice(sort=sort)).rows]

    assert ids("wakeups") == ["one", "three", "two"]
    assert ids("-wakeups") == ["three", "one", "two"]
    assert ids("id") == ["one", "three", "two"]


@pytest.mark.parametrize("choice", [Choice(columns=("wakups",)), Choice(sort="-wakups")])
def test_an_unknown_column_is_refused_with_what_was_meant_and_what_there_is(choice: Choice) -> None:
    with pytest.raises(InputError) as refused:
        WIDE.chosen(choice)
    assert "did you mean wakeups? there are: id, wakeups, same," in str(refused.value)
    assert refused.value.exit_code == 2


def test_csv_has_the_values_of_all_columns() -> None:
    rows = (Row({"id": 'a "quoted"\n\x1b[31mname', "wakeups": 1.5, "same": [1, 2], "more": True}),)
    found = list(csv.reader(io.StringIO(Grid(WIDE.columns, rows).csv())))
    assert found[0] == ["id", "wakeups", "same", "least", "more", "hidden"]
    assert found[1] == ['a "quoted"\\n\\x1b[31mname', "1.5", "[1, 2]", "", "true", ""]


def test_a_file_gets_one_width_no_blanks_at_the_end_and_no_colour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "20")
    columns = [Column(name="id", key=True)]
    columns += [Column(name=f"{n:02}" * 10, gives_way=n) for n in range(1, 9)]
    row = Row({"id": "x", **{column.name: "" for column in columns[1:]}}, {}, "red")
    text = in_a_file(Grid(tuple(columns), (row,)))
    head = text.splitlines()[0]
    assert PAGE - 22 < len(head) <= PAGE and "\x1b" not in text
    assert not re.search(" $", text, re.M)


@pytest.mark.parametrize(
    ("variables", "colored"),
    [
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": "1"}, False),
        ({}, False),
    ],
)
def test_colour_in_a_file_is_for_those_who_force_it(
    variables: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    grid = Grid((Column(name="id"), Column(name="b")), (Row({"id": "x", "b": ""}, {}, "red"),))
    text = in_a_file(grid)
    assert ("\x1b[31m" in text) == ("\x1b" in text) == colored
    assert not re.search(r" (\x1b\[[0-9;]*m)*$", text, re.M)
    assert not plain_console(io.StringIO()).is_terminal  # a live board would move the cursor


def test_a_terminal_without_colour_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is for colours; what is bold or faint is none."""
    master, slave = os.openpty()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    with os.fdopen(slave, "w") as terminal:
        console = plain_console(terminal)
        assert console.is_terminal
        Grid((Column(name="id"),), (Row({"id": "x"}, {}, "red"),)).print(console)
    said = os.read(master, 1000).decode()
    os.close(master)
    assert "x" in said and "\x1b[31m" not in said

"""TOML: every error names the file, the line and the key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from memnotify import toml
from memnotify.errors import InputError
from pydantic import Field


class Step(toml.Table):
    at_s: int
    name: str = ""


class Inner(toml.Table):
    size: int = Field(gt=0)
    tags: list[str] = []  # noqa: RUF012


class Document(toml.Table):
    title: str
    inner: Inner
    step: list[Step] = []  # noqa: RUF012


GOOD = """\
title = "x"

[inner]
size = 3

[[step]]
at_s = 1

[[step]]
at_s = 2
name = "two"
"""


def test_a_good_document(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(GOOD)
    document = toml.load(tmp_path / "x.toml", Document)
    assert document.inner.size == 3
    assert [step.at_s for step in document.step] == [1, 2]


def test_a_mark_of_byte_order_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(GOOD, encoding="utf-8-sig")
    assert toml.load(file, Document).title == "x"
    file.write_text(GOOD.replace("size = 3", "size = 0"), encoding="utf-8-sig")
    with pytest.raises(InputError, match=r"x\.toml:4: inner\.size: "):
        toml.load(file, Document)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("size = 3", "size = 0", "4: inner.size: "),
        ("size = 3", 'size = "3"', "4: inner.size: "),
        ("size = 3", "size = 3.0", "4: inner.size: "),
        ("size = 3", "sise = 3", "4: inner.sise: unknown key (did you mean size?)"),
        ("size = 3", 'size = 3\ntags = [\n"a",\n1]', "7: inner.tags[1]: "),
        ("size = 3", "", "3: inner.size: this key is missing"),
        ("at_s = 2", 'at_s = "2"', "10: step[1].at_s: "),
        ("at_s = 2", "at_s = 2\nat = 3", "11: step[1].at: unknown key"),
        ("[inner]", "[inner", "3: not TOML"),
        ('title = "x"', 'title = "x"\ntitle = "y"', "2: not TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "x.toml"
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        toml.load(file, Document)
    assert str(caught.value).startswith(f"{file}:{said}")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        toml.load(tmp_path / "x.toml", Document)
    (tmp_path / "x.toml").write_bytes(b'title = "a"\nb = "\xff"\n')
    with pytest.raises(InputError, match=r"x\.toml:2: not UTF-8"):
        toml.load(tmp_path / "x.toml", Document)


def test_a_base_with_a_misspelt_key_in_a_source(tmp_path: Path) -> None:
    from memnotify.kernel.base import load_base
    from memnotify.places import KERNELS

    text = (KERNELS / "6.1.toml").read_text()
    assert 'package = "' in text
    (tmp_path / "6.1.toml").write_text(text.replace('package = "', 'pakage = "', 1))
    line = text[: text.index('package = "')].count("\n") + 1
    with pytest.raises(InputError) as caught:
        load_base("6.1", root=tmp_path)
    assert f"6.1.toml:{line}: source[0].pakage: unknown key" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\n[a]", "2: not TOML: a is declared twice (at line 2, column "),
        ('[a."it\'s"]\n[a."it\'s"]', "2: not TOML: a.it's is declared twice (at line 2, "),
        ("a.b = 1\n[a.b]", "2: not TOML: this key has a value already (at line 2, "),
        ("a = []\n[[a]]", "2: not TOML: a is complete and cannot be extended (at line 2, "),
        ("[a]\nb.c = 1\nb.c.d = 2", "3: not TOML: this key has a value already"),
        ("[a.b]\n[a]\nb.c = 1", "3: not TOML: a.b is declared already (at "),
    ],
)
def test_a_key_is_named_as_it_is_written(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        toml.read(file)
    assert str(caught.value).startswith(f"{file}:{said}")


class Outer(Document):
    """Tables in all places where a table can be."""

    by_name: dict[str, Inner] = {}  # noqa: RUF012
    either: int | list[Step] | Inner = 1
    marked: Annotated[list[Annotated[Step, Field()]], Field()] = []  # noqa: RUF012


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("sise = 1", None),  # a key of another table
        ("titel = 1", "did you mean title?"),
        ("inner.sise = 1", "did you mean size?"),
        ("inner.titel = 1", None),
        ("by_name.x.sise = 1", "did you mean size?"),
        ("by_name.x.titel = 1", None),
        ("step = [{ ats = 1 }]", "did you mean at_s?"),
        ("step = [{ sise = 1 }]", None),
        ("marked = [{ at_s = 1 }, { ats = 1 }]", "did you mean at_s?"),
        ("marked = [{ sise = 1 }]", None),
        ("either = { sise = 1 }", "did you mean size?"),
        ("either = [{ ats = 1 }]", "did you mean at_s?"),
    ],
)
def test_hints_are_keys_of_the_same_table(tmp_path: Path, text: str, hint: str | None) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text)
    with pytest.raises(InputError, match="unknown key") as caught:
        toml.load(file, Outer)
    assert caught.value.hint == hint


def test_keys_and_values_fit_on_one_line(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('"a\\n\\u001b[31m" = 1\n')
    with pytest.raises(InputError) as caught:
        toml.load(file, Document)
    assert str(caught.value) == f"{file}:1: a\\n\\x1b[31m: unknown key"
    for value in (f"-{'9' * 4_000}", f'"{"x" * 4_000}"', f"[{'1' * 4_000}]"):
        file.write_text(GOOD.replace("size = 3", f"size = {value}"))
        with pytest.raises(InputError, match=r"inner\.size: must be") as caught:
            toml.load(file, Document)
        assert len(str(caught.value)) < len(str(file)) + 150

"""TOML: every error names the file, the line and the key."""

from __future__ import annotations

from pathlib import Path

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

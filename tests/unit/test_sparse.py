"""Files with holes: afterwards they have the same bytes, and the same holes."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memnotify.guest import sparse
from memnotify.guest.backing import memfd

PAGE = mmap.PAGESIZE
PAGES = 24

Content = tuple[int, list[tuple[int, int]]]


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def contents() -> st.SearchStrategy[Content]:
    """Return a file's size in bytes, and the pages written to it, each full of one byte."""
    pages = st.lists(st.tuples(st.integers(0, PAGES - 1), st.integers(0, 255)), max_size=PAGES)
    return st.tuples(st.integers(0, PAGES * PAGE), pages)


def make(stack: ExitStack, content: Content) -> int:
    size, pages = content
    fd = memfd(stack, "source")
    os.truncate(fd, size)
    for page, byte in pages:
        start = page * PAGE
        os.pwrite(fd, bytes([byte]) * max(0, min(PAGE, size - start)), start)
    return fd


def read(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)


@given(contents())
def test_a_copy_has_the_same_bytes_and_the_same_holes(content: Content) -> None:
    with ExitStack() as stack:
        source, target = make(stack, content), memfd(stack, "target")
        sparse.copy(source, target)
        assert read(target) == read(source)
        assert sparse.extents(target) == sparse.extents(source)


@given(st.lists(contents(), max_size=4))
def test_what_is_packed_takes_its_data_only_and_comes_out_again(files: list[Content]) -> None:
    with ExitStack() as stack:
        sources = {str(n): make(stack, content) for n, content in enumerate(files)}
        pack = memfd(stack, "pack")
        index = sparse.pack(sources, pack)
        data = [length for fd in sources.values() for _, length in sparse.extents(fd)]
        assert os.fstat(pack).st_size == sum(data)
        assert list(index) == list(sources)
        for name, source in sources.items():
            target = memfd(stack, name)
            sparse.unpack(pack, index[name], target)
            assert read(target) == read(source)
            assert sparse.extents(target) == sparse.extents(source)


def test_on_a_disk_too(stack: ExitStack, tmp_path: Path) -> None:
    source = make(stack, (PAGES * PAGE, [(3, 7), (9, 8)]))
    file = stack.enter_context((tmp_path / "pack").open("w+b"))
    index = sparse.pack({"ram": source}, file.fileno())
    target = memfd(stack, "ram")
    sparse.unpack(file.fileno(), index["ram"], target)
    assert read(target) == read(source)
    assert (tmp_path / "pack").stat().st_size == 2 * PAGE


def test_a_pack_that_has_become_shorter_is_an_error(stack: ExitStack) -> None:
    pack = memfd(stack, "pack")
    index = sparse.pack({"ram": make(stack, (PAGE, [(0, 1)]))}, pack)
    os.truncate(pack, PAGE - 1)
    with pytest.raises(OSError, match="truncated"):
        sparse.unpack(pack, index["ram"], memfd(stack, "ram"))

"""A file that is read ahead by a thread."""

from __future__ import annotations

import gzip
import io
import random
import threading
import time

import pytest
from memnotify.read_ahead import ReadAhead

MIB = 1 << 20


class Endless:
    """A file of zeros that counts what was read of it, and fails once a limit is reached."""

    def __init__(self, limit: int | None = None) -> None:
        self.given = 0
        self.limit = limit

    def read1(self, size: int, /) -> bytes:
        if self.limit is not None and self.given >= self.limit:
            raise EOFError("cut")
        self.given += size
        return bytes(size)


def test_bytes_are_those_of_the_file_however_many_are_asked_for() -> None:
    choose = random.Random(13)
    content = choose.randbytes(3 * MIB + 7)
    parts = []
    with ReadAhead(io.BytesIO(content)) as ahead:
        while part := ahead.read(choose.choice([1, 512, 70_000, MIB - 1, MIB, MIB + 1, 2 * MIB])):
            parts.append(part)
        assert ahead.read(0) == ahead.read(1) == b""
    assert b"".join(parts) == content


def test_fewer_bytes_come_only_at_the_end() -> None:
    with ReadAhead(io.BytesIO(bytes(MIB + 10))) as ahead:
        assert len(ahead.read(MIB - 5)) == MIB - 5
        assert len(ahead.read(10)) == 10
        assert len(ahead.read(100)) == 5


def test_an_error_is_raised_after_all_bytes_before_it_and_again() -> None:
    with ReadAhead(Endless(limit=2 * MIB)) as ahead:
        assert len(ahead.read(2 * MIB)) == 2 * MIB
        for _ in range(2):
            with pytest.raises(EOFError, match="cut"):
                ahead.read(1)


def test_what_was_read_before_an_error_in_the_same_piece_is_returned() -> None:
    whole = gzip.compress(bytes(1000))
    with ReadAhead(gzip.GzipFile(fileobj=io.BytesIO(whole + b"no gzip"))) as ahead:
        assert ahead.read(1000) == bytes(1000)
        with pytest.raises(gzip.BadGzipFile):
            ahead.read(1)


def test_only_some_mib_are_read_ahead_and_nothing_once_it_is_left() -> None:
    endless = Endless()
    with ReadAhead(endless) as ahead:
        ahead.read(1)
        before = -1
        while before != endless.given:
            before = endless.given
            time.sleep(0.1)
        assert MIB < endless.given <= 16 * MIB
    left = endless.given
    assert not [one for one in threading.enumerate() if one.name == "read-ahead"]
    assert endless.given == left <= 16 * MIB

"""Reads a file ahead, in a thread of its own: one that has to be decompressed takes a core."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import Protocol, Self

_PIECE = 1 << 20  # bytes
_MOST = 8  # pieces that wait to be used


class Readable(Protocol):
    """What can be read from its start to its end."""

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, or fewer at the end."""
        ...


class Source(Protocol):
    """What is read ahead."""

    def read1(self, size: int, /) -> bytes:
        """Return at least a byte and no more than so many, or none at the end."""
        ...


class ReadAhead:
    """The bytes of a file, which is read ahead while inside.

    Nothing else may read the file meanwhile. What goes wrong as it is read is raised once all bytes
    before it have been returned: an archive may end before what is wrong with its file.
    """

    def __init__(self, file: Source) -> None:
        self._file = file
        self._piece = b""
        self._at = 0
        self._last: Exception | None = None
        self._over = False
        self._unwanted = False
        self._pieces: Queue[bytes | Exception] = Queue(_MOST)
        self._thread = Thread(target=self._fill, name="read-ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._unwanted = True
        # The thread may wait for room. Then it sees that no more is wanted.
        while not self._pieces.empty():
            self._pieces.get()
        self._thread.join()

    def _fill(self) -> None:
        while not self._unwanted:
            piece, end = self._gathered()
            if piece:
                self._pieces.put(piece)
            if end is not None:
                self._pieces.put(end)
                return

    def _gathered(self) -> tuple[bytes, bytes | Exception | None]:
        """Return a piece, and with what the file ends behind it, if it does: b"" or an error."""
        parts: list[bytes] = []
        left = _PIECE
        end: bytes | Exception | None = None
        try:
            while left and end is None:
                # read() would lose what it has when something goes wrong.
                if part := self._file.read1(left):
                    parts.append(part)
                    left -= len(part)
                else:
                    end = part
        except Exception as error:
            end = error
        return b"".join(parts), end

    def read(self, size: int, /) -> bytes:
        """Return so many bytes, or fewer at the end. Raises what reading the file raises."""
        found = self._piece[self._at : self._at + size]
        self._at += len(found)
        if len(found) == size:
            return found
        return b"".join([found, *self._next(size - len(found))])

    def _next(self, size: int) -> Iterator[bytes]:
        """Yield so many bytes of the next pieces, or fewer at the end."""
        while size and self._fetch():
            yield self._piece[:size]
            self._at = min(size, len(self._piece))
            size -= self._at

    def _fetch(self) -> bool:
        """Take the next piece. Returns whether there is one."""
        if not self._over:
            got = self._pieces.get()
            self._over = not got or isinstance(got, Exception)
            if isinstance(got, Exception):
                self._last = got
            else:
                self._piece, self._at = got, 0
        if self._last is not None:
            raise self._last
        return not self._over

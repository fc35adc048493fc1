"""Download files: resume interrupted downloads, and give a file its name only when complete.

A partial file is kept as `NAME.part`, with a note of where it came from. It is resumed only if the
server confirms that the file is unchanged; otherwise it is fetched again from the start.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from memnotify.digest import digest_file
from memnotify.errors import InfrastructureError
from memnotify.files import replace_text
from memnotify.store import Store

_TRIES = 3
_MOST_BYTES = 2 << 30
_PARTIAL = 206
_RANGE_REFUSED = 416
_REMEMBERED_S = 600.0
_JUST_NOW_S = 60.0


class Refused(InfrastructureError):
    """A server answered, but not with the file."""

    def __init__(self, url: str, status: int, reason: str) -> None:
        super().__init__("source", f"{url}: {status} {reason}")
        self.status = status


class _BrokenOff(InfrastructureError):
    """A connection ended before the file did."""


@dataclass(frozen=True, slots=True)
class _Silence:
    """When a host could not be reached, in seconds since the epoch, and why."""

    at: float
    reason: str


def _broken() -> tuple[type[Exception], ...]:
    """Return what a broken connection raises."""
    import http.client

    return OSError, http.client.HTTPException


class Web:
    """Opens URLs. A host that could not be reached is not tried again, to save time.

    `patience` is the timeout in seconds without data. With a `memory`, a file, other processes do
    not try it for ten minutes either, such as those that follow in one `make demo`.
    """

    def __init__(self, *, patience: float = 10.0, memory: Path | None = None) -> None:
        self._patience = patience
        self._memory = memory
        self._silent = _remembered(memory)

    @property
    def silent(self) -> dict[str, str]:
        """The hosts that could not be reached, and when: "at 14:05", or "" if just now."""
        now = time.time()
        return {
            host: time.strftime("at %H:%M", time.localtime(silence.at))
            if now - silence.at > _JUST_NOW_S
            else ""
            for host, silence in self._silent.items()
        }

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """Return the response.

        Raises Refused for an HTTP error, InfrastructureError if the server cannot be reached.
        """
        # They bring what reads mails, among others, and hardly any command downloads anything.
        import urllib.error
        import urllib.request

        host = urlsplit(url).netloc
        if host not in self._silent:
            request = urllib.request.Request(url, headers=dict(headers or {}))
            try:
                return urllib.request.urlopen(request, timeout=self._patience)
            except urllib.error.HTTPError as error:
                with error:
                    raise Refused(url, error.code, error.reason) from error
            except _broken() as error:
                reason = error.reason if isinstance(error, urllib.error.URLError) else error
                why = getattr(reason, "strerror", None) or str(reason)
                self._silent[host] = _Silence(time.time(), why)
                self._remember()
        raise InfrastructureError("source", f"{url}: {self._silent[host].reason}")

    def _remember(self) -> None:
        if self._memory is None:
            return
        known = {host: asdict(silence) for host, silence in self._silent.items()}
        with contextlib.suppress(OSError):  # it is only there to save time
            replace_text(self._memory, json.dumps(known))

    def read(self, url: str) -> str:
        """Return a text of at most 16 MiB. Raises as `open` does, or if the connection breaks."""
        with self.open(url) as response:
            try:
                return bytes(response.read(16 << 20)).decode(errors="replace")
            except _broken() as error:
                raise _BrokenOff("source", f"{url}: {error}") from error


def remembering(store: Store, *, patience: float = 10.0) -> Web:
    """Return a Web with a memory in the store."""
    return Web(patience=patience, memory=store.folder("downloads") / "no-answer.json")


def _remembered(memory: Path | None) -> dict[str, _Silence]:
    found: dict[str, _Silence] = {}
    now = time.time()
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, LookupError):
        for host, silence in json.loads(memory.read_text("utf-8") if memory else "{}").items():
            if 0 <= now - silence["at"] < _REMEMBERED_S:
                found[host] = _Silence(silence["at"], str(silence["reason"]))
    return found


def download(url: str, target: Path, sha256: str | None, *, web: Web | None = None) -> str:
    """Download a file; it gets its name only when it is complete and has this checksum.

    Returns its SHA-256; None accepts any. Raises InfrastructureError if the download fails, which
    keeps the partial file for the next time, or if the checksum differs, which discards it.
    """
    web = web or Web()
    part = _Part(target)
    for left in reversed(range(_TRIES)):
        try:
            part.fetch(url, web)
            break
        except _BrokenOff:
            if not left:
                raise
    found = digest_file(part.path)
    if sha256 not in (None, found):
        part.discard()
        raise wrong_checksum(url, str(sha256), found)
    part.path.rename(target)
    part.discard()
    return found


def wrong_checksum(name: str, expected: str, found: str) -> InfrastructureError:
    return InfrastructureError(
        "checksum", f"{name}: its SHA-256 is {found}, but {expected} was expected; file discarded"
    )


@dataclass(frozen=True)
class _Note:
    """The file that a part belongs to. `validator` is its ETag or Last-Modified."""

    url: str
    validator: str
    size: int


class _Part:
    """The partial file of a download."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(target.name + ".part")
        self._note_file = target.with_name(target.name + ".part.json")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note_file.unlink(missing_ok=True)

    def fetch(self, url: str, web: Web) -> None:
        """Fetch the missing rest."""
        note = self._note(url)
        start = self.path.stat().st_size if note else 0
        if note and start == note.size:
            return
        headers = {"Range": f"bytes={start}-", "If-Range": note.validator} if note else {}
        try:
            response = web.open(url, headers)
        except Refused as error:
            if not note or error.status != _RANGE_REFUSED:
                raise
            self.discard()
            raise _BrokenOff("source", str(error)) from error
        with response:
            if response.status == _PARTIAL:
                if note is None or _range(response.headers) != (start, note.size):
                    self.discard()
                    raise _BrokenOff(
                        "source", f"{url}: the server did not send the part that was requested"
                    )
            else:
                start = 0
                self._begin(url, response.headers)
            self._receive(url, response, start)

    def _note(self, url: str) -> _Note | None:
        try:
            note = _Note(**json.loads(self._note_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        fits = note.url == url and self.path.exists() and self.path.stat().st_size <= note.size
        return note if fits else None

    def _begin(self, url: str, headers: Mapping[str, str]) -> None:
        self.discard()
        tag = headers.get("ETag") or ""
        # A weak tag may stay the same when bytes change.
        validator = tag if tag.startswith('"') else headers.get("Last-Modified")
        size = headers.get("Content-Length") or ""
        if validator and size.isdecimal():
            note = _Note(url, validator, int(size))
            self._note_file.write_text(json.dumps(asdict(note)), encoding="utf-8")

    def _receive(self, url: str, response: Any, start: int) -> None:
        length = response.headers.get("Content-Length")
        got = start
        with self.path.open("ab" if start else "wb") as file:
            for block in _blocks(url, response):
                file.write(block)
                got += len(block)
                if got > _MOST_BYTES:
                    self.discard()
                    raise InfrastructureError("source", f"{url}: larger than any kernel")
        # A connection that is closed early looks like the end of the file.
        if length is not None and got != start + int(length):
            raise _BrokenOff("source", f"{url}: connection closed after {got} bytes")


def _blocks(url: str, response: IO[bytes]) -> Iterator[bytes]:
    try:
        while block := response.read(1 << 20):
            yield block
    except _broken() as error:
        raise _BrokenOff("source", f"{url}: connection lost: {error}") from error


def _range(headers: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the start of a part, and the size of the whole file."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range") or "")
    return None if found is None else (int(found[1]), int(found[2]))

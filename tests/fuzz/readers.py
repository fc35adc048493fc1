"""Fuzz the readers of mails, pages and diffs, guided by the coverage of `memnotify.mailpatch`.

    python -m tests.fuzz.readers run CORPUS --seconds 3600
    python -m tests.fuzz.readers minimise CORPUS --into FOLDER

`run` needs atheris (pip install atheris; it is in none of the project's lists, see
docs/howto/testing.md). It begins with the mails of `tests/fuzz/check.py` and with whatever the
folder CORPUS has, and adds each input that reaches something new. An input that breaks what `check`
promises, or takes more than --slow seconds, is written to CORPUS.found, once for each place in the
code. The exit status is 1 if there is any.

`minimise` needs no atheris: of the inputs, the smallest first, it keeps those that reach a pair of
consecutive lines that none before them reached.
"""

from __future__ import annotations

import argparse
import atexit
import hashlib
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

_WORDS = (
    *("diff --git a/mm/lamp.c b/mm/lamp.c", "--- a/mm/lamp.c", "+++ b/mm/lamp.c", "--- /dev/null"),
    *("@@ -1,3 +1,4 @@", "@@ -0,0 +1,2 @@", "@@ -4 +4 @@", "new file mode 100644", "---", "-- "),
    *("rename from ", "rename to ", "deleted file mode 100644", "index 0000000..1111111"),
    *("Content-Type: text/plain; charset=", "; format=flowed", "; delsp=yes", "multipart/mixed"),
    *("Content-Transfer-Encoding: ", "base64", "quoted-printable", "=3D", "=20", "message/rfc822"),
    *("From: ", "Subject: [PATCH 1/2] ", "Date: ", "Message-Id: <", "=?utf-8?q?", "From a@b Mon"),
    *("<html>", "<pre>", "</pre>", "<br />", "&lt;", "&amp;lt;", "&nbsp;", "> ", "> > ", "\\ No"),
    *(
        "-----BEGIN PGP SIGNED MESSAGE-----",
        "- -",
        "commit 0123456789012345678901234567890123456789",
    ),
    *("Index: ", "\n+", "\n-", "\n ", "\r\n", "\t", " 1 file changed, 1 insertion(+)", " | 2 +-"),
)
_LONGEST = 4096  # bytes of an input


class Findings:
    """The inputs that broke something, one for each place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seen: set[str] = set()

    def add(self, kind: str, data: bytes, text: str) -> None:
        name = hashlib.sha1(kind.encode(), usedforsecurity=False).hexdigest()[:12]
        if name in self.seen:
            return
        self.seen.add(name)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.mail").write_bytes(data)
        (self.folder / f"{name}.txt").write_text(text)
        print(f"found: {kind}", file=sys.stderr, flush=True)


def guarded(check: Callable[[bytes], str], found: Findings, slow: float) -> Callable[[bytes], None]:
    """Return a function that checks an input, and writes down what is wrong instead of ending."""

    def one(data: bytes) -> None:
        began = time.process_time()
        try:
            check(data)
        except Exception as error:
            frames = [
                frame for frame in traceback.extract_tb(error.__traceback__) if "memno" in frame[0]
            ]
            place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
            what = str(error).split(":")[0][:60] if isinstance(error, AssertionError) else ""
            found.add(f"{type(error).__name__} {place} {what}", data, traceback.format_exc())
        spent = time.process_time() - began
        if spent > slow:
            found.add("slow", data, f"{spent:.1f} s of CPU time\n")

    return one


def _run(corpus: Path, seconds: int, slow: float) -> int:
    import atheris

    with atheris.instrument_imports(include=["memnotify.mailpatch"]):
        from tests.fuzz import check as module
    corpus.mkdir(parents=True, exist_ok=True)
    for name, data in module.seeds():
        if len(data) <= _LONGEST:
            (corpus / name).write_bytes(data)
    found = Findings(corpus.with_name(corpus.name + ".found"))
    words = corpus.with_name(corpus.name + ".words")
    escaped = (
        "".join(c if c.isalnum() or c == " " else f"\\x{ord(c):02x}" for c in word)
        for word in _WORDS
    )
    words.write_text("".join(f'"{word}"\n' for word in escaped))
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST}",
        f"-dict={words}",
        "-timeout=120",
        "-rss_limit_mb=4096",
        "-len_control=0",
        f"-artifact_prefix={found.folder}-",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], guarded(module.check, found, slow))
    # libFuzzer ends the process itself.
    atexit.register(lambda: os._exit(1) if found.seen else None)
    atheris.Fuzz()
    return 0


def reached(check: Callable[[bytes], str], data: bytes) -> set[tuple[str, int, int]]:
    """Return the pairs of consecutive lines of `memnotify.mailpatch` that an input reaches."""
    arcs: set[tuple[str, int, int]] = set()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        name = frame.f_code.co_filename
        if "/mailpatch/" not in name:
            return None
        before = frame.f_lineno

        def line(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal before
            if event == "line":
                arcs.add((name, before, frame.f_lineno))
                before = frame.f_lineno
            return line

        return line

    sys.settrace(trace)
    try:
        check(data)
    finally:
        sys.settrace(None)
    return arcs


def _minimise(corpus: Path, into: Path) -> int:
    from tests.fuzz.check import check

    into.mkdir(parents=True, exist_ok=True)
    known: set[tuple[str, int, int]] = set()
    kept = 0
    files = sorted(corpus.iterdir(), key=lambda file: (file.stat().st_size, file.name))
    for file in files:
        data = file.read_bytes()
        try:
            fresh = reached(check, data) - known
        except Exception as error:
            print(f"{file}: {type(error).__name__}: {str(error)[:100]}")
            continue
        if fresh:
            known |= fresh
            kept += 1
            name = hashlib.sha1(data, usedforsecurity=False).hexdigest()[:16]
            (into / name).write_bytes(data)
    print(f"{kept} of {len(files)} inputs reach {len(known)} pairs of lines")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.readers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("run", help="fuzz, and collect inputs in a folder")
    run.add_argument("corpus", type=Path)
    run.add_argument("--seconds", type=int, default=3600, help="how long (3600)")
    run.add_argument("--slow", type=float, default=10, help="CPU seconds that are too many (10)")
    less = actions.add_parser("minimise", help="copy the inputs that are needed")
    less.add_argument("corpus", type=Path)
    less.add_argument("--into", type=Path, required=True)
    args = parser.parse_args()
    if args.action == "run":
        return _run(args.corpus, args.seconds, args.slow)
    return _minimise(args.corpus, args.into)


if __name__ == "__main__":
    sys.exit(main())

"""Clients that are programs of the user's own: their sources, their binaries, and how they compile.

A C file is compiled like the guest program, by the same compiler and for the same processors, and
linked with images/client/watch.c, which logs what the program waits for.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import shutil
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from memnotify import places
from memnotify.digest import digest_file, digest_value
from memnotify.errors import InputError
from memnotify.files import open_file, read_bytes
from memnotify.image.program import TARGETS, compiler_version, need_compiler, zig_cc
from memnotify.model import Arch
from memnotify.process import CommandFailed, CommandLog
from memnotify.scenario import Program
from memnotify.store import Store
from memnotify.text import shown
from memnotify.units import BYTES_PER_MIB

MAX_PROGRAMS = 15
"""Programs of a cell; the relay of the guest program (own_relay.c) has room for so many."""

_NAME_BYTES = 15  # what Linux keeps of the name of a process
_FLAGS = (
    *("-std=gnu11", "-D_GNU_SOURCE", "-static", "-s", "-O2", "-Wall", "-fno-sanitize=all"),
    "-UNDEBUG",  # zig defines it when it optimizes, and no assert() would ever fail
)
_WRAPPED = (
    *("open", "openat", "close", "fclose", "dup", "dup2", "dup3", "read"),
    *("poll", "epoll_ctl", "epoll_wait", "epoll_pwait"),
)
_WITH_TIME = ("ppoll", "select", "pselect")
# A line of the preprocessor may go on after a backslash, and have comments in it.
_GLUED = re.compile(rb"\\[ \t]*\r?\n")
_COMMENT = re.compile(rb"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|/\*.*?\*/|//[^\n]*""", re.S)
_TAKES = re.compile(
    rb"^[ \t]*(?:#|%:)[ \t]*(?:include_next|include|import|embed)\b[ \t]*(?P<what>[^\n]*)", re.M
)
_NAMED = re.compile(rb'"(?P<beside>[^"\n]+)"|<(?P<ours>[^>\n]+)>')
_PLAIN = re.compile(r"[\w.,+@ -]+")  # names of files that no message is misread for
_INCBIN = re.compile(rb"\.incbin\b")
_MOST_BYTES = 16 << 20
"""Of a C file with all that it includes."""
# Otherwise assert() would put the folder of the build into the binary, which would always differ.
_AS_IF_HERE = "-ffile-prefix-map={}=."
_ERROR = re.compile(
    r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):\d+: (?:fatal )?error: (?P<what>.*)$", re.M
)
_UNDEFINED = re.compile(r"undefined (?:symbol|reference)[^\n]*")

_KERNEL_MIB = 8  # what a guest needs beside its programs, at the very least

_ELF, _CLASSES = b"\x7fELF", {1: Arch.I386, 2: Arch.X86_64}
_MACHINES = {Arch.I386: 3, Arch.X86_64: 62}
_STARTED = (2, 3)  # types of files that can be: programs at a fixed address, and at any (PIE)
_INTERPRETER = 3  # a program header
_HEADERS = {Arch.I386: "<16xHHIIIIIHHH", Arch.X86_64: "<16xHHIQQQIHHH"}


def name_of(path: Path) -> str:
    """Return the name of a program for tables, as a file and as a process."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-.") or "client"
    return stem[:_NAME_BYTES] + (path.suffix if path.suffix == ".c" else "")


def sources_of(path: Path) -> dict[str, bytes]:
    """Return a C file and the files beside it that it includes, by path relative to its folder.

    Raises OSError if the file itself cannot be read, and InputError for what would be in the binary
    and not in its digest, or has no end: a file that is named by an absolute path, by one that
    leads out of the folder, or by a macro; a device, a pipe or a folder; and more than
    _MOST_BYTES. What is missing of the others, the compiler says.
    """
    found = {path.name: _bounded(path, 0)}
    todo = [path.name]
    while todo:
        name = todo.pop()
        for inner in _taken(name, found[name]):
            there = path.parent / inner
            if inner in found or not there.exists():
                continue
            if not there.is_file():
                kind = "a folder" if there.is_dir() else "not a regular file"
                raise InputError(f"{name} includes {shown(inner)}, which is {kind}")
            found[inner] = _bounded(there, sum(map(len, found.values())))
            todo.append(inner)
    return found


def _bounded(path: Path, before: int) -> bytes:
    with open_file(path) as file:
        data = file.read(_MOST_BYTES - before + 1)
    if before + len(data) > _MOST_BYTES:
        raise InputError(
            f"{shown(path.name)} makes the source larger than {_MOST_BYTES >> 20} MiB",
            hint="let the program compute its data",
        )
    return data


def _taken(name: str, content: bytes) -> Iterator[str]:
    """Yield the files beside a source that it includes, by paths relative to its folder."""
    text = _COMMENT.sub(lambda found: found[1] or b" ", _GLUED.sub(b"", content))
    if _INCBIN.search(text):
        raise InputError(
            f"{name} has .incbin, whose file may change unseen",
            hint="make an array of it, in a file that is included",
        )
    for line in _TAKES.finditer(text):
        named = _NAMED.match(line["what"])
        if named is None:
            raise InputError(
                f"{name} includes a file that a macro names, which may change unseen: "
                f"{shown(line['what'].decode(errors='replace').strip())}",
                hint="write its name after the directive",
            )
        word = (named["beside"] or named["ours"]).decode(errors="replace")
        inner = posixpath.normpath(posixpath.join(posixpath.dirname(name), word))
        out = inner.startswith("..") if named["beside"] else ".." in Path(word).parts
        if posixpath.isabs(word) or out:
            raise InputError(
                f"{name} includes {word}, which may change unseen",
                hint="copy it into the folder of the source, and include it from there",
            )
        if named["beside"]:
            yield inner


def digest_of(path: Path, files: Mapping[str, bytes]) -> str:
    """Return the digest of a source with what it includes or, without `files`, of a binary."""
    if not files:
        return hashlib.sha256(read_bytes(path)).hexdigest()
    return digest_value({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})


def binary_problem(path: Path, arches: Sequence[Arch]) -> tuple[str, str] | None:
    """Return why a guest cannot run a binary, and what to do; None if it can. Raises OSError."""
    data = read_bytes(path)
    if data[:4] != _ELF or len(data) < 64:
        return (
            "neither a C file nor a program for Linux",
            "name a file that ends in .c, or a binary",
        )
    arch = _CLASSES.get(data[4])
    if arch is None or struct.unpack_from("<H", data, 18)[0] != _MACHINES[arch]:
        return "a program for another processor", "build it for x86"
    if others := [other for other in arches if other is not arch]:
        why = f"a program for {arch}, and the campaign has guests of {', '.join(others)}"
        return why, "use one campaign for each architecture, or a C file"
    form, _, _, entry, start, _, _, _, size, count = struct.unpack_from(_HEADERS[arch], data)
    if form not in _STARTED or not entry:
        return "not a whole program: an object file or a library", "link it with -static"
    kinds = [data[at : at + 4] for at in range(start, start + size * count, size or 1)]
    if struct.pack("<I", _INTERPRETER) in kinds:
        return "it is linked dynamically, and a guest has no libraries", "link it with -static"
    return None


def refuse_no_room(what: str, size: int, memory_mib: int) -> None:
    """Raise InputError if programs of so many bytes cannot be in a guest of so much memory.

    It has them twice while it boots: in the initramfs, and unpacked.
    """
    most = max(0, memory_mib - _KERNEL_MIB) * BYTES_PER_MIB // 2
    if size > most:
        raise InputError(
            f"{what} takes {size / BYTES_PER_MIB:.1f} MiB, and a guest of {memory_mib} MiB has "
            f"room for {most / BYTES_PER_MIB:.0f} MiB: it has its programs twice while it boots",
            hint="raise memory_mib, or make the program smaller, such as with strip",
        )


def _recipe(program: Program, files: Mapping[str, bytes], arch: Arch) -> dict[str, Any]:
    ours = {path.name: digest_file(path) for path in _ours()}
    return {
        "arch": str(arch),
        "name": program.name,
        "source": digest_of(Path(program.path), files),
        "watch": ours,
        "flags": [*TARGETS[arch], *_flags(arch), _AS_IF_HERE],
    }


def _ours() -> tuple[Path, ...]:
    guest = places.IMAGES / "guest"
    return (
        *places.data_files(places.IMAGES / "client", "*.c"),
        guest / "own/own.h",
        guest / "record.h",
    )


def _flags(arch: Arch) -> tuple[str, ...]:
    timed = (f"__{name}_time64" if arch is Arch.I386 else name for name in _WITH_TIME)
    return (*_FLAGS, *(f"-Wl,--wrap={name}" for name in (*_WRAPPED, *timed)))


def ensure_client(program: Program, arch: Arch, *, store: Store, log: CommandLog) -> bytes:
    """Return the binary of a program; compile it unless the store has it.

    Raises InputError if the file has changed since the campaign was read, or does not compile, and
    InfrastructureError if there is no compiler.
    """
    path = Path(program.path)
    try:
        files = sources_of(path) if program.is_source else {}
        content = b"" if files else read_bytes(path)
        digest = digest_of(path, files)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    if digest != program.digest:
        raise InputError("changed since the campaign was read", file=path, hint="run it again")
    if not files:
        return content
    need_compiler(f"{path} must be compiled")
    inputs = _recipe(program, files, arch) | {"compiler": compiler_version()}

    def build(work: Path) -> Mapping[str, Any]:
        folder = work / "source"
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        source = folder / path.name
        if not _PLAIN.fullmatch(path.name):  # the compiler writes it into its messages
            source = source.rename(folder / f"source-{program.name}")
        compile_client(source, work / "client", arch, path, store=store, log=log)
        shutil.rmtree(folder)
        return {}

    return store.publish("client", inputs, build).file("client").read_bytes()


def compile_client(
    source: Path, output: Path, arch: Arch, told: Path, *, store: Store, log: CommandLog
) -> None:
    """Compile a C file, which is a copy of the file `told`; errors name the latter.

    Raises InputError with the compiler's first error.
    """
    watch, *headers = _ours()
    folders = [word for header in headers for word in ("-idirafter", header.parent)]
    as_if_here = _AS_IF_HERE.format(source.parent)
    command = [*TARGETS[arch], *_flags(arch), as_if_here, *folders, "-o", output, source, watch]
    try:
        zig_cc(command, store=store, log=log)
    except CommandFailed as error:
        if error.timed_out:
            raise
        raise _refusal(error.done.said, source, told) from error


def _refusal(said: str, source: Path, told: Path) -> InputError:
    found = _ERROR.search(said)
    if found is not None:
        file = Path(found["file"])
        inside = file.is_relative_to(source.parent)
        if file == source:
            file = told
        elif inside:
            file = told.parent / file.relative_to(source.parent)
        return InputError(found["what"], file=file, line=int(found["line"]))
    missing = _UNDEFINED.search(said)
    lines = [line for line in said.splitlines() if line.strip()]
    return InputError(missing[0] if missing else (lines or ["does not compile"])[0], file=told)

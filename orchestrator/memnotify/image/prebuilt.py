"""images/prebuilt: the guest program as a compiler made it, so that users need no such compiler.

`made.toml` names the compiler and, for each architecture, the digest of the sources and that of the
program. A program is used only for exactly these sources.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from memnotify import places
from memnotify.errors import InfrastructureError
from memnotify.files import read_bytes
from memnotify.model import Arch
from memnotify.toml import load

_Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
_MADE = "made.toml"
_REMEDY = "restore the folder with git, or compile it again with `memnotify image prebuild`"


class _Program(BaseModel):
    """The SHA-256 of what a program was made from (see `program.ensure_program`), and its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    sources: _Digest
    program: _Digest


class _Made(BaseModel):
    """The content of made.toml: read by this module, written by `memnotify image prebuild`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    compiler: str
    program: dict[Arch, _Program]
    own: dict[Arch, _Program] = {}


def _folder() -> Path:
    return places.IMAGES / "prebuilt"


def path(arch: Arch, *, own: bool = False) -> Path:
    """Return where the program for an architecture is, if there is one.

    `own`: that for images with programs of the user's own.
    """
    return _folder() / f"{'agent-own' if own else 'agent'}-{arch}"


def compiler() -> str | None:
    """Return the package and version of the compiler of the prebuilt programs, if there are any."""
    made = _made()
    return None if made is None else made.compiler


def _made() -> _Made | None:
    file = _folder() / _MADE
    return load(file, _Made) if file.exists() else None


def program(arch: Arch, sources: str, *, own: bool = False) -> bytes | None:
    """Return the program made from the sources with this digest, or None if there is none.

    Raises InfrastructureError if the file is not the program that made.toml names, and InputError
    if it cannot be read or made.toml is not valid.
    """
    made = _made()
    found = None if made is None else (made.own if own else made.program).get(arch)
    if found is None or found.sources != sources:
        return None
    content = read_bytes(path(arch, own=own))
    if hashlib.sha256(content).hexdigest() != found.program:
        raise InfrastructureError(
            "image", f"{path(arch, own=own)} is not the program that {_MADE} names", hint=_REMEDY
        )
    return content


def write(
    programs: Mapping[tuple[Arch, bool], tuple[str, bytes]], *, compiler: str
) -> tuple[Path, ...]:
    """Write programs, each with the digest of its sources; return the files.

    They are those of an architecture without and with programs of the user's own.

    Raises InfrastructureError if the folder cannot be written.
    """
    lines = [
        "# What these programs were made from. `memnotify image prebuild` writes this file.",
        f'compiler = "{compiler}"',
    ]
    files = []
    try:
        _folder().mkdir(exist_ok=True)
        for (arch, own), (sources, content) in programs.items():
            file = path(arch, own=own)
            file.write_bytes(content)
            file.chmod(0o755)
            files.append(file)
            digest, table = hashlib.sha256(content).hexdigest(), "own" if own else "program"
            lines += ["", f"[{table}.{arch}]", f'sources = "{sources}"', f'program = "{digest}"']
        made = _folder() / _MADE
        made.write_text("\n".join([*lines, ""]), encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(
            "image", f"{error.filename}: cannot be written: {error.strerror}"
        ) from error
    return (*files, made)

"""Digests of files, folders and JSON values: the names of everything that memnotify keeps."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from memnotify.files import open_file

_SEAL = "seal"

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal. Raises as `files.open_file` does."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_value(value: object) -> str:
    """Return the SHA-256 of a JSON value in canonical form, in hexadecimal."""
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a JSON object with its own digest added."""
    return {**value, _SEAL: digest_value(value)}


def seal_holds(value: Mapping[str, Any]) -> bool:
    """Return whether an object is unchanged. An object without a seal (older versions) passes."""
    rest = {key: item for key, item in value.items() if key != _SEAL}
    return _SEAL not in value or value[_SEAL] == digest_value(rest)


def digest_tree(root: Path, *, skip: frozenset[str] = frozenset({".git"})) -> str:
    """Return one SHA-256 over names and contents of all files below a folder.

    Of a file's mode, only whether its owner may run it: the rest is of the umask. `skip` are names
    of folders and files; in a work tree of git, `.git` is a file.
    """
    total = hashlib.sha256()
    for folder, names, files in os.walk(root):
        # By bytes: what the names are as text depends on the locale.
        names[:] = sorted((name for name in names if name not in skip), key=os.fsencode)
        found = [name for name in files if name not in skip]
        found += [name for name in names if (Path(folder) / name).is_symlink()]
        for name in sorted(found, key=os.fsencode):
            path = Path(folder) / name
            relative = path.relative_to(root)
            if path.is_symlink():
                line = f"link {relative} {path.readlink()}"
            else:
                runs = 0o111 if path.stat().st_mode & 0o100 else 0
                line = f"file {relative} {runs:o} {digest_file(path)}"
            total.update(os.fsencode(line) + b"\0")
    return total.hexdigest()

"""The environment of the programs that the testbed starts: constructed, and not inherited.

A caller's shell, git hook, make or tracer sets variables that change what a program does or prints.
A variable of the caller's reaches a program only if it stands here, with the reason.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Allowed = Mapping[str, str]
"""Names of variables, and for each why it may reach a program."""

EVERY: Allowed = {
    "PATH": "where programs are, the user's own builds among them",
    "LD_LIBRARY_PATH": "where a Python or QEMU outside the system's folders has its libraries",
    "TMPDIR": "where there is space for temporary files",
}
COMPILER: Allowed = {
    "HOME": "a compiler that the user names may be a script with settings of its own",
}
PYTHON: Allowed = {
    "HOME": "where pip installs packages for one user",
    "PYTHONHOME": "where this Python has its own modules",
    "PYTHONPATH": "where this Python has its packages",
    "PYTHONUSERBASE": "where pip installs packages for one user",
}
MAILS: Allowed = {
    "XDG_CACHE_HOME": "where b4 keeps the threads that it has fetched",
    "XDG_DATA_HOME": "where b4 keeps its own data",
}
NETWORK: Allowed = {
    **{
        name: "the way to the network; it may hold a password, so it is not logged"
        for lower in ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
        for name in (lower, lower.upper())
    },
    "SSL_CERT_FILE": "certificates of a proxy",
    "SSL_CERT_DIR": "certificates of a proxy",
    "REQUESTS_CA_BUNDLE": "certificates of a proxy, for Python programs",
    "CURL_CA_BUNDLE": "certificates of a proxy, for Python programs",
    "APT_CONFIG": "where apt's configuration is, if not in /etc/apt",
}
TERMINAL: Allowed = {
    "HOME": "where a program at the user's terminal keeps its history",
    "INPUTRC": "the user's keys",
    "TERM": "what the terminal can do",
    "TERMINFO": "what the terminal can do",
    "COLORTERM": "what the terminal can do",
    "LINES": "the size of the terminal",
    "COLUMNS": "the size of the terminal",
    "LANG": "the encoding of the terminal",
    "LC_ALL": "the encoding of the terminal",
    "LC_CTYPE": "the encoding of the terminal",
}

_FIXED = {"LC_ALL": "C", "TZ": "UTC"}
"""What every program gets: its output is read by this package, or is the same on all machines."""

_FOLDERS = ("TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH")
"""Lists of folders, made absolute as those of PATH: programs run in other folders."""

_SECRET = frozenset(NETWORK)


def construct(
    *allowed: Allowed,
    given: Mapping[str, str] | None = None,
    caller: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment of a program: what it is `given`, and what the lists allow.

    `caller` is the environment to take from (default: this process's). Without a PATH in it, the
    system's default applies. Relative folders are made absolute, because programs run in others.
    """
    caller = os.environ if caller is None else caller
    names = {name for table in (EVERY, *allowed) for name in table}
    found = {name: caller[name] for name in sorted(names) if name in caller}
    found["PATH"] = _absolute(found.get("PATH", os.defpath).split(os.pathsep))
    for name in _FOLDERS:
        if found.get(name):
            found[name] = _absolute(found[name].split(os.pathsep))
    fixed = {} if TERMINAL in allowed else _FIXED
    return {**found, **fixed, **(given or {})}


def _absolute(folders: Iterable[str]) -> str:
    return os.pathsep.join(str(Path(folder).absolute()) for folder in folders)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment as it may be logged: a password could be in the others' values."""
    return {name: value for name, value in environment.items() if name not in _SECRET}


def secret_names(environment: Mapping[str, str]) -> list[str]:
    """Return the variables of an environment whose values are not logged."""
    return [name for name in environment if name in _SECRET]


def shell_line(argv: Sequence[str], cwd: Path | None, environment: Mapping[str, str]) -> str:
    """Return a shell line that replays a command; it takes secrets from the shell that runs it."""
    words = [f"{name}={shlex.quote(value)}" for name, value in without_secrets(environment).items()]
    words += [f'{name}="${name}"' for name in secret_names(environment)]
    line = " ".join(["env -i", *words, shlex.join(argv)])
    return line if cwd is None else f"cd -- {shlex.quote(str(cwd))} && {line}"

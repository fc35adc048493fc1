"""The completion scripts: shtab writes them from the parsers of the commands."""

from __future__ import annotations

import argparse
import re
from textwrap import dedent
from types import MappingProxyType

import shtab

from memnotify.cli.completion.values import VALUES


def script(shell: str) -> str:
    """Return the completion script of a shell, one of SHELLS."""
    from memnotify.cli.main import parser  # which imports this module

    top = parser()
    _mark(top)
    text = shtab.complete(top, shell, preamble=_PREAMBLE[shell])
    return _HEAD.sub("# Written by memnotify completion; --help says where it belongs.\n", text, 1)


# shtab's own advice names other places, and a line in .bashrc that bash does not need.
_HEAD = re.compile(r"^# AUTOMATICALLY GENERATED.*\n(?:#.*\n)*", re.MULTILINE)


def _mark(parser: argparse.ArgumentParser) -> None:
    """Tell shtab how each argument of a parser and of its subcommands is completed."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            summaries = {entry.dest: entry.help for entry in action._get_subactions()}
            for name, command in action.choices.items():
                command.description = summaries[name]  # one line; a description has several
                _mark(command)
        elif action.choices is None and isinstance(action.metavar, str):
            completer = _COMPLETERS.get(action.metavar)
            if completer is not None:
                action.complete = completer  # type: ignore[attr-defined]


_OR_FOLDERS = ("runs", "series")
"""The kinds for which a folder may be named instead."""

_PREAMBLE = MappingProxyType(
    {
        "bash": dedent("""\
            _memnotify_values() {
              local IFS=$'\\n'
              compgen -W "$(memnotify completion bash --values "$1" \\
                "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)" -- "$2"
            }
            """)
        + "".join(f'_memnotify_{kind}() {{ _memnotify_values {kind} "$1"; }}\n' for kind in VALUES)
        + "".join(
            f'_memnotify_dir_or_{kind}() {{ _memnotify_values {kind} "$1"; compgen -d -- "$1"; }}\n'
            for kind in _OR_FOLDERS
        ),
        "zsh": dedent("""\
            _memnotify_values() {
              local -a found
              found=(${(f)"$(memnotify completion zsh --values $1 \\
                ${words[1,CURRENT-1]} 2>/dev/null)"})
              compadd -a found
            }
            _memnotify_toml() { _files -g '*.toml' }
            """)
        + "".join(f"_memnotify_{kind}() {{ _memnotify_values {kind} }}\n" for kind in VALUES)
        + "".join(
            f"_memnotify_dir_or_{kind}() {{ _memnotify_values {kind}; _files -/ }}\n"
            for kind in _OR_FOLDERS
        ),
        "fish": dedent("""\
            function _memnotify_values
              memnotify completion fish --values $argv[1] (commandline -opc)[2..] 2>/dev/null
            end
            """),
    }
)


def _values(kind: str) -> dict[str, str]:
    name = f"_memnotify_{kind}"
    return {"bash": name, "zsh": name, "fish": f"(_memnotify_values {kind})"}


def _folder_or(kind: str) -> dict[str, str]:
    name = f"_memnotify_dir_or_{kind}"
    fish = f"(_memnotify_values {kind}; __fish_complete_directories)"
    return {"bash": name, "zsh": name, "fish": fish}


# With shtab's own pattern for zsh, no file is offered.
_TOML = shtab.glob("*.toml") | {"zsh": "_memnotify_toml"}
_COMPLETERS = MappingProxyType(
    {
        "RUN": _folder_or("runs"),
        "CELL": _values("cells"),
        "CAMPAIGN.toml": _TOML,
        "HOSTS.toml": _TOML,
        "REV": _values("series"),
        "A": _folder_or("series"),
        "B": _folder_or("series"),
        "BASE": _values("bases"),
        "FINDING": _values("findings"),
        "KIND": _values("store"),
        "COMMAND": _values("commands"),
        "DIR": shtab.DIRECTORY,
        "TREE": shtab.FILE,
        "PATH": shtab.FILE,
        "FILE": shtab.FILE,
        "MAIL": shtab.FILE,
    }
)
"""How the values of an argument are completed, by its metavar."""

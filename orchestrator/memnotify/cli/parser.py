"""Parsers of the command line, which import the module of a command when it is used."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from keyword import iskeyword
from types import MappingProxyType
from typing import Any, NoReturn

from memnotify import limits
from memnotify.cli.base_dir import add_base_dir
from memnotify.text import printable, similar

COMMAND = "COMMAND"


class Parser(argparse.ArgumentParser):
    """A parser that also accepts options between arguments: `compare RUN --json RUN`.

    argparse itself expects the values of a repeatable argument to be consecutive.

    `words` are those that follow on the command line, or None for a parser of all there could be.
    `valued` are options before a command whose values are words of their own, `rest` is the
    argument that gets all words after `--`, and `first_steps` is printed if no command is given.
    `elsewhere` says of options that there are not, but that a user may expect, what to do instead.
    """

    words: Sequence[str] | None = None
    valued: Sequence[str] = ()
    rest = ""
    first_steps = ""
    elsewhere: Mapping[str, str] = MappingProxyType({})
    _commands: Mapping[str, str] = MappingProxyType({})
    _within = False

    def __init__(self, *args: Any, **given: Any) -> None:
        # An abbreviation may be another option's name for its user: --base for --base-dir.
        super().__init__(*args, **{"allow_abbrev": False, **given})

    def add_commands(self, folder: str, commands: Mapping[str, str]) -> None:
        """Add commands, each with its line of help, in this order.

        Only the one that the command line names gets its arguments: its module in `folder` has
        register(parser), which adds them and sets `handler`.
        """
        self._commands = commands
        actions = self.add_subparsers(metavar=COMMAND, required=True)
        words = self.words
        at = None if words is None else self._command(words)
        chosen = None if words is None else "" if at is None else words[at]
        for name, summary in commands.items():
            command = actions.add_parser(name, help=summary)
            if chosen in (None, name):
                limits.refuse_hopeless()
                command.words = words[at + 1 :] if words is not None and at is not None else None
                module = f"{name}_" if iskeyword(name) else name
                importlib.import_module(f"{folder}.{module}").register(command)
                if not command._commands:
                    add_base_dir(command, before=False)

    def _command(self, words: Sequence[str]) -> int | None:
        """Return where the command is: the first word that is neither an option nor its value."""
        for at, word in enumerate(words):
            if not word.startswith("-") and (at == 0 or words[at - 1] not in self.valued):
                return at
        return None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.rest and args is not None and "--" in args:
            at = args.index("--")
            found, unknown = self.parse_known_args(args[:at], namespace)
            setattr(found, self.rest, [*getattr(found, self.rest), *args[at + 1 :]])
            return found, unknown
        # A parser with subcommands has no other positional arguments.
        words = args = _with_descending(sys.argv[1:] if args is None else args)
        if not self._within:
            self._refuse_unknown(words)
        if self._within or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        if "--" in words:
            found, unknown = super().parse_known_args(args, namespace)
        else:
            self._within = True
            try:
                found, unknown = self.parse_known_intermixed_args(args, namespace)
            finally:
                self._within = False
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{self._meant(unknown)}")
        return found, unknown

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        """Refuse long options that there are not, before their values are taken for arguments."""
        end = self._command(words) if self._subparsers is not None else None
        for word in words[:end]:
            if word == "--":
                return
            name = word.partition("=")[0]
            action = self._option_string_actions.get(name)
            if action is not None and action.nargs == argparse.REMAINDER:
                return
            if name.startswith("--") and action is None:
                self.error(f"unrecognized arguments: {word}{self._meant([word])}")

    def _meant(self, unknown: Sequence[str]) -> str:
        """Return the options that were meant, if any: those that begin so, or the most like it."""
        options = [text for action in self._actions for text in action.option_strings]
        hints = []
        for word in unknown:
            name = word.partition("=")[0]
            if not name.startswith("-"):
                continue
            if name in self.elsewhere:
                hints.append(f" ({self.elsewhere[name]})")
                continue
            longer = [option for option in options if option.startswith(name)]
            hint = f"did you mean {' or '.join(longer)}?" if longer else similar(name, options)
            hints += [f" ({hint})"] if hint else []
        return "".join(hints)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a value that is none of the choices, in the same words with every Python."""
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        close = similar(str(value), choices)
        text = f"invalid choice: {value!r} (choose from {', '.join(choices)})"
        raise argparse.ArgumentError(action, f"{text}; {close}" if close else text)

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong; if no command is named, list the commands."""
        if message.endswith(f": {COMMAND}"):
            self._print_message(self.first_steps or self._list_commands(), sys.stderr)
        text = printable(message)
        self.exit(2, f"{self.prog}: error: {text} (see {self.prog} --help)\n")

    def _list_commands(self) -> str:
        width = max(map(len, self._commands), default=0)
        return "".join(
            f"{self.prog} {name:<{width}}  {summary}\n" for name, summary in self._commands.items()
        )


def _with_descending(words: Sequence[str]) -> list[str]:
    """Return the words with `--sort -NAME` as `--sort=-NAME`, which argparse understands."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "--sort" and word.startswith("-"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined

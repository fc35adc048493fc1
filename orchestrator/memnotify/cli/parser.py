"""Parsers of the command line, which import the module of a command when it is used."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from keyword import iskeyword
from typing import Any

from memnotify import limits


class Parser(argparse.ArgumentParser):
    """A parser that also accepts options between arguments: `compare RUN --json RUN`.

    argparse itself expects the values of a repeatable argument to be consecutive.

    `words` are those that follow on the command line, or None for a parser of all there could be.
    """

    words: Sequence[str] | None = None
    _within = False

    def add_commands(self, folder: str, commands: Mapping[str, str]) -> None:
        """Add commands, each with its line of help, in this order.

        Only the one that the command line names gets its arguments: its module in `folder` has
        register(parser), which adds them and sets `handler`.
        """
        actions = self.add_subparsers(metavar="COMMAND", required=True)
        words = self.words
        # No option before a command has a value.
        chosen = None if words is None else next((w for w in words if not w.startswith("-")), "")
        for name, summary in commands.items():
            command = actions.add_parser(name, help=summary)
            if chosen in (None, name):
                limits.refuse_hopeless()
                command.words = None if words is None else words[words.index(name) + 1 :]
                module = f"{name}_" if iskeyword(name) else name
                importlib.import_module(f"{folder}.{module}").register(command)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        # A parser with subcommands has no other positional arguments.
        words = args = _with_descending(sys.argv[1:] if args is None else args)
        if self._within or self._subparsers is not None or "--" in words:
            return super().parse_known_args(args, namespace)
        self._within = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._within = False


def _with_descending(words: Sequence[str]) -> list[str]:
    """Return the words with `--sort -NAME` as `--sort=-NAME`, which argparse understands."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] == "--sort" and word.startswith("-"):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined

"""Asks the user when a mail is ambiguous."""

from __future__ import annotations

import argparse
import sys

from memnotify.cli.output import say
from memnotify.errors import InputError
from memnotify.mailpatch.repairs import Question


def ask(question: Question) -> int:
    """Return the number of the choice that the user makes. Raises InputError without an answer."""
    say(question.text)
    for number, choice in enumerate(question.choices, 1):
        say(f"--- {number}\n{choice}")
    while True:
        print(f"1 to {len(question.choices)}? ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline()
        if not answer:
            raise InputError(f"{question.text}: no answer")
        if answer.strip().isdecimal() and 0 < int(answer) <= len(question.choices):
            return int(answer) - 1


def add_restoring(parser: argparse.ArgumentParser, *, fuzz: int) -> None:
    """Add the options of commands that restore patches from mails; `fuzz` is the default."""
    parser.add_argument(
        "--fuzz",
        type=int,
        choices=(0, 1, 2),
        default=fuzz,
        help="how many context lines at each end of a hunk may be missing from the tree; "
        f"default: {fuzz}",
    )
    parser.add_argument("--interactive", action="store_true", help="ask when a mail is ambiguous")

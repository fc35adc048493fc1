"""Asks the user when a mail is ambiguous."""

from __future__ import annotations

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

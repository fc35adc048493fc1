"""The help texts of the command line: complete, and the same where they mean the same."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from memnotify.cli.main import COMMANDS, parser


def arguments(
    of: argparse.ArgumentParser,
) -> Iterator[tuple[argparse.ArgumentParser, argparse.Action]]:
    """Yield each argument of a parser and of its subcommands, with the parser that it is of."""
    for action in of._actions:
        yield of, action
        if isinstance(action, argparse._SubParsersAction):
            assert {choice.dest for choice in action._choices_actions} == set(action.choices)
            for below in action.choices.values():
                yield from arguments(below)


EVERY = tuple(arguments(parser()))


def test_every_argument_has_help() -> None:
    assert len({of.prog for of, _ in EVERY}) > len(COMMANDS)
    without = [
        f"{of.prog} {'/'.join(action.option_strings) or action.dest}"
        for of, action in EVERY
        if not action.help and not isinstance(action, argparse._SubParsersAction)
    ]
    assert without == []


def test_every_command_and_subcommand_has_help() -> None:
    subcommands = [
        (of.prog, choice.dest, choice.help)
        for of, action in EVERY
        if isinstance(action, argparse._SubParsersAction)
        for choice in action._choices_actions
    ]
    assert len(subcommands) > len(COMMANDS)
    assert [name for name in subcommands if not name[2]] == []


def test_json_and_subcommands_are_described_in_one_way() -> None:
    helps = [str(action.help) for _, action in EVERY if "--json" in action.option_strings]
    assert len(helps) > 10 and all(text.startswith("print JSON") for text in helps)
    assert {
        action.metavar for _, action in EVERY if isinstance(action, argparse._SubParsersAction)
    } == {"COMMAND"}


def test_directions_are_spelled_as_in_the_readme() -> None:
    for of in {of.prog: of for of, _ in EVERY}.values():
        assert "forwards" not in of.format_help() and "backwards" not in of.format_help()

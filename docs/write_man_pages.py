"""Writes docs/man1: a manual page for each command of memnotify, from its own help.

    python docs/write_man_pages.py [--check]

With --check nothing is written: exit status 1 means that the pages are outdated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from docutils import nodes
from docutils.core import publish_from_doctree
from docutils.utils import new_document
from memnotify.cli.main import parser

HOME = Path(__file__).resolve().parent.parent
PAGES = HOME / "docs/man1"
STATUS = {
    "0": "success",
    "1": "a check or an expectation failed",
    "2": "invalid input or usage",
    "3": "infrastructure failure: the testbed itself could not do it",
    "130": "interrupted",
}
ENVIRONMENT = {
    "MEMNOTIFY_HOME": "a checkout whose kernels, patches, images and campaigns are used instead "
    "of those that came with the package",
    "MEMNOTIFY_PATH": "more folders with bases, series, machines and campaigns, separated by "
    "colons; --base-dir adds one",
    "MEMNOTIFY_TRACEBACK": "set to 1, an internal error ends with its traceback",
    "XDG_CACHE_HOME": "the store is the folder memnotify in it; default: ~/.cache",
    "NO_COLOR, FORCE_COLOR": "no colours on a terminal; colours even in a pipe",
}


def pages() -> dict[str, str]:
    """Return the text of every page, by the name of its file."""
    top = parser()
    found = dict(_below(top, "memnotify", "test kernels with the mem_notify patches of 2008", []))
    return {f"{name}.1": text for name, text in found.items()}


def _below(
    command: argparse.ArgumentParser, name: str, summary: str, above: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the page of a command, and those of its subcommands."""
    below = _subcommands(command)
    yield name, _page(command, name, summary, above)
    for word, (one, line) in below.items():
        yield from _below(one, f"{name}-{word}", line, [*above, name])


def _subcommands(
    command: argparse.ArgumentParser,
) -> dict[str, tuple[argparse.ArgumentParser, str]]:
    return {
        entry.dest: (action.choices[entry.dest], entry.help or "")
        for action in command._actions
        if isinstance(action, argparse._SubParsersAction)
        for entry in action._get_subactions()
    }


def _page(command: argparse.ArgumentParser, name: str, summary: str, above: Sequence[str]) -> str:
    document, below = new_document(name), _subcommands(command)
    document["title"] = name
    document += nodes.title("", name)
    document += nodes.subtitle("", summary)
    field = nodes.field("", nodes.field_name("", "manual section"))
    field += nodes.field_body("", nodes.paragraph("", "1"))
    document += nodes.docinfo("", field)

    _section(document, "SYNOPSIS", nodes.paragraph("", _synopsis(command, bool(below))))
    about = command.description or f"{summary[0].upper()}{summary[1:]}."
    _section(document, "DESCRIPTION", nodes.paragraph("", about))
    if below:
        lines = {f"{name}-{word}(1)": line for word, (_, line) in below.items()}
        _section(document, "COMMANDS", _words(lines))
    for title, some in (("ARGUMENTS", _arguments(command)), ("OPTIONS", _options(command))):
        if some:
            _section(document, title, _list([_argument(command, action) for action in some]))
    _section(document, "EXIT STATUS", _words(STATUS))
    if above:
        also = ", ".join(f"{one}(1)" for one in above)
        _section(document, "SEE ALSO", nodes.paragraph("", also))
    else:
        _section(document, "ENVIRONMENT", _words(ENVIRONMENT))
    text = publish_from_doctree(
        document, writer="manpage", settings_overrides={"output_encoding": "unicode"}
    )
    # The head names the version of docutils, which says nothing about the page.
    return (
        '.\\" From the help of the command: docs/write_man_pages.py\n.\n'
        + str(text).partition(".\n")[2]
    )


def _arguments(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [
        action
        for action in command._get_positional_actions()
        if action.help != argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction)
    ]


def _options(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [one for one in command._get_optional_actions() if one.help != argparse.SUPPRESS]


def _synopsis(command: argparse.ArgumentParser, has_commands: bool) -> str:
    """Return how a command is called; argparse's own differs from one Python to another."""
    words = [command.prog]
    for action in _options(command):
        shown = " ".join(filter(None, (action.option_strings[0], _value(command, action))))
        words.append(shown if action.required else f"[{shown}]")
    words += [_value(command, action) for action in _arguments(command)]
    return " ".join([*words, "COMMAND ..."] if has_commands else words)


def _value(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    """Return how the values of an argument are written, if it has any."""
    if action.nargs == 0:
        return ""
    name = action.dest.upper() if action.option_strings else action.dest
    return command._get_formatter()._format_args(action, name)


def _section(document: nodes.document, title: str, content: nodes.Node) -> None:
    section = nodes.section("", nodes.title("", title), content, ids=[title.lower()])
    document += section


def _words(entries: Mapping[str, str]) -> nodes.definition_list:
    return _list([([nodes.strong("", word)], text) for word, text in entries.items()])


def _list(entries: Sequence[tuple[list[nodes.Node], str]]) -> nodes.definition_list:
    found = nodes.definition_list()
    for term, text in entries:
        meaning = nodes.definition("", nodes.paragraph("", text))
        found += nodes.definition_list_item("", nodes.term("", "", *term), meaning)
    return found


def _argument(
    command: argparse.ArgumentParser, action: argparse.Action
) -> tuple[list[nodes.Node], str]:
    """Return how an argument is written, and its help."""
    value = _value(command, action)
    if not action.option_strings:
        term: list[nodes.Node] = [nodes.emphasis("", value)]
    else:
        term = []
        for option in action.option_strings:
            term += [nodes.Text(", ")] if term else []
            term.append(nodes.strong("", option))
        if value:
            term += [nodes.Text(" "), nodes.emphasis("", value)]
    return term, command._get_formatter()._expand_help(action) if action.help else ""


def main() -> int:
    options = argparse.ArgumentParser(description="Write the manual pages.")
    options.add_argument("--check", action="store_true", help="only say whether they are current")
    wanted = pages()
    present = {file.name: file.read_text() for file in PAGES.glob("*.1")}
    if options.parse_args().check:
        if present != wanted:
            print("docs/man1 is not current: run `make man` and commit it")
        return int(present != wanted)
    PAGES.mkdir(exist_ok=True)
    for name in present.keys() - wanted.keys():
        (PAGES / name).unlink()
    for name, text in wanted.items():
        (PAGES / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

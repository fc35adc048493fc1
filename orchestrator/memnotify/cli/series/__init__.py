"""`memnotify series`: work with patch series."""

from __future__ import annotations

from memnotify.cli.parser import Parser

COMMANDS = {
    "list": "show the family tree of the revisions",
    "new": "start a series of your own from a revision",
    "import": "turn archived mails into patches that apply",
    "apply": "apply a revision strictly, or check that it applies",
    "trees": "test which series apply to which trees, patch by patch",
    "diff": "compare two series patch by patch",
    "bisect": "find the patch of a series that changes an outcome",
    "originals": "fetch, verify and register the mails of a revision as they were posted",
}


def register(parser: Parser) -> None:
    """Add the commands to the parser of `series`."""
    parser.add_commands("memnotify.cli.series", COMMANDS)

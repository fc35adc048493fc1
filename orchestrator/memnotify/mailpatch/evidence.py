"""What shows that added lines have lost their white space, where no line of the tree does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from memnotify.mailpatch.tokens import code_of, in_comment, is_c
from memnotify.mailpatch.whitespace import TAB, lead_of

_LABEL = re.compile(r"\w+\s*:(?!:)|case\b|default\b")
_OF_AN_OPTION = re.compile(r"(?:bool|tristate|def_bool|depends on|select|default|help)\b")


def lost_indentation(name: str, lines: Sequence[str]) -> bool:
    """Return whether lines of a file are flush left where every style indents them.

    In C those are the lines of a function's body, in Kconfig those of an option.
    """
    if is_c(name):
        inside = _in_braces(lines)
        return bool(inside) and not any(len(lead_of(line)) > 1 for line in inside)
    if PurePosixPath(name).name.startswith("Kconfig"):
        within = [line for line in lines if _OF_AN_OPTION.match(line.strip())]
        return bool(within) and not any(lead_of(line) for line in within)
    return False


def may_be_expanded(name: str, lines: Sequence[str]) -> bool:
    """Return whether code is indented as if its tabs had become blanks: no style of C asks that."""
    leads = [len(lead_of(line)) for line in lines if line.strip()]
    tabs = any("\t" in line for line in lines)
    wide = any(lead >= TAB for lead in leads)
    return is_c(name) and not tabs and wide and not any(lead % TAB > 1 for lead in leads)


def _in_braces(lines: Sequence[str]) -> list[str]:
    """Return the lines of code within braces, without labels and directives."""
    found = []
    depth = 0
    within = False
    for line in lines:
        bare = line.strip()
        code = "" if within else code_of(line).strip()
        if depth > 0 and code and code[0] not in "}#*" and not _LABEL.match(code):
            found.append(line)
        depth += code.count("{") - code.count("}")
        within = in_comment(bare, within)
    return found

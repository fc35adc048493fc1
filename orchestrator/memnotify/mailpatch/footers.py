"""What is below the last hunk of a mail: footers, signatures, the rest of an archive's page."""

from __future__ import annotations

from collections.abc import Sequence

from memnotify.mailpatch.diffs import Line


def left_over(rest: Sequence[Line], *, last: bool) -> tuple[Line, ...]:
    """Return those lines after a hunk's end that look as if they belonged to it.

    What follows the last hunk of a file may be a footer, a signature or an archive's page; between
    two hunks there is nothing.
    """
    found = []
    near = True
    for line in rest:
        if last and is_footer(line.text):
            break
        near = near and bool(line.text.strip())
        change = line.text.startswith(("+", "-")) and not line.outside
        if line.text.strip() and (near or change or not last):
            found.append(line)
    return tuple(found)


def is_footer(text: str) -> bool:
    """Tell if a line begins what mailers and lists put below a patch."""
    text = text.rstrip()
    return text in ("-", "--", "---") or text.startswith(("To unsubscribe", "_____", "-----"))

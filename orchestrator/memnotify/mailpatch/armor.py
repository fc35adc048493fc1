"""Undo the dash-escaping of a text that is signed inline (RFC 4880 7.1)."""

from __future__ import annotations

from collections.abc import Sequence

_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = ("-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----")
_ARMOR = "inline PGP signature"


def unescaped(lines: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Undo the dash-escaping of a text that is signed inline (RFC 4880 7.1), and report that.

    The armor becomes empty lines, so that line numbers stay the same. A text with an unescaped line
    is left alone: then its blanks are its own.
    """
    begin = next((at for at, line in enumerate(lines) if line.rstrip() == _SIGNED), None)
    if begin is None:
        return list(lines), ()
    bare = [line.rstrip() for line in lines]
    text = next((at for at in range(begin, len(lines)) if not bare[at]), len(lines))
    end = next((at for at in range(text, len(lines)) if bare[at] == _SIGNATURE[0]), len(lines))
    below = next((at + 1 for at in range(end, len(lines)) if bare[at] == _SIGNATURE[1]), len(lines))
    if any(line.startswith("-") and not line.startswith("- ") for line in lines[text:end]):
        return list(lines), ()
    # The signed text ends here; this line marks the end of the diff.
    ends = ["-----"] if end < len(lines) else []
    return [
        *lines[:begin],
        *[""] * (text - begin),
        *(line.removeprefix("- ") for line in lines[text:end]),
        *ends,
        *[""] * (below - end - len(ends)),
        *lines[below:],
    ], (_ARMOR,)

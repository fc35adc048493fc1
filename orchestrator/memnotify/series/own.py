"""Series of the user's own."""

_AT = "@"


def branch_of(name: str) -> str:
    """Return the name of a series without the short id of its content: of `mine@1a2b3c4`, mine."""
    return name.partition(_AT)[0]

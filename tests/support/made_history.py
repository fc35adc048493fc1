"""Patches made up here, as commits of a small repository or from two states of some files."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from memnotify.series.apply import FileState

from tests.support.history import ENVIRONMENT, Original, as_bytes, mailinfo

HEADERS = {
    "From": "Ada <ada@example.org>",
    "Date": "Tue, 15 Jan 2008 10:00:29 +0900",
    "Subject": "[PATCH] make lamps tell",
    "Message-Id": "<20080115100029.1178.ADA@example.org>",
}
MESSAGE = ("Lamps are dark, and nobody knows.", "", "Signed-off-by: Ada <ada@example.org>")

_LOOP = "\tfor (lamp = first; lamp; lamp = lamp->next) {\n\t\tlight(lamp, BRIGHT);\n\t}\n"
_CODE = "".join(
    f"int lamp{n}(struct lamp *lamp)\n{{\n\tint level = {n};\n\n{_LOOP}\treturn level;\n}}\n\n"
    for n in range(6)
)
_TABLE = "lamp   level\n----   -----\nhall   bright\nattic  dark\n"
_MAKE = "obj-y\t:= lamp.o\nobj-$(CONFIG_HALL)\t+= hall.o\n\nclean:\n\trm -f *.o\n"
_FOREIGN = "/* Lampe f\u00fcr den Flur, \u00e9clair\u00e9e */\nint flur;\n" + _CODE

BASE = {
    "mm/lamp.c": _CODE,
    "Documentation/lamps.txt": _TABLE,
    "mm/Makefile": _MAKE,
    "mm/flur.c": _FOREIGN,
    "mm/old.h": "#define OLD\t1\n",
    "scripts/light": "#!/bin/sh\necho light\n",
}


def steps() -> list[tuple[str, dict[str, str | None]]]:
    """Return the message of each commit, and the files that it changes (None: deletes)."""
    attic = "#include <lamp.h>\n\nint attic(void)\n{\n\tint told = 0;\n"
    once = _CODE.replace("int level = 2;", "int level = dim(2);\n\tint told = 0;")
    loop = "\twhile (told < level) {\n\t\ttold += tell(lamp, told);\n\t}\n"
    return [
        ("lamps: count what was told", {"mm/lamp.c": once}),
        (
            "lamps: tell in the attic",
            {"mm/attic.c": attic + loop + "}\n"},
        ),
        (
            "Documentation: the cellar has a lamp",
            {"Documentation/lamps.txt": _TABLE.replace("attic", "cellar  bright\nattic")},
        ),
        ("lamps: remove the old header", {"mm/old.h": None}),
        (
            "lamps: build the cellar\n\nIt was left out, so nobody saw it.",
            {"mm/Makefile": _MAKE.replace("\n\n", "\nobj-$(CONFIG_CELLAR)\t+= cellar.o\n\n")},
        ),
        (
            "lamps: der Flur sagt es auch",
            {"mm/flur.c": _FOREIGN.replace("flur;", "flur; /* hei\u00dft auch fr\u00fcher so */")},
        ),
        (
            "lamps: two places at once",
            {
                "mm/lamp.c": once.replace("level = 4", "level = 5").replace("lamp0(", "lamp_a("),
                "scripts/light": "#!/bin/sh\nset -e\necho light\n",
            },
        ),
    ]


def _git(folder: Path, *words: str) -> None:
    names = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    names |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in names.items()}
    dates = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "1200358829 +0900")
    env = {**ENVIRONMENT, **names, **dates}
    subprocess.run(["git", *words], cwd=folder, env=env, check=True, capture_output=True)


def made_history(folder: Path) -> Path:
    """Make a repository with a few commits of all kinds."""
    folder.mkdir()
    _git(folder, "init", "-q", "-b", "main")
    first: dict[str, str | None] = {**BASE}
    for message, files in [("all lamps", first), *steps()]:
        for name, text in files.items():
            path = folder / name
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
            path.chmod(0o755 if name.startswith("scripts/") else 0o644)
        _git(folder, "add", "-A")
        _git(folder, "commit", "-q", "-m", message)
    return folder


def original_of(
    before: Mapping[str, bytes | None],
    after: Mapping[str, bytes | None],
    *,
    headers: Mapping[str, str] = HEADERS,
    message: Sequence[str] = MESSAGE,
) -> Original:
    """Return the patch between two states of some files, as git makes it."""
    with tempfile.TemporaryDirectory(prefix="memnotify-made-") as folder:
        root = Path(folder)
        for side, files in (("a", before), ("b", after)):
            (root / side).mkdir()
            for name, data in files.items():
                if data is not None:
                    path = root / side / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
        words = ["git", "diff", "--no-index", "--no-prefix", "--no-renames", "--text", "a", "b"]
        env = {**ENVIRONMENT, "GIT_CEILING_DIRECTORIES": str(root.parent)}
        done = subprocess.run(words, cwd=root, env=env, capture_output=True, check=False)
    diff = done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    lines = [*message, "---", "", *diff]
    head = "".join(f"{name}: {value}\n" for name, value in headers.items())
    mail = head.encode() + b"Content-Type: text/plain; charset=utf-8\n\n" + as_bytes(lines)
    names = {*before, *after}

    def state(data: bytes | None) -> FileState | None:
        return None if data is None else FileState(data, 0o644)

    return Original(
        commit="0" * 40,
        parent="",
        raw=headers,
        headers=headers,
        lines=tuple(lines),
        letter=mailinfo(mail),
        before={name: state(before.get(name)) for name in names},
        after={name: state(after.get(name)) for name in names},
    )

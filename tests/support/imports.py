"""Imports of mails into a folder: the mails, the trees that they fit, and the command."""

from __future__ import annotations

from pathlib import Path

from memnotify.cli.main import main
from memnotify.places import PATCHES
from unidiff.patch import PatchSet

from tests.support import archive_forms
from tests.support.archives import Clean

HEAD = {"From": "Ada <ada@example.org>", "Date": "now", "Message-Id": "<1@example.org>"}
V4 = PATCHES / "mem_notify/v4/2.6.24"
MAKEFILE = "VERSION = 2\nPATCHLEVEL = 6\nSUBLEVEL = 24\n"


def small_tree(folder: Path) -> Path:
    """Make a tree of a Makefile and mm/a.c, which `change` changes."""
    (folder / "mm").mkdir(parents=True)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "mm/a.c").write_text("".join(f"\tline({n});\n" for n in range(40)))
    return folder


def change(at: int, text: str) -> list[str]:
    return [
        *("--- a/mm/a.c", "+++ b/mm/a.c", f"@@ -{at},2 +{at},3 @@"),
        *(f" \tline({at - 1});", f"+\t{text};", f" \tline({at});"),
    ]


def new(name: str, *lines: str) -> list[str]:
    return [
        *("--- /dev/null", f"+++ b/{name}", f"@@ -0,0 +1,{len(lines)} @@"),
        *(f"+{line}" for line in lines),
    ]


def mail(file: Path, subject: str, lines: list[str]) -> Path:
    file.write_bytes(archive_forms.as_mail(Clean({**HEAD, "Subject": subject}, lines), lines))
    return file


def run(tree: Path, output: Path, *words: Path | str) -> int:
    given = [str(word) for word in words]
    return main(["series", "import", *given, "--tree", str(tree), "-o", str(output)])


def made_up_tree(folder: Path, patches: list[Path]) -> Path:
    """Make a tree that has what the patches expect in their files, and nothing else."""
    lines: dict[str, dict[int, str]] = {}
    created: set[str] = set()
    for patch in patches:
        for part in PatchSet(patch.read_text()):
            name = part.target_file.partition("/")[2].split("\t")[0]
            if part.is_added_file:
                created.add(name)
            if name in created:
                continue
            known = lines.setdefault(name, {})
            for hunk in part:
                for line in hunk:
                    if line.source_line_no and not line.is_added:
                        known.setdefault(line.source_line_no, line.value)
    for name, known in lines.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(known.get(n, f"/* {n} */\n") for n in range(1, max(known) + 30)))
    makefile = folder / "Makefile"
    makefile.write_text(MAKEFILE + (makefile.read_text() if makefile.exists() else ""))
    return folder

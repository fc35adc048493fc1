"""A tree with odd files, and mails about it whose damage is easily repaired wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.series.apply import apply_series, read_tree
from memnotify.series.quilt import Series, read_series_file

from tests.support import archive_forms
from tests.support.archives import Clean

HEADERS = {
    "From": "Ada <ada@example.org>",
    "Date": "Tue, 15 Jan 2008 10:00:29 +0900",
    "Subject": "[PATCH 1/2] dim the lamps",
    "Message-Id": "<1@example.org>",
}


SIGNED = ["Dim them.", "", "Signed-off-by: Ada <ada@example.org>", "---"]


FUNCTION = """\
int {name}(int a)
{{
	int b;

	b = a + {number};
	if (b > 3)
		return {number};
	return b;
}}

"""


TREE = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 1\n",
    "mm/a.c": "".join(FUNCTION.format(name=f"f{n}", number=n) for n in range(6)),
    "mm/b.c": "".join(FUNCTION.format(name=f"g{n}", number=n) for n in range(3)),
    "mm/s.c": '#include <stdio.h>\n\nconst char *s =\n\t"x";\n\nint z;\n',
    "k.tmpl": "<book>\n <para>\n  Call it\n  when it is low\n  and not else.\n </para>\n</book>\n",
    "plain.txt": "".join(f"line {n}\n" for n in range(1, 9)),
    "HOWTO": "序文\n\nこの文書は\nカーネル開発\n方法です。\n\n終り\n",
    "w.bat": "one\r\ntwo\r\nthree\r\nfour\r\n",
    "unended.txt": "one\ntwo\nthree",
}


def odd_tree(tmp_path: Path) -> Path:
    """Write the tree into a folder, and return its place."""
    tree = tmp_path / "tree"
    for name, text in TREE.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(text.encode())
    return tree


def write(
    file: Path, lines: list[str], subject: str = HEADERS["Subject"], head: list[str] = SIGNED
) -> Path:
    clean = Clean({**HEADERS, "Subject": subject, "Message-Id": f"<{file.name}@x.org>"}, lines)
    file.write_bytes(archive_forms.as_mail(clean, [*head, *lines]))
    return file


def diff(name: str, *hunks: str) -> list[str]:
    return [f"--- a/{name}", f"+++ b/{name}", *(line for h in hunks for line in h.split("\n"))]


def run(tree: Path, *mails: Path | str) -> int:
    words = [str(word) for word in mails]
    return main(["series", "import", *words, "--tree", str(tree), "-o", str(tree.parent / "out")])


def made(tree: Path) -> dict[str, str]:
    """Return the files that the imported series produces."""
    patches = read_series_file(tree.parent / "out/series")
    files = apply_series(Series(revision="", base="", patches=patches), read_tree(tree)).files
    return {name: state.data.decode() for name, state in files.items() if state is not None}


def again(tree: Path) -> bool:
    """Return whether importing the result again gives the same bytes."""
    out = tree.parent / "out"
    words = ["series", "import", str(out), "--tree", str(tree), "-o", str(tree.parent / "again")]
    assert main(words) == 0
    return all(
        (tree.parent / "again" / file.name).read_bytes() == file.read_bytes()
        for file in out.iterdir()
    )


def unsure(capsys: pytest.CaptureFixture[str], tree: Path, *mails: Path) -> list[str]:
    """Import, and return the kinds of repairs that are only likely."""
    assert run(tree, *mails, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    return [r["kind"] for row in rows for r in row["repairs"] if not r["sure"]]


LOCK = "+\tlock(b);\n+\tb = b + 2;\n+\tunlock(b);\n"


FIRST = (
    "@@ -3,5 +3,{} @@ int f0(int a)\n \tint b;\n \n \tb = a + 0;\n{} \tif (b > 3)\n \t\treturn 0;"
)


SECOND = (
    "@@ -24,4 +27,4 @@ int f2(int a)\n \n-\tb = a + 2;\n+\tb = 2;\n \tif (b > 3)\n \t\treturn 2;"
)


OTHER = "@@ -4,3 +4,3 @@ int g0(int a)\n \n-\tb = a + 0;\n+\tb = 0;\n \tif (b > 3)"


def text_hunk(added: str, *, context: str = "  Call it") -> list[str]:
    return diff(
        "k.tmpl",
        "@@ -1,7 +1,7 @@\n <book>\n  <para>\n "
        + context
        + "\n-  when it is low\n+"
        + added
        + "\n   and not else.\n  </para>\n </book>",
    )


NOTE = ["--- /dev/null", "+++ b/{}", "@@ -0,0 +1,1 @@", "+{}"]


def note(name: str, text: str) -> list[str]:
    return [line.replace("{}", name if "+++" in line else text) for line in NOTE]


HOWTO = "@@ -1,7 +1,8 @@\n 序文\n \n この文書は\n カーネル開発\n+{}\n 方法です。\n \n 終り"


def quoted(lines: list[str]) -> list[str]:
    return [f"> {line}" for line in lines]

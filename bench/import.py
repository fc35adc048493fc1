"""How long it takes to import a series of ten mails against a full kernel tree.

The mails are made from the project's own patches, with white space removed and collapsed, so that
every repair is needed. For comparison: `git apply --check` of the ten resulting patches. Times are
CPU seconds, including those of all programs called, so that a busy host does not matter.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from memnotify.kernel.base import load_base
from memnotify.kernel.pristine import pristine_files
from memnotify.kernel.source import ensure_source
from memnotify.mailpatch.mail import read_mails
from memnotify.mailpatch.restore_series import Imported, import_mails
from memnotify.model import Arch
from memnotify.series.apply import apply_series, put_files
from memnotify.series.quilt import Series, load_series
from memnotify.store import Store

TARGET = 1.0
BASE = "6.1"
PATCHES = 10
ROUNDS = 3


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of the fastest of several rounds, of this process and its children."""

    def spent() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in both)

    times = []
    for _ in range(ROUNDS):
        before = spent()
        work()
        times.append(spent() - before)
    return min(times)


def damaged(patch: Path) -> str:
    """Return a patch as a careless archive shows it: no tabs, single blanks, no indentation."""
    head, rule, diff = patch.read_text().partition("\n---\n")
    return head + rule + "\n".join(" ".join(line.split()) for line in diff.split("\n")) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    store = Store()
    source = ensure_source(load_base(BASE), None, store=store, progress=print)
    read = pristine_files(source, Arch.X86_64, store=store, progress=print)
    # Each revision is a series by itself; one round imports ten of their patches.
    series = [load_series(name, BASE).patches for name in ("v4", "v5")]
    assert sum(map(len, series)) >= PATCHES
    series[1] = series[1][: PATCHES - len(series[0])]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs: list[list[Path]] = []
        for number, patches in enumerate(series):
            mails = folder / f"mails{number}"
            mails.mkdir()
            runs.append([])
            for patch in patches:
                runs[-1].append(mails / patch.name)
                runs[-1][-1].write_text(damaged(patch.path))
        made: list[bytes] = []

        def importing() -> None:
            made.clear()
            for mails in runs:
                given = [mail for file in mails for mail in read_mails(file)]
                # The importer asks about a string whose blanks were merged; any answer will do.
                done = import_mails(given, read, choose=lambda question: 0).patches
                made.extend(patch.data for patch in done if isinstance(patch, Imported))

        seconds = cpu_seconds(importing)
        assert len(made) == PATCHES
        trees = []
        at = 0
        for number, patches in enumerate(series):
            for upto in range(len(patches)):
                # The tree that the patch expects: the base with the patches before it.
                tree = folder / f"tree{number}-{upto}"
                tree.mkdir()
                whole = Series(revision="", base=BASE, patches=patches)
                before = Series(revision="", base=BASE, patches=patches[:upto])
                names = apply_series(whole, read).files
                put_files(tree, {file: read(file) for file in names})
                put_files(tree, apply_series(before, read).files)
                (tree / "patch").write_bytes(made[at])
                trees.append(tree)
                at += 1

        def checking() -> None:
            for tree in trees:
                words = ["git", "apply", "--check", "--whitespace=nowarn", "patch"]
                subprocess.run(words, cwd=tree, env={"GIT_DIR": str(tree / "none")}, check=True)

        check = cpu_seconds(checking)
    figures: list[tuple[str, float, str, float | None]] = [
        (f"import {PATCHES} damaged patches", seconds, "s", TARGET),
        (f"git apply --check of {PATCHES} patches", check, "s", None),
        ("import, in runs of git apply --check", seconds / check, "×", None),
    ]
    results: list[dict[str, Any]] = []
    for label, value, unit, target in figures:
        aim = "" if target is None else f"  (target: at most {target} {unit})"
        print(f"{label}: {value:.3f} {unit}{aim}")
        results.append(
            {"name": label, "value": value, "unit": unit, "target": target, "better": "lower"}
        )
    if args.json is not None:
        args.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""A program of this folder with the package of another checkout and with ours, in turns.

    python bench/against OTHER PROGRAM [OPTION...]

OTHER is a checkout, such as a git worktree of an earlier commit. Both sides run the same program;
only the package memnotify differs. Of each figure, the best of all rounds is printed: a busy host
only makes figures worse.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parent.parent
ROUNDS = 3


def figures(checkout: Path, program: str, options: list[str]) -> list[dict[str, Any]]:
    """Run a program once and return its figures."""
    package = checkout / "orchestrator"
    if not (package / "memnotify").is_dir():
        sys.exit(f"{checkout}: not a checkout, it has no orchestrator/memnotify")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        words = [sys.executable, str(BENCH / program), "--json", str(file), *options]
        environment = {**os.environ, "PYTHONPATH": str(package)}
        subprocess.run(words, env=environment, stdout=sys.stderr, check=True)
        found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("other", type=Path, metavar="OTHER", help="another checkout")
    parser.add_argument("program", metavar="PROGRAM", help="such as compare.py")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    args, options = parser.parse_known_args()
    sides = {"other": args.other.resolve(), "ours": BENCH.parent}
    values: dict[str, dict[str, list[float]]] = {}
    rows: dict[str, dict[str, Any]] = {}
    for _ in range(args.rounds):
        for side, checkout in sides.items():
            for row in figures(checkout, args.program, options):
                rows[row["name"]] = row
                values.setdefault(row["name"], {}).setdefault(side, []).append(row["value"])
    print(f"{'':54} {'other':>10} {'ours':>10}")
    for name, row in rows.items():
        best = min if row["better"] == "lower" else max
        cells = [f"{best(values[name][side]):10.3f}" for side in sides if side in values[name]]
        target = "" if row["target"] is None else f"  (target: {row['target']:g})"
        print(f"{name:54} {' '.join(cells)} {row['unit']}{target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

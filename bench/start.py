"""How long memnotify takes to begin: CPU time of commands that do nothing else."""

from __future__ import annotations

import resource
import statistics
import sys

from guests import Figure, parser, publish
from memnotify import process
from memnotify.environment import PYTHON

ROUNDS = 7
WORDS = (
    (("--version",), 0.15),
    (("--help",), 0.15),
    (("series", "list"), 0.3),
    (("kernel", "list"), 0.3),
    (("show", "--help"), None),
    (("run", "--help"), None),
)


def cpu_seconds(words: tuple[str, ...]) -> float:
    """Return the CPU time of one command, with Python's own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process.run([sys.executable, "-m", "memnotify", *words], timeout=60, allow=[PYTHON])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    args = parser(__doc__).parse_args()
    figures = [
        Figure(
            f"memnotify {' '.join(words)}, median",
            statistics.median(cpu_seconds(words) for _ in range(ROUNDS)),
            "s of CPU",
            target,
        )
        for words, target in WORDS
    ]
    publish(figures, args.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())

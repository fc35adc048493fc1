"""The command line of make for a kernel, and ccache behind it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memnotify.environment import COMPILER
from memnotify.process import run
from memnotify.store import Store

# In depend mode, the compiler tells ccache what a file includes, and ccache need not preprocess it
# for that. But it does not tell what .incbin includes: assembly and two C files are preprocessed.
# (The assembly that embeds the kernel has no other difference from that of another kernel of the
# same size.) Nor does it tell which headers of the system a host program includes.
_CCACHE = """\
for last; do :; done
case $last in
*/configs.c | */kheaders.c) ;;
*.c) CCACHE_DEPEND=1; export CCACHE_DEPEND ;;
esac
exec ccache "$@"
"""


@dataclass(frozen=True)
class Make:
    """The command line of make, without targets, and its environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]

    def run(self, target: str, *words: str, tree: Path, **options: Any) -> None:
        run(
            [*self.argv, *words, target],
            cwd=tree,
            env=self.environment,
            allow=[COMPILER],
            **options,
        )


def make_command(variables: Mapping[str, str], tree: Path, store: Store, calls: Path) -> Make:
    """Return the command for a tree; ccache, if it is installed, notes its calls in `calls`."""
    words = {"HOSTCC": "gcc", **variables}
    environment = {}
    if shutil.which("ccache") is not None:
        script = calls.with_name("ccache.sh")
        script.write_text(_CCACHE, encoding="utf-8")
        for name, program in (("CC", f"sh {script}"), ("HOSTCC", "ccache")):
            words[name] = f"{program} {words[name]}"
        environment = {
            "CCACHE_DIR": str(store.folder("ccache")),
            "CCACHE_BASEDIR": str(tree),
            "CCACHE_NOHASHDIR": "1",
            "CCACHE_COMPILERCHECK": "content",
            # In depend mode it hashes every header of every file: hundreds each, mostly the same.
            # ccache 4.7 has this off by default.
            "CCACHE_INODECACHE": "1",
            # Keeps entries from being used that were cached when assembly was also in depend mode.
            "CCACHE_NAMESPACE": "preprocessed",
            "CCACHE_STATSLOG": str(calls),
        }
    # make 4.4 has these variables in MAKEFLAGS, and Linux 2.6 takes any `s` there for -s. Progress
    # counts the lines that name what is compiled, so they must be printed.
    words["quiet"] = "quiet_"
    return Make(("make", *(f"{name}={value}" for name, value in words.items())), environment)


def ccache_calls(calls: Path) -> tuple[int, int] | tuple[None, None]:
    """Return how many calls of ccache were hits and misses, or None for each without ccache."""
    try:
        lines = calls.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None, None
    hits = sum(line in ("direct_cache_hit", "preprocessed_cache_hit") for line in lines)
    return hits, lines.count("cache_miss")

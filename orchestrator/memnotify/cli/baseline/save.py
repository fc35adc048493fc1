"""memnotify baseline save"""

from __future__ import annotations

import argparse

from memnotify.cli.compare import add_fail_if, limits_of
from memnotify.cli.damaged import say_line
from memnotify.cli.output import say
from memnotify.cli.paths import named, path
from memnotify.results.baseline import Place, measured
from memnotify.text import counted, printable


def register(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.description = (
        "Write the figures of a run to baselines/NAME.toml, a file that is small, sorted and "
        "meant to be committed. It also keeps the limits given with --fail-if; without that "
        "option, the limits in the file stay."
    )
    parser.add_argument(
        "name", type=named, metavar="NAME", help="a name, or a path that ends in .toml"
    )
    parser.add_argument("run", type=path, metavar="RUN", help="folder of a run")
    add_fail_if(parser)
    parser.set_defaults(handler=_save)


def _save(args: argparse.Namespace) -> int:
    place = Place.of(args.name)
    limits = [limit.text for limit in limits_of(args)]
    if not limits and place.path.exists():
        limits = place.load().limits
    found = measured(args.run, say=say_line)
    changed = place.save(found, limits)
    for name in found.absent:
        say(f"no results, so not in the baseline: {name}")
    cells = counted(len(found.cells), "cell")
    print(printable(f"{place.path}: {cells}") + ("" if changed else ", as they were"))
    return 0

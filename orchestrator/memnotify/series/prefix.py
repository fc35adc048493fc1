"""The first patches of a series, as a series of its own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from memnotify.series.quilt import CONFIG, NONE, SERIES, Series


def write_prefix(series: Series, count: int, root: Path) -> str:
    """Write the first `count` patches below `root` as a revision; returns its name.

    A kernel with all patches is the one that has been built of the series itself: its name is the
    same. Without any it is `none`, and nothing is written.
    """
    if count == 0:
        return NONE
    whole = count == len(series.patches)
    name = series.revision if whole else f"{series.revision}-first-{count}"
    folder = root / name / series.base
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = []
    for patch in series.patches[:count]:
        shutil.copyfile(patch.path, folder / patch.name)
        lines.append(f"{patch.name} fuzz={patch.fuzz}" if patch.fuzz else patch.name)
    (folder / SERIES).write_text("".join(f"{line}\n" for line in lines))
    if series.config:
        (folder / CONFIG).write_text(_config_of(series, series.config, count))
    return name


def _config_of(series: Series, config: Path, count: int) -> str:
    """Return the lines for options that the first `count` patches have or leave to the base."""
    left_out = "".join(p.path.read_text(errors="replace") for p in series.patches[count:])
    later = set(re.findall(r"^\+(?:menu)?config[ \t]+(\w+)", left_out, re.M))
    return "".join(
        line
        for line in config.read_text().splitlines(keepends=True)
        if (named := re.search(r"CONFIG_(\w+)", line)) is None or named[1] not in later
    )

"""What in the folders of the project is the project's own: a user may have put more beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from memnotify.places import CAMPAIGNS, PATCHES
from memnotify.series.quilt import MEM_NOTIFY, NONE, read_series_file

REVISIONS: dict[str, str | None] = {
    "v1": None,
    "v2": "v1",
    "v2-wakeup": "v2",
    "v3": "v2",
    "v3-wake-all": "v3",
    "v3-throttled": "v3-wake-all",
    "v3-faster": "v3-throttled",
    "v4": "v3",
    "v4-tenth": "v4",
    "v4-long-uptime": "v4",
    "v5": "v4",
    "v6": "v5",
    "v6-ageing": "v6",
}
"""Every revision, and the one that it follows."""

BASES = {"2.6.24-rc6-mm1", "2.6.24", "2.6.25", "6.1", "6.12", "7.3"}


def campaigns() -> list[Path]:
    """Return the campaigns that campaigns/README.md describes."""
    told = (CAMPAIGNS / "README.md").read_text()
    files = [path for path in CAMPAIGNS.glob("*.toml") if f"`{path.name}`" in told]
    return sorted([*files, *CAMPAIGNS.glob("hypotheses/[0-9][0-9]-*.toml")])


def folders_of_patches() -> Iterator[Path]:
    """Yield each folder with a series that has patches."""
    for file in sorted(PATCHES.rglob("series")):
        revision = file.parent.parent
        strange = revision.parent == MEM_NOTIFY and revision.name not in (NONE, *REVISIONS)
        if not strange and read_series_file(file):
            yield file.parent

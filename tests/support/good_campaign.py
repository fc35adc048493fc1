"""A campaign that is good, for tests that change something in it."""

from __future__ import annotations

import shutil
from pathlib import Path

from memnotify.series.quilt import MEM_NOTIFY
from memnotify.series.registered import write_facts

from tests.support.campaign_text import POLL, head, scenario

GOOD = head(
    series=["none", "v4"],
    memory_mib=[64, 96],
    clients=[1, 32],
    machine="pc-swap",
    scenario="squeeze",
) + scenario(
    "squeeze",
    (0, POLL),
    (5, "balloon = { percent = 75 }"),
    (20, "balloon = { percent = 100 }"),
    duration_s=40,
)


TEXT = 'clients = {{ kind = "exit", count = 1, cache_mib = 1, text_mib = {} }}'


def register(root: Path, name: str, base: str) -> None:
    """Register our series as an original, as a user would."""
    revision = name.removesuffix("-original")
    folder = root / "memnotify/series" / name / base
    shutil.copytree(MEM_NOTIFY / revision / base, folder)
    write_facts(folder, revision=revision, mails=[], ours=[])


STEP = "\n[[scenario.squeeze.step]]\nat_s = 30\n"
MORE = 'clients = { kind = "poll", count = 15_968 }'  # with 32 of the matrix, the maximum

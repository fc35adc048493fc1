"""Campaigns whose clients are programs of the user's own."""

from __future__ import annotations

from pathlib import Path

from memnotify.campaign.load import Campaign, load_campaign
from memnotify.scenario import Program

CAMPAIGN = """\
name = "own"
[kernel]
base = "6.1"
arch = {arch}
[matrix]
series = "v4"
memory_mib = 64
machine = "pc-swap"
scenario = "mine"
[scenario.mine]
duration_s = 20
[[scenario.mine.step]]
at_s = 0
clients = {{ {clients} }}
"""


def campaign(folder: Path, clients: str, arch: str = '"x86_64"') -> Campaign:
    path = folder / "mine.toml"
    path.write_text(CAMPAIGN.format(clients=clients, arch=arch))
    return load_campaign(path)


def program(path: Path) -> Program:
    return campaign(path.parent, f'program = "{path.name}", count = 1').programs["mine"][0]


def wait_source(folder: Path) -> Path:
    """Write a program of two files; return the first."""
    path = folder / "wait.c"
    path.write_text('#include "more.h"\nint main(void) { return MORE; }\n')
    (folder / "more.h").write_text("#define MORE 0\n")
    return path

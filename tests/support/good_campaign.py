"""A campaign that is good, for tests that change something in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from memnotify.campaign.load import load_campaign
from memnotify.errors import InputError
from memnotify.series.quilt import MEM_NOTIFY
from memnotify.series.registered import write_facts

from tests.support.campaign_text import POLL, head, scenario, write

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


def refusal(folder: Path, old: str, new: str) -> InputError:
    """Return the error that the good campaign gives with a part replaced."""
    assert GOOD.count(old) == 1
    path = write(folder, GOOD.replace(old, new))
    with pytest.raises(InputError) as caught:
        load_campaign(path)
    return caught.value


def assert_refused(folder: Path, old: str, new: str, line: int, words: str) -> None:
    """Assert that the error names the line of the file, and matches words; it is one line."""
    error = refusal(folder, old, new)
    assert error.exit_code == 2
    text = str(error)
    assert text.startswith(f"{folder / 'try.toml'}:{line}: "), text
    assert re.search(words, text, re.DOTALL), text
    assert "\n" not in text

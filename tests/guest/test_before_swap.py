"""v4 notifies before the first page goes to swap, as gdb sees it in the kernel."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.places import CAMPAIGNS
from memnotify.store import Artifact

from tests.support.bases import modern
from tests.support.campaign_text import head, scenario

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(shutil.which("gdb") is None, reason="there is no gdb"),
]

SCRIPT = CAMPAIGNS / "hypotheses/03-before-swap.gdb"


def test_v4_notifies_before_the_first_page_goes_to_swap(
    tmp_path: Path, kernel_artifact: Callable[..., Artifact], capfd: pytest.CaptureFixture[str]
) -> None:
    kernel_artifact("v4")
    file, run = tmp_path / "before-swap.toml", tmp_path / "run"
    text = head(
        "before-swap",
        base=modern(),
        series="v4",
        memory_mib=64,
        machine="pc-swap",
        scenario="fill",
    )
    hog = (0, "hog = { rate_mib_s = 20, ceiling_percent = 110 }")
    file.write_text(text + scenario("fill", hog, start_s=2, duration_s=4, log_records=4000))
    assert main(["run", str(file), "-o", str(run), "--json"]) == 0
    (cell,) = json.loads(capfd.readouterr().out)
    assert cell["swapped_out"] > 0
    assert main(["gdb", str(run), cell["id"], "-x", str(SCRIPT)]) == 0
    said = capfd.readouterr().out
    assert "pages that had gone to swap at the first notification: 0\n" in said
    assert "mem_notify_zones" in said and "kswapd" in said  # which zones, and which task

"""A shell in a real guest, at a moment of its run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.cli.main import main
from memnotify.errors import InfrastructureError
from memnotify.image.tools import ensure_tools
from memnotify.image.upstream import KIND
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.results.cell import find_finished
from memnotify.results.folder import RunFolder
from memnotify.store import Artifact, Store

from tests.support.bases import modern
from tests.support.kernels import given_source
from tests.support.looked_at import CAMPAIGN as LOOKING

pytestmark = pytest.mark.guest
pytest.importorskip("fabric")

OLD = "2.6.24"
CAMPAIGN = f"""\
{LOOKING}
[[scenario.short.step]]
at_s = 2.6
stop = "clients"
"""


@pytest.fixture(params=["modern", OLD])
def run(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    kernel_artifact: Callable[..., Artifact],
    user_store: Store,
) -> RunFolder:
    """Return the folder of a run of one cell, on a machine that has the programs for a shell."""
    base = modern() if request.param == "modern" else request.param
    kernel_artifact("v4", base=base)
    try:
        ensure_tools(Arch.X86_64, store=user_store, log=CommandLog(), progress=print)
    except InfrastructureError as error:
        if error.kind != KIND:
            raise
        pytest.skip(error.message)  # another distribution, or no network
    file = tmp_path / "shell.toml"
    file.write_text(CAMPAIGN.format(base=base))
    source = given_source(base)
    given = [] if source is None else ["--source", source]
    assert main(["run", str(file), "-o", str(tmp_path / "run"), "--json", *given]) == 0
    return RunFolder(tmp_path / "run")


def test_a_command_sees_the_guest_of_the_moment_and_its_status_comes_back(
    run: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    finished = find_finished(run, run.plan()[0].id, store=Store())
    capfd.readouterr()
    script = "cat /proc/meminfo; ps -o stat,comm; ls -l /dev/mem_notify; exit 7"
    words = ["shell", str(run.path), finished.job.id, "--at", "2.2", "--", "sh", "-c", script]
    status = main(words)
    said = capfd.readouterr()
    assert status == 7, said.err
    assert "are those of the run, bit for bit" in said.err
    total = re.search(r"^MemTotal: +(\d+) kB$", said.out, re.MULTILINE)
    # The balloon has taken 10 % of 64 MiB, and a kernel takes some for itself.
    assert total is not None and 40 << 10 < int(total[1]) < 58 << 10
    # They are there, and stopped. The scenario would have ended them meanwhile.
    assert re.findall(r"^ *(\w+) +client *$", said.out, re.MULTILINE) == ["T", "T"]
    assert re.search(r"^c.*/dev/mem_notify$", said.out, re.MULTILINE)

"""An orchestrator, or a pytest worker, that is told to end or killed while its guest runs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.store import Artifact, Store

from tests.support.bases import modern
from tests.support.lab import CLIENT, QUIET, Lab, campaign, made_up
from tests.support.processes import alive, wait_for

pytestmark = pytest.mark.guest

# Restores the signals that a background job ignores. The run has its own store.
RUN = """
import signal, sys
from functools import partial
from pathlib import Path
from memnotify.cli import run
from memnotify.cli.main import main
from memnotify.run.services import Services
from memnotify.store import Store

signal.signal(signal.SIGINT, signal.default_int_handler)
store = Store(Path(sys.argv[1]))
kernel, image = Store().get("kernel", sys.argv[2]), Store().get("image", sys.argv[3])
builders = dict(build_kernel=lambda *_, **__: kernel, build_image=lambda *_, **__: image)
run.Services, run.Store = partial(Services, **builders), lambda: store
sys.exit(main(["run", sys.argv[4], "-j", "1", "-o", sys.argv[5]]))
"""
ENDLESS = ("86000", CLIENT)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.mark.parametrize(
    ("signals", "status", "said"),
    [
        ([signal.SIGTERM], 130, "memnotify: interrupted\n"),
        ([signal.SIGINT, signal.SIGINT], 130, "memnotify: interrupted\n"),
        ([signal.SIGKILL], -signal.SIGKILL, ""),
    ],
    ids=["SIGTERM", "SIGINT twice", "SIGKILL"],
)
def test_finished_cells_stay_and_the_next_run_goes_on(
    signals: list[signal.Signals],
    status: int,
    said: str,
    real_lab: Callable[..., Lab],
    templates: Path,
) -> None:
    lab = real_lab(store=templates)
    lab.file.write_text(campaign(short=QUIET, endless=ENDLESS))
    paths = (templates, lab.kernel.key, lab.image.key, lab.file, lab.run_folder.path)
    argv = [sys.executable, "-u", "-c", RUN, *map(str, paths)]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        for line in running.stdout:
            if line.rstrip().endswith("endless-1c-r1: run"):
                break
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text()
        (qemu,) = map(int, children.split())
        for number in signals:
            running.send_signal(number)
            time.sleep(0.05)
        _, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (status, said)
    wait_for(lambda: not alive(qemu))
    assert lab.outcomes() == {"short": ["ok"]}
    if status > 0 and len(signals) == 1:
        lab.nothing_is_left()

    started: list[str] = []

    async def runner(cell, **given):  # type: ignore[no-untyped-def]
        started.append(cell.scenario.name)
        return await made_up(cell, **given)

    assert lab.run("--cold", runner=runner).status == 0
    assert started == ["endless"]


CONFTEST = """
import os, signal
from functools import partial
from pathlib import Path

from memnotify.run.services import Services
from memnotify.guest.session import run_cell
from memnotify.guest.view import Watcher
from memnotify.plugin import session

died = Path(__file__).with_name("died")


async def runner(cell, *, watcher, **given):
    def at(stage):
        watcher.on_stage(stage)
        if stage == "run" and cell.scenario.name == "fatal" and not died.exists():
            died.write_text(Path(f"/proc/self/task/{os.getpid()}/children").read_text())
            os.kill(os.getpid(), signal.SIGKILL)

    return await run_cell(cell, watcher=Watcher(on_stage=at), **given)


session.Services = partial(Services, runner=runner)
"""


def test_the_guest_of_a_worker_of_pytest_dies_with_it(
    kernel_artifact: Callable[..., Artifact],
    user_store: Store,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel_artifact("none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(user_store.root.parent))  # pytester sets another HOME
    pytester.makeconftest(CONFTEST)
    text = campaign(fatal=ENDLESS, other=QUIET).replace('"6.1"', f'"{modern()}"')
    (pytester.path / "faults.toml").write_text(text)
    result = pytester.runpytest_subprocess("--memnotify=faults.toml", "-n", "2")
    result.assert_outcomes(passed=1, failed=1)
    assert "crashed while running" in result.stdout.str()
    (qemu,) = map(int, (pytester.path / "died").read_text().split())
    wait_for(lambda: not alive(qemu))
    assert list((pytester.path / "runs").rglob(".*")) == []
    assert len(list((pytester.path / "runs").glob("*/cells/*/verdict.json"))) == 1

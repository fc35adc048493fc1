"""Is the checker any good? v4 with one constant changed is caught by the invariant of that one.

Each is a user's own series: the folder of v4 for 6.1 and one patch more.
"""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
from squeezed import SECOND, Guest, Runner, squeeze

from orchestrator.campaign.checking import log_of, promises_of
from orchestrator.check.invariants import check
from orchestrator.check.promises import Answer, Invariant, Verdict
from orchestrator.model import Arch
from orchestrator.series.quilt import MEM_NOTIFY
from orchestrator.series.revision import load_revision

pytestmark = pytest.mark.guest

BASE = "6.1"
# A sample each 50 ms: after each notification there is one that shows whether the status stays 1.
SCENARIO = dataclasses.replace(
    squeeze(start_s=10, clients=200, spacing_ms=1), sample_ns=SECOND // 20
)
MUTATIONS = sorted((Path(__file__).parent / "mutations").glob("*.patch"))


def answers(guest: Guest) -> dict[Invariant, Answer]:
    """Return how the guest keeps what v4, not its own series, promises."""
    revision = load_revision("v4")
    assert revision is not None
    return {answer.invariant: answer for answer in check(log_of(guest.log), promises_of(revision))}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of series: v4 with each mutation."""
    root = tmp_path_factory.mktemp("series")
    for patch in MUTATIONS:
        folder = root / patch.stem / BASE
        shutil.copytree(MEM_NOTIFY / "v4" / BASE, folder)
        shutil.copy(patch, folder)
        with (folder / "series").open("a") as series:
            series.write(f"{patch.name}\n")
    return root


def test_v4_keeps_all_that_the_mutations_break(squeezed: Runner) -> None:
    found = answers(squeezed("v4", SCENARIO, base=BASE, arch=Arch.X86_64))
    assert {name: answer.verdict for name, answer in found.items()} == dict.fromkeys(
        found, Verdict.KEPT
    )
    assert found.keys() >= {Invariant(patch.stem) for patch in MUTATIONS}


@pytest.mark.parametrize("mutation", [patch.stem for patch in MUTATIONS])
def test_a_mutation_is_caught_by_its_invariant_only(
    mutation: str, root: Path, squeezed: Runner
) -> None:
    found = answers(squeezed(mutation, SCENARIO, base=BASE, arch=Arch.X86_64, root=root))
    broken = {name for name, answer in found.items() if answer.verdict is Verdict.BROKEN}
    assert broken == {Invariant(mutation)}

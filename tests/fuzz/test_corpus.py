"""The inputs that the fuzzer found worth keeping, and the check itself."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from pathlib import Path

import pytest
from memnotify.mailpatch.restore_series import Imported

from tests.fuzz import check as module
from tests.fuzz.check import ContradictionError, check, seeds
from tests.fuzz.readers import Findings, guarded, reached

CORPUS = Path(__file__).with_name("corpus")
SLOW = 20  # seconds of CPU time


def test_the_corpus() -> None:
    files = sorted(CORPUS.iterdir())
    found: Counter[str] = Counter()
    for file in files:
        began = time.process_time()
        found[check(file.read_bytes())] += 1
        assert time.process_time() - began < SLOW, file.name
    assert len(files) > 50
    assert min(found["refused"], found["restored"], found["as git apply"]) > 5, found


def test_the_seeds() -> None:
    found = Counter(check(data) for _, data in seeds())
    assert found.total() > 100
    assert found["as git apply"] > 20 and found["restored"] > 50, found


def test_a_result_that_git_contradicts_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = module._imported

    def broken(data: bytes) -> list[Imported]:
        return [
            dataclasses.replace(patch, data=patch.data.replace(b"\n+\t", b"\n+x\t", 1))
            for patch in whole(data)
        ]

    diff = next(data for name, data in seeds() if name == "1-diff")
    assert check(diff) == "as git apply"
    monkeypatch.setattr(module, "_imported", broken)
    with pytest.raises(ContradictionError, match="something else of"):
        check(diff)
    found = Findings(tmp_path / "found")
    for _ in range(3):
        guarded(module.check, found, 10)(diff)
    assert len(list((tmp_path / "found").glob("*.mail"))) == 1


def test_what_an_input_reaches() -> None:
    nothing, something = (
        reached(check, data) for data in (b"", b"--- a/mm/lamp.c\n+++ b/x\n@@ -1")
    )
    assert nothing and len(something - nothing) > len(nothing)

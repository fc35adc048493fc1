"""Which memnotify a host has."""

from __future__ import annotations

from pathlib import Path

import memnotify
import pytest
from memnotify.run.executors import parcel
from memnotify.run.executors.parcel import HostFacts, differs, program


def test_a_change_in_a_checkout_is_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("guest", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.py").touch()
    monkeypatch.setattr(parcel, "_PACKAGE", tmp_path)
    before = program.__wrapped__()
    assert before.startswith(f"{memnotify.__version__} (")
    (tmp_path / "data/one.py").write_text("1\n")  # a wheel has it there, a checkout elsewhere
    assert program.__wrapped__() == before
    (tmp_path / "guest/one.py").write_text("1\n")
    assert program.__wrapped__() != before


def test_a_host_with_the_same_version_of_another_program_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parcel, "qemu_version", lambda: "QEMU 7")
    given = {"address": "tls://a:1", "name": "a", "cores": 1, "memory_mib": 1, "threads": 1}
    there = HostFacts(memnotify=program(), qemu="QEMU 7", **given)  # type: ignore[arg-type]
    assert differs(there) == ""
    other = HostFacts(memnotify=f"{memnotify.__version__} (0)", qemu="QEMU 7", **given)  # type: ignore[arg-type]
    assert differs(other) == (f"a has memnotify {memnotify.__version__} (0), here {program()}")

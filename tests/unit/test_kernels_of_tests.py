"""Which kernel tests run on, and what becomes of a test whose kernel has no source here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from memnotify.errors import InfrastructureError
from memnotify.kernel import debian
from memnotify.model import KernelRequest
from memnotify.process import CommandLog
from memnotify.store import Store

from tests.support import bases, kernels
from tests.support.kernels import Kernels

asked: list[str] = []


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a machine with an empty store that reaches no source."""

    def unreachable(request: KernelRequest, **_: object) -> NoReturn:
        asked.append(request.base)
        raise InfrastructureError("unreachable", "looked everywhere")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in (bases.NAMED, "MEMNOTIFY_OFFLINE", *kernels.GIVEN.values()):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(debian, "has_apt", lambda: True)
    monkeypatch.setattr(kernels, "ensure_kernel", unreachable)
    asked.clear()
    bases.modern.cache_clear()
    yield
    bases.modern.cache_clear()


def lists(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let this machine's package lists have these packages of kernel source."""
    monkeypatch.setattr(debian, "kernel_sources", lambda: list(packages))


@pytest.mark.parametrize(
    ("packages", "base"),
    [
        (["linux-source-6.1"], "6.1"),
        (["linux-source-6.12"], "6.12"),
        (["linux-source-6.1", "linux-source-6.12"], "6.1"),
        (["linux-source-7.2"], "6.1"),
    ],
)
def test_tests_run_on_the_kernel_of_the_distribution(
    packages: list[str], base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lists(monkeypatch, *packages)
    assert bases.modern() == base


def test_which_kernel_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    lists(monkeypatch, "linux-source-6.1")
    monkeypatch.setenv(bases.NAMED, "6.12")
    assert bases.modern() == "6.12"
    bases.modern.cache_clear()
    monkeypatch.setenv(bases.NAMED, "6.2")
    with pytest.raises(ValueError, match=r"MEMNOTIFY_TEST_BASE=6\.2: not one of 6\.1, 6\.12"):
        bases.modern()


def test_a_test_of_the_distributions_kernel_fails_and_one_of_another_is_skipped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lists(monkeypatch, "linux-source-6.12")
    kernel = Kernels(Store(), CommandLog(tmp_path / "log"))
    with pytest.raises(pytest.fail.Exception, match=r"no source of 6\.12 can be had: looked every"):
        kernel("v4")
    for _ in range(2):
        with pytest.raises(pytest.skip.Exception, match=r"6\.1 .*kernel fetch 6\.1 --source PATH"):
            kernel("v4", base="6.1")
    with pytest.raises(pytest.skip.Exception, match=r"MEMNOTIFY_SOURCE_2_6_24 names no tree"):
        kernel("v4", base="2.6.24")
    assert asked == ["6.12", "6.1"], "one look is enough for a source that is not there"
    monkeypatch.setenv("MEMNOTIFY_OFFLINE", "1")
    with pytest.raises(pytest.skip.Exception, match=r"no source of 6\.12 can be had"):
        kernel("v4")

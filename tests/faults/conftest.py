"""Fixtures that run campaigns: with a made-up QEMU, or with a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from memnotify.guest import qemu
from memnotify.image.build import ensure_image
from memnotify.model import Arch
from memnotify.process import CommandLog
from memnotify.store import Artifact, Store

from tests.support.lab import Lab, MadeUp


@pytest.fixture
def lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[MadeUp]:
    yield MadeUp(tmp_path, monkeypatch, capsys)
    qemu.version.cache_clear()


@pytest.fixture
def real_lab(
    kernel_artifact: Callable[..., Artifact],
    user_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Lab]:
    """Return a function that makes a lab with the kernel and image of the user's store."""
    kernel = kernel_artifact("none")
    image = ensure_image(Arch.X86_64, store=user_store, log=CommandLog())
    return partial(Lab, tmp_path, monkeypatch, capsys, kernel=kernel, image=image)

"""The expectations of campaigns/test_demo.py, tried as by a user on one guest of the demo."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from memnotify.store import Store

from tests.support.bases import modern

pytestmark = pytest.mark.guest

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"


def test_a_guest_meets_what_is_expected(
    kernel: Callable[..., Path],
    user_store: Store,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel("v4")
    monkeypatch.setenv("XDG_CACHE_HOME", str(user_store.root.parent))  # pytester sets another HOME
    text = (CAMPAIGNS / "demo.toml").read_text()
    for whole, one in (
        ('base = ["2.6.24-rc6-mm1", "2.6.24", "6.1", "6.12"]', f'base = "{modern()}"'),
        ('series = ["none", "v4"]', 'series = "v4"'),
        ("memory_mib = [64, 96]", "memory_mib = 64"),
        ("clients = [1, 32, 200]", "clients = 32"),
    ):
        assert whole in text
        text = text.replace(whole, one)
    (pytester.path / "demo.toml").write_text(text)
    tests = (CAMPAIGNS / "test_demo.py").read_text()
    # There is no kernel without mem_notify here: a marker that asks for one would be refused.
    assert tests.count('series="none"') == 1
    tests = tests.replace('series="none"', 'campaign="another"')
    (pytester.path / "test_demo.py").write_text(tests)
    result = pytester.runpytest_subprocess("--memnotify=demo.toml", "-rA")
    result.assert_outcomes(passed=1 + 4, skipped=1)

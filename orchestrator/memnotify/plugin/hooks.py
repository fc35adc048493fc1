"""The part that pytest always loads: options, markers and the `cell` fixture.

It costs nothing without --memnotify: only that option imports the rest of the package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from memnotify.results.frames import CellResults

ACTIVE = "memnotify-session"
"""The name under which the plugin is registered if --memnotify is given."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("memnotify", "memnotify campaigns as tests")
    group.addoption(
        "--memnotify",
        action="append",
        metavar="CAMPAIGN.toml",
        help="make every cell of this campaign a test; may be repeated",
    )
    group.addoption(
        "--memnotify-output",
        default="runs",
        metavar="DIR",
        help="write results to DIR/<name of the campaign>; default: runs",
    )
    group.addoption(
        "--memnotify-shard", metavar="K/N", help="run only part K of N of each campaign"
    )
    group.addoption(
        "--memnotify-durations",
        metavar="FILE",
        help="output of memnotify show --json, used to make all parts take equally long",
    )
    group.addoption(
        "--memnotify-again", action="store_true", help="also run cells that already have results"
    )
    group.addoption(
        "--memnotify-cold",
        action="store_true",
        help="boot every guest instead of starting it from a template",
    )
    group.addoption("--memnotify-accel", default="auto", choices=("auto", "tcg", "kvm"))
    group.addoption("--memnotify-clock", default="virtual", choices=("virtual", "real"))
    group.addoption(
        "--memnotify-source", metavar="PATH", help="kernel tree or tarball to build from"
    )


def pytest_configure(config: pytest.Config) -> None:
    for line in (
        "memnotify: a cell of a campaign; these tests run guests",
        "cells(**parameters): select the cells for which a test that uses the `cell` fixture is "
        'run, for example cells(series="v4", clients=[32, 200])',
    ):
        config.addinivalue_line("markers", line)
    if config.getoption("memnotify"):
        from memnotify.plugin.session import Session

        config.pluginmanager.register(Session(config), ACTIVE)


@pytest.fixture(scope="session")
def _memnotify_cell(request: pytest.FixtureRequest) -> Any:
    return getattr(request, "param", None)


@pytest.fixture(scope="session")
def cell(_memnotify_cell: Any, pytestconfig: pytest.Config) -> CellResults:
    """The results of each cell of the campaigns in turn; a cell without results is run first."""
    session = pytestconfig.pluginmanager.get_plugin(ACTIVE)
    if session is None:
        pytest.skip("needs --memnotify CAMPAIGN.toml")
    results: CellResults = session.results(_memnotify_cell)
    return results

"""Schedulers of pytest-xdist that go on after the death of a worker.

Those of pytest-xdist 3.8 and before that keep tests together (loadscope, loadfile, loadgroup) may
wait forever then, or give the test that killed a worker to the next one (its issues 1189, 1323,
1327 and 1371).
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling, LoadGroupScheduling, LoadScopeScheduling
from xdist.workermanage import WorkerController


class _GoesOn(LoadScopeScheduling):  # type: ignore[misc]  # its package has no types
    def remove_node(self, node: WorkerController) -> str | None:
        """Give what a worker left to others: neither finished tests nor the one that killed it."""
        work = self.assigned_work.pop(node)
        left = {
            scope: [test for test, done in tests.items() if not done]
            for scope, tests in work.items()
        }
        waiting: list[str] = [test for tests in left.values() for test in tests]
        if not waiting:
            return None
        for scope, tests in left.items():
            if rest := dict.fromkeys((test for test in tests if test != waiting[0]), False):
                self.workqueue[scope] = rest
        for other in list(self.assigned_work):
            self._reschedule(other)
        return waiting[0]

    def _reschedule(self, node: WorkerController) -> None:
        if node not in self.registered_collections:
            return  # it still collects; schedule() comes back to it
        super()._reschedule(node)
        # A worker starts a test only when it has the next one, or the word that none is left.
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            if self.workqueue:
                self._assign_work_unit(node)
            else:
                node.shutdown()


class _Scope(_GoesOn):
    pass


class _File(_GoesOn, LoadFileScheduling):  # type: ignore[misc]
    pass


class _Group(_GoesOn, LoadGroupScheduling):  # type: ignore[misc]
    pass


_BY_NAME: dict[str, type[_GoesOn]] = {"loadscope": _Scope, "loadfile": _File, "loadgroup": _Group}


def scheduler(config: pytest.Config, log: Any) -> _GoesOn | None:
    """Return a scheduler for `--dist`; None if the one of pytest-xdist serves."""
    kind = _BY_NAME.get(config.getvalue("dist"))
    return None if kind is None else kind(config, log)

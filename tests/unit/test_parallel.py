"""Work on many things: the results in their order, and no thread that outlives it."""

from __future__ import annotations

import threading
import time

import pytest
from memnotify import host, parallel
from memnotify.parallel import each


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "cores", lambda: 2)


@pytest.mark.parametrize("count", [0, 1, 31, 32, 200])
def test_results_come_in_the_order_of_the_things(count: int) -> None:
    assert list(each(lambda number: number * 2, range(count))) == [2 * n for n in range(count)]


def test_many_things_are_worked_on_side_by_side() -> None:
    both = threading.Barrier(2, timeout=30)
    # Alone, a thread would wait for the other one forever.
    assert len(list(each(lambda _: both.wait(), range(2 * parallel._EACH)))) == 32


def test_a_few_things_are_not_worth_a_thread() -> None:
    threads = set(each(lambda _: threading.current_thread(), range(2 * parallel._EACH - 1)))
    assert threads == {threading.current_thread()}


def test_an_error_is_raised_in_its_turn_and_ends_the_work() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 5:
            raise ValueError("five")
        time.sleep(0.001)
        return number

    found, threads = [], threading.active_count()
    with pytest.raises(ValueError, match="five"):
        for number in each(work, range(1000)):
            found.append(number + 0)
    assert found == [0, 1, 2, 3, 4]
    assert len(begun) < 1000
    assert threading.active_count() == threads

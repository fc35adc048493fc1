"""What a seed changes in a scenario, and what it does not change."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from memnotify.campaign.seeds import RATE_SPREAD, SPACING_SPREAD, varied
from memnotify.guest.mailbox import encode_scenario
from memnotify.scenario import (
    Balloon,
    ClientKind,
    Clients,
    FileCache,
    Hog,
    Op,
    Scenario,
    Step,
    Stop,
)

from tests.support.steps import clients_of, numbers, with_clients

S = 10**9
SPACING = 1_000_000
KINDS = (ClientKind.POLL, ClientKind.EXIT, ClientKind.FASYNC)
SCENARIO = Scenario(
    name="all",
    start_ns=10 * S,
    duration_ns=20 * S,
    sample_ns=S // 10,
    steps=(
        *(Step(at_ns=0, action=Clients(kind=kind, count=5, spacing_ns=SPACING)) for kind in KINDS),
        Step(at_ns=S, action=Clients(kind=ClientKind.POLL, count=6)),
        Step(at_ns=S, action=Hog(rate_kib_s=3072, ceiling_kib=64 * 1024)),
        Step(at_ns=2 * S, action=FileCache(rate_kib_s=4096, total_kib=64 * 1024)),
        Step(at_ns=3 * S, action=Balloon(target_kib=48 * 1024, settle_ns=2 * S)),
        Step(at_ns=9 * S, action=Stop(what=Op.HOG)),
    ),
)
SEEDS = st.integers(1, 2**31)


def test_seed_0_is_the_scenario_as_it_is_written() -> None:
    assert varied(SCENARIO, 0, cpus=4) == SCENARIO


@given(SEEDS, st.integers(1, 8))
def test_a_seed_says_all(seed: int, cpus: int) -> None:
    once = varied(SCENARIO, seed, cpus=cpus)
    assert once == varied(SCENARIO, seed, cpus=cpus)
    assert once != varied(SCENARIO, seed - 1, cpus=cpus)
    assert encode_scenario(once)


@given(SEEDS)
def test_only_what_is_said_changes_and_no_further(seed: int) -> None:
    steps = varied(SCENARIO, seed, cpus=1).steps
    assert [(step.at_ns, step.op) for step in steps] == [
        (step.at_ns, step.op) for step in SCENARIO.steps
    ]
    assert {clients_of(step).kind for step in steps[:3]} == set(KINDS)
    for step in steps[:3]:
        assert abs(clients_of(step).spacing_ns / SPACING - 1) <= SPACING_SPREAD
    assert steps[3] == SCENARIO.steps[3]  # no spacing, nothing to vary
    for step, plain in zip(steps[4:6], SCENARIO.steps[4:6], strict=True):
        rate, *others = numbers(step)
        plain_rate, *plain_others = numbers(plain)
        assert abs(rate / plain_rate - 1) <= RATE_SPREAD + 1e-3
        assert others == plain_others
    assert steps[6:] == SCENARIO.steps[6:]
    assert all(step.place == 0 for step in steps)


def test_every_order_and_every_cpu_comes() -> None:
    drawn = [varied(SCENARIO, seed, cpus=3).steps for seed in range(1, 200)]
    assert {tuple(clients_of(step).kind for step in steps[:3]) for steps in drawn} == {
        (a, b, c) for a in KINDS for b in KINDS for c in KINDS if len({a, b, c}) == 3
    }
    for index in (0, 4, 5):
        assert {steps[index].place for steps in drawn} == {1, 2, 3}
    assert all(step.place == 0 for steps in drawn for step in steps[6:])


def test_of_two_cpus_both_come() -> None:
    drawn = [varied(SCENARIO, seed, cpus=2).steps for seed in range(1, 20)]
    assert {steps[4].place for steps in drawn} == {1, 2}


def test_the_draws_spread_to_both_sides_and_nearly_as_far_as_they_may() -> None:
    drawn = [varied(SCENARIO, seed, cpus=1).steps for seed in range(1, 200)]
    spacings = [clients_of(steps[0]).spacing_ns / SPACING for steps in drawn]
    assert min(spacings) < 1 - 0.9 * SPACING_SPREAD
    assert max(spacings) > 1 + 0.9 * SPACING_SPREAD
    rates = [numbers(steps[5])[0] / numbers(SCENARIO.steps[5])[0] for steps in drawn]
    assert min(rates) < 1 - 0.9 * RATE_SPREAD
    assert max(rates) > 1 + 0.9 * RATE_SPREAD


def test_the_draws_do_not_depend_on_the_matrix() -> None:
    more = dataclasses.replace(
        SCENARIO,
        steps=tuple(
            with_clients(step, count=200) if step.op is Op.CLIENTS else step
            for step in SCENARIO.steps
        ),
    )
    for few, many in zip(
        varied(SCENARIO, 5, cpus=2).steps, varied(more, 5, cpus=2).steps, strict=True
    ):
        if few.op is Op.CLIENTS:
            assert clients_of(many).count == 200
            many = with_clients(many, count=clients_of(few).count)
        assert few == many

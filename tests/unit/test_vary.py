"""What a seed changes in a scenario, and what it leaves alone."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from memnotify.campaign.seeds import RATE_SPREAD, SPACING_SPREAD, varied
from memnotify.guest.mailbox import encode_scenario
from memnotify.model import ClientKind, Op, Scenario, Step

S = 10**9
SPACING = 1_000_000
KINDS = (ClientKind.POLL, ClientKind.EXIT, ClientKind.FASYNC)
SCENARIO = Scenario(
    name="all",
    start_ns=10 * S,
    duration_ns=20 * S,
    sample_ns=S // 10,
    steps=(
        *(Step(at_ns=0, op=Op.CLIENTS, args=(kind, 5, 0, 0, SPACING)) for kind in KINDS),
        Step(at_ns=S, op=Op.CLIENTS, args=(ClientKind.POLL, 6, 0, 0, 0)),
        Step(at_ns=S, op=Op.HOG, args=(3072, 64 * 1024)),
        Step(at_ns=2 * S, op=Op.FILECACHE, args=(4096, 64 * 1024)),
        Step(at_ns=3 * S, op=Op.BALLOON, args=(48 * 1024, 2 * S)),
        Step(at_ns=9 * S, op=Op.STOP, args=(Op.HOG,)),
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
    assert {step.args[0] for step in steps[:3]} == set(KINDS)
    for step in steps[:3]:
        assert abs(step.args[4] / SPACING - 1) <= SPACING_SPREAD
    assert steps[3] == SCENARIO.steps[3]  # no spacing, nothing to vary
    for step, plain in zip(steps[4:6], SCENARIO.steps[4:6], strict=True):
        assert abs(step.args[0] / plain.args[0] - 1) <= RATE_SPREAD + 1e-3
        assert step.args[1:] == plain.args[1:]
    assert steps[6:] == SCENARIO.steps[6:]
    assert all(step.place == 0 for step in steps)


def test_every_order_and_every_cpu_comes() -> None:
    drawn = [varied(SCENARIO, seed, cpus=3).steps for seed in range(1, 200)]
    assert {tuple(step.args[0] for step in steps[:3]) for steps in drawn} == {
        (a, b, c) for a in KINDS for b in KINDS for c in KINDS if len({a, b, c}) == 3
    }
    for index in (0, 4, 5):
        assert {steps[index].place for steps in drawn} == {1, 2, 3}
    assert all(step.place == 0 for steps in drawn for step in steps[6:])


def test_the_draws_do_not_depend_on_the_matrix() -> None:
    more = dataclasses.replace(
        SCENARIO,
        steps=tuple(
            dataclasses.replace(step, args=(step.args[0], 200, *step.args[2:]))
            if step.op is Op.CLIENTS
            else step
            for step in SCENARIO.steps
        ),
    )
    for few, many in zip(
        varied(SCENARIO, 5, cpus=2).steps, varied(more, 5, cpus=2).steps, strict=True
    ):
        assert (few.place, few.args[0], few.args[2:]) == (many.place, many.args[0], many.args[2:])

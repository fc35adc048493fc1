"""Vary a scenario by a seed, so that the spread over repeats is real.

In virtual time, two guests with the same input behave identically. What cannot be controlled on a
real machine is drawn from the seed instead: when each client starts, how fast memory is used, and
on which CPU.
"""

from __future__ import annotations

import dataclasses
import itertools
from random import Random

from memnotify.scenario import Clients, FileCache, Hog, Scenario, Step

RATE_SPREAD = 0.05
"""A hog or a filecache is at most this much faster or slower than the scenario says."""

SPACING_SPREAD = 0.5
"""The same for the time between the starts of two clients."""


def varied(scenario: Scenario, seed: int, *, cpus: int) -> Scenario:
    """Return a scenario varied by a seed; seed 0 gives the scenario as written.

    All values are drawn with `random.Random(seed)`, which is the same on every machine, and depend
    only on the scenario and the number of CPUs: cells that differ in their kernel have the same
    draws.

    - Consecutive client steps at the same time are shuffled.
    - The time between two clients of a step is multiplied by 1 ± SPACING_SPREAD.
    - The rate of each hog and filecache is multiplied by 1 ± RATE_SPREAD.
    - With several CPUs, a step's processes start on a drawn CPU and the CPUs after it.
    """
    if seed == 0:
        return scenario
    draw = Random(seed)
    steps: list[Step] = []
    for _, together in itertools.groupby(scenario.steps, key=lambda step: (step.at_ns, step.op)):
        group = list(together)
        if isinstance(group[0].action, Clients):
            draw.shuffle(group)
        steps += (_varied(step, draw, cpus) for step in group)
    return dataclasses.replace(scenario, steps=tuple(steps))


def _varied(step: Step, draw: Random, cpus: int) -> Step:
    action = step.action
    match action:
        case Clients():
            spacing = _about(action.spacing_ns, SPACING_SPREAD, draw)
            action = dataclasses.replace(action, spacing_ns=spacing)
        case Hog() | FileCache():
            rate = _about(action.rate_kib_s, RATE_SPREAD, draw)
            action = dataclasses.replace(action, rate_kib_s=rate)
        case _:
            return step
    place = 1 + draw.randrange(cpus) if cpus > 1 else 0
    return dataclasses.replace(step, action=action, place=place)


def _about(value: int, spread: float, draw: Random) -> int:
    return round(value * draw.uniform(1 - spread, 1 + spread))

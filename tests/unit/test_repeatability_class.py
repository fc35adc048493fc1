"""What a manifest says of its cell's repeatability."""

from __future__ import annotations

import dataclasses

import pytest
from memnotify.guest.machine import load_machine
from memnotify.model import (
    Arch,
    Cell,
    CellResult,
    Clock,
    Finding,
    KernelRequest,
    Outcome,
    Repeatability,
)
from memnotify.results.summary import repeatability
from memnotify.scenario import Balloon, Scenario, Step

BALLOON = Step(at_ns=0, action=Balloon(target_kib=49152, settle_ns=10**9))


def make_cell(machine: str, *steps: Step, smp: int = 1, clock: Clock = Clock.VIRTUAL) -> Cell:
    return Cell(
        request=KernelRequest(base="6.1", series="none", arch=Arch.X86_64),
        machine=dataclasses.replace(load_machine(machine), smp=smp),
        memory_mib=64,
        clients=1,
        scenario=Scenario(name="test", start_ns=0, duration_ns=10**9, sample_ns=10**8, steps=steps),
        clock=clock,
    )


def end(outcome: Outcome | None = None, *, template: str | None = None) -> CellResult:
    return CellResult(
        outcome=outcome or Outcome(),
        guest_ns=10**9,
        wall_seconds=1.0,
        records=10,
        lost_records=0,
        template=template,
    )


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (make_cell("pc"), Repeatability.EXACT),
        (make_cell("pc-swap-disk", BALLOON), Repeatability.EXACT),
        (make_cell("pc-swap-disk", smp=2), Repeatability.UNPROVEN),
        (make_cell("pc-swap-disk", BALLOON, smp=2), Repeatability.UNPROVEN),
        (make_cell("pc-swap-virtio"), Repeatability.UNPROVEN),
        (make_cell("x86-32"), Repeatability.UNPROVEN),
        (make_cell("pc", clock=Clock.REAL), Repeatability.REAL_TIME),
    ],
)
def test_it_follows_from_what_the_cell_is_made_of(cell: Cell, expected: Repeatability) -> None:
    assert repeatability(cell, end()) is expected


def test_a_guest_that_may_have_waited_for_its_console_is_not_exact() -> None:
    waited = dataclasses.replace(end(), console_waited=True)
    assert repeatability(make_cell("pc"), waited) is Repeatability.UNPROVEN


def test_a_guest_that_was_held_is_not_exact() -> None:
    held = dataclasses.replace(end(), held=True)
    assert repeatability(make_cell("pc"), held) is Repeatability.UNPROVEN


def test_a_guest_that_was_restored_is_like_one_that_booted() -> None:
    assert repeatability(make_cell("pc"), end(template="key")) is Repeatability.EXACT


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome(finding=Finding.PANIC), Repeatability.EXACT),
        # The host decides when it has waited long enough.
        (Outcome(finding=Finding.HANG), Repeatability.UNPROVEN),
        (Outcome(infrastructure="qemu-died"), Repeatability.UNPROVEN),
    ],
)
def test_a_log_that_the_host_cut_off_is_not_exact(
    outcome: Outcome, expected: Repeatability
) -> None:
    assert repeatability(make_cell("pc"), end(outcome)) is expected

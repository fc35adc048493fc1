"""Steps as the guest gets them, and steps derived from others."""

from __future__ import annotations

import dataclasses
from typing import Any

from memnotify.guest.mailbox import step_to_json
from memnotify.scenario import ClientKind, Clients, Step


def numbers(step: Step) -> tuple[int, ...]:
    """Return the numbers of a step's action, in the order of record.h."""
    return tuple(step_to_json(step)["args"])


def clients_of(step: Step) -> Clients:
    assert isinstance(step.action, Clients)
    return step.action


def with_clients(step: Step, **changes: Any) -> Step:
    """Return a step whose clients differ in these fields."""
    return dataclasses.replace(step, action=dataclasses.replace(clients_of(step), **changes))


def of_kind(step: Step, kind: ClientKind) -> Step:
    return with_clients(step, kind=kind)

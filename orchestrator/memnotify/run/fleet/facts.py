"""What a worker would offer: the environment of a host is asked, with `python -m` of this module.

To import the libraries of a worker is a part of the question.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from memnotify.run.need import host_capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the host has for guests."""

    memory_mib: int
    cores: int

    @classmethod
    def from_json(cls, value: Any) -> Self:
        return cls(memory_mib=value["memory_mib"], cores=value["cores"])


def facts() -> Facts:
    """Return those of this machine."""
    capacity = host_capacity()
    return Facts(memory_mib=capacity.memory_mib, cores=capacity.cores)


if __name__ == "__main__":
    importlib.import_module("distributed.nanny")
    importlib.import_module("memnotify.guest.session")
    print(json.dumps(asdict(facts())))

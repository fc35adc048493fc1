"""manifest.json: how the results of a cell were made, and the digests of their files."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, Strict, TypeAdapter, ValidationError

from memnotify.host import Machine
from memnotify.model import BalloonMove, Outcome

Text = Annotated[str, Strict()]
Count = Annotated[int, Strict(), Field(ge=0, le=10**24)]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]

BOOT, TEMPLATE = "boot", "template"
"""What a guest can start from."""


_FACTS = ("version", "patches")
"""Of the kernel, in an overview."""

_OWN = "scenario"
"""The part of which each cell may have a digest of its own."""


def _judged(value: Any, *, detail: str) -> Any:
    """Return an object with its outcome parsed; the key `detail` holds the outcome's detail."""
    if not isinstance(value, Mapping) or "outcome" not in value:
        return value
    outcome, more = value["outcome"], value.get(detail, "")
    if not isinstance(outcome, str) or not isinstance(more, str):
        raise ValueError(f"outcome and {detail} are not strings")
    return {**value, "outcome": Outcome.parse(outcome, detail=more)}


def first_problem(error: ValidationError) -> str:
    """Return where in a file something is wrong first, and what."""
    first = error.errors()[0]
    message = str(first["msg"]).removeprefix("Value error, ")
    return f"{'.'.join(map(str, first['loc']))}: {message}"


def _plausible(host: Machine | None) -> Machine | None:
    if host is not None and not all(0 <= n < 10**12 for n in (host.cores, host.memory_mib)):
        raise ValueError("no machine has that many cores or that much memory")
    return host


def _described(artifact: dict[str, Any]) -> dict[str, Any]:
    for part in ("facts", "inputs"):
        if not isinstance(artifact.get(part) or {}, dict):
            raise ValueError(f"its {part} are not a table")
    return artifact


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a guest became ready for its scenario.

    `origin` is BOOT or TEMPLATE; `template` is the template's key in the store. It took `seconds`
    of wall time (None: it never was ready).
    """

    origin: Annotated[Text, Field(alias="from")]
    template: Text | None = None
    seconds: Number | None = None

    def to_json(self) -> dict[str, Any]:
        return {"from": self.origin, "template": self.template, "seconds": self.seconds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """How one attempt to run a cell ended; the detail of its outcome is the reason.

    `host` is None if it ran where the campaign did.
    """

    outcome: Outcome
    wall_seconds: Number
    host: Text | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "outcome": str(self.outcome),
            "reason": self.outcome.detail,
            "wall_seconds": self.wall_seconds,
            **({} if self.host is None else {"host": self.host}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A host that had a cell and gave no result, and why the cell went elsewhere."""

    host: Text
    why: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The origin of a cell's results.

    `inputs` is everything that they depend on, as returned by campaign.plan.cell_inputs; `digests`
    has the digests of its parts. `kernel` and `image` say what these were made of. `command` is
    QEMU's, relative to the cell's own folder. `host` is the machine on which it ran, and `moves`
    has the hosts of a cluster that had it in vain. `files` has the digests of the folder's other
    files.

    `folders` are those of the user's own in which bases, series and machines were looked for.

    What an older version did not write is empty or None. `as_read` is the whole object, if it was
    read from a file.
    """

    id: Text = ""
    name: Text = ""
    inputs: dict[Text, Any] = field(default_factory=dict)
    digests: dict[Text, Text] = field(default_factory=dict)
    kernel: Annotated[dict[Text, Any], AfterValidator(_described)] = field(default_factory=dict)
    image: Annotated[dict[Text, Any], AfterValidator(_described)] = field(default_factory=dict)
    command: tuple[Text, ...] = ()
    versions: dict[Text, Any] = field(default_factory=dict)
    host: Annotated[Machine | None, AfterValidator(_plausible)] = None
    qemu_uid: Count | None = None
    outcome: Outcome
    repeatability: Text | None = None
    start: Start | None = None
    guest_ns: Count | None = None
    wall_seconds: Number | None = None
    qemu_cpu_seconds: Number | None = None
    host_memory_mib: Count | None = None
    records: Count | None = None
    lost_records: Count | None = None
    balloon: tuple[BalloonMove, ...] = ()
    attempts: tuple[
        Annotated[Attempt, BeforeValidator(functools.partial(_judged, detail="reason"))], ...
    ] = ()
    moves: tuple[Move, ...] = ()
    folders: tuple[Text, ...] = ()
    files: dict[Text, Text] = field(default_factory=dict)
    as_read: dict[Text, Any] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return the manifest that `to_json` wrote. Raises ValueError if this is not one."""
        read = _judged(value, detail="detail")
        try:
            found = _manifests().validate_python({**read, "as_read": None})
        except ValidationError as error:
            raise ValueError(first_problem(error)) from error
        return dataclasses.replace(found, as_read=dict(value))  # type: ignore[return-value]

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON value; if it was read from a file, unchanged."""
        if self.as_read is not None:
            return dict(self.as_read)
        return {
            "id": self.id,
            "name": self.name,
            "inputs": self.inputs,
            "digests": self.digests,
            "kernel": self.kernel,
            "image": self.image,
            "command": list(self.command),
            "versions": self.versions,
            "host": None if self.host is None else dataclasses.asdict(self.host),
            "qemu_uid": self.qemu_uid,
            "outcome": str(self.outcome),
            "detail": self.outcome.detail,
            "repeatability": self.repeatability,
            "start": None if self.start is None else self.start.to_json(),
            "guest_ns": self.guest_ns,
            "wall_seconds": self.wall_seconds,
            "qemu_cpu_seconds": self.qemu_cpu_seconds,
            "host_memory_mib": self.host_memory_mib,
            "records": self.records,
            "lost_records": self.lost_records,
            "balloon": [dataclasses.asdict(move) for move in self.balloon],
            "attempts": [attempt.to_json() for attempt in self.attempts],
            **({"moves": [dataclasses.asdict(move) for move in self.moves]} if self.moves else {}),
            **({"folders": list(self.folders)} if self.folders else {}),
        }

    def overview(self) -> dict[str, Any]:
        """Return, as a JSON value, what a report of all cells says of their manifests.

        It is the same for many cells of a run. The scenario, which depends on the seed, is not in
        it. `from_overview` reads it.
        """
        facts = self.kernel.get("facts") or {}
        return {
            "host": None if self.host is None else dataclasses.asdict(self.host),
            "versions": self.versions,
            "digests": {part: of for part, of in self.digests.items() if part != _OWN},
            "kernel": {"facts": {key: facts[key] for key in _FACTS if key in facts}},
        }

    @classmethod
    def from_overview(cls, value: Mapping[str, Any]) -> Self:
        """Return a manifest that has this alone. Raises ValueError if `overview` did not write it.

        Its outcome is not that of a cell.
        """
        return cls.from_json({**value, "outcome": str(Outcome())})

    def moved(self) -> list[Move]:
        """Return all hosts that the cell left, and why, in no certain order."""
        failed = [
            Move(host=attempt.host, why=f"{attempt.outcome}: {attempt.outcome.detail}")
            for attempt in self.attempts[:-1]
            if attempt.host is not None and (self.host is None or attempt.host != self.host.name)
        ]
        return [*self.moves, *failed]

    def moved_in_words(self) -> str:
        """Return `from HOST: why` of each host that the cell left; empty if it never moved."""
        return "; ".join(f"from {move.host}: {move.why}" for move in self.moved())

    def need(self, *keys: str) -> None:
        """Raise ValueError if it was read from a file that lacks one of these keys."""
        for key in keys:
            if self.as_read is not None and key not in self.as_read:
                raise ValueError(f"it has no {key}")


@functools.cache
def _manifests() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)

"""The types of values in a campaign file: names, sizes, times, and lists of them."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from memnotify.model import Arch
from memnotify.scenario_rules import MAX_PROCESSES
from memnotify.text import shortened
from memnotify.toml import Table, spelled

MAX_CLIENTS = MAX_PROCESSES
"""Per cell. Clients are processes: a guest of 64 MiB has room for about 2,000."""

Name = Annotated[
    str,
    spelled(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        "a name: at most 64 letters, digits, dots, _ and -, starting with a letter or digit",
    ),
]

TAG = r"(?!(?:memory_mib|cores|boots)$|memnotify-)[a-z][a-z0-9_-]*"
"""The pattern of a tag. The others are capacities, which a cell needs more or less of, and what
workers offer by themselves."""

Tag = Annotated[
    str,
    spelled(
        TAG,
        "a tag of hosts: lower-case letters, digits, '_' and '-'; not the name of a capacity, "
        "and not one that begins with memnotify-",
    ),
]


def _least(least: float, words: str) -> AfterValidator:
    """Return a validator of numbers that are 0, or do not round to 0 in a guest."""

    def check(value: float) -> float:
        if 0 < value < least:
            raise ValueError(f"{value:g} is less than {words}")
        return value

    return AfterValidator(check)


_MS, _US = _least(0.001, "a millisecond, 0.001"), _least(0.001, "a microsecond, 0.001")
_PAGE = _least(1 / 256, "a page of 4 KiB, 0.00390625")

Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False), _MS]
SomeSeconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False), _MS]
Mib = Annotated[float, Field(gt=0, le=1_048_576, allow_inf_nan=False), _PAGE]
Millis = Annotated[float, Field(ge=0, le=60_000, allow_inf_nan=False), _US]
SomeMillis = Annotated[float, Field(gt=0, le=60_000, allow_inf_nan=False), _US]
Percent = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
# TOML has no enumerations, so a string is accepted here although the tables are strict.
ArchName = Annotated[Arch, Field(strict=False)]


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _different(values: list[Any]) -> list[Any]:
    twice = sorted(str(value) for value, times in Counter(values).items() if times > 1)
    if twice:
        raise ValueError(f"{shortened(', '.join(twice))} is listed twice; once is enough")
    return values


class _OrOne:
    """Says in a JSON schema that brackets are optional, and that values differ."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        several = handler(schema)
        return {"anyOf": [several["items"], several | {"uniqueItems": True}]}


T = TypeVar("T")
# A single value may be written without brackets.
Values = Annotated[
    list[T], Field(min_length=1), BeforeValidator(_listed), AfterValidator(_different), _OrOne()
]


def only_one(table: Table, names: tuple[str, ...], what: str) -> str:
    """Return which of the keys `table` has. Raises ValueError unless it has exactly one."""
    given = [name for name in names if getattr(table, name) is not None]
    if len(given) != 1:
        has = f"has {' and '.join(given)}" if given else "has none"
        raise ValueError(f"{what} needs exactly one of {', '.join(names)}; this one {has}")
    return given[0]


def exactly_one(*names: str) -> ConfigDict:
    """Return the configuration that says in a JSON schema what `only_one` checks."""
    return ConfigDict(json_schema_extra={"oneOf": [{"required": [name]} for name in names]})

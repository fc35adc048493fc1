"""The tables of a campaign file: names, types and ranges; campaigns/README.md explains them.

The descriptions of fields are also those of schemas/campaign.schema.json. Errors that involve more
than one table (a balloon above the RAM of one cell, a step after the end) are found by
`memnotify.campaign.load`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from memnotify.axes import POINT
from memnotify.campaign.figures import read_comparison
from memnotify.campaign.scenario_schema import ScenarioTable
from memnotify.campaign.values import MAX_CLIENTS, ArchName, Name, Tag, Values
from memnotify.model import Arch
from memnotify.series.own import SERIES_WORD, SERIES_WORDS
from memnotify.toml import Table, spelled

MAX_CELLS = 100_000
"""Per campaign: more would be a mistake, and would take minutes to plan."""

_LOG_RECORDS, _LOG_RECORDS_EACH = 262_144, 64

_SeriesName = Annotated[str, spelled(SERIES_WORD, SERIES_WORDS)]


def default_log_records(clients: int) -> int:
    """Return how many records a log has room for if the scenario does not set that."""
    return max(_LOG_RECORDS, clients * _LOG_RECORDS_EACH)


class KernelTable(Table):
    """What the kernels of a campaign have in common."""

    base: Values[Name] = Field(
        description="Bases, by name; of several, the first on which all kernels can be built."
    )
    arch: Values[ArchName] = Field(
        default_factory=lambda: [Arch.X86_64], description="Architectures of the guests."
    )


class MatrixTable(Table):
    """The axes: every combination is a cell."""

    series: Values[_SeriesName] = Field(
        description="Of patches/mem_notify/, or folders, ranges of git and mails of yours, or none."
    )
    memory_mib: Values[Annotated[int, Field(ge=16, le=1_048_576)]] = Field(
        description="RAM of a guest, in MiB."
    )
    clients: Values[Annotated[int, Field(ge=1, le=MAX_CLIENTS)]] | None = Field(
        default=None, description='Numbers of clients, for client steps with count = "matrix".'
    )
    setting: Values[Name] | None = Field(
        default=None, description="Tables of this file: options and boot parameters of the kernel."
    )
    machine: Values[Name] = Field(description="Files of images/machines/.")
    scenario: Values[Name] = Field(
        description="Tables of this file, or files of scenarios/ beside it."
    )
    repeat: Annotated[int, Field(ge=1, le=1_000)] = Field(
        default=1, description="Runs of each cell; they differ in the seed."
    )
    seed: Annotated[int, Field(ge=0, le=2**31)] = Field(
        default=0,
        description="Seed of the first repeat, then seed + 1, ...; 0: the scenario as written.",
    )


_Option = Annotated[
    str,
    spelled(
        r"CONFIG_\w+=\S.*|# CONFIG_\w+ is not set",
        "a line of a configuration, such as CONFIG_X=y or # CONFIG_X is not set",
    ),
]
_Word = Annotated[str, spelled(r'[^\s"]+', "one argument, without blanks and quotes")]


class SettingTable(Table):
    """What one value of `setting` sets in a guest's kernel, besides what its base has."""

    config: list[_Option] = Field(
        default_factory=list, description="Lines of its configuration; each makes another kernel."
    )
    boot: list[_Word] = Field(
        default_factory=list,
        description="Words of its command line, such as sysctl.vm.swappiness=100 (Linux 5.8).",
    )


def _comparison(text: str) -> str:
    read_comparison(text)
    return text


def _selects(axis: str) -> Any:
    return Field(default=None, description=f"Values of {axis}: only cells with one of them.")


class ExpectTable(Table):
    """An expectation of the cells that its axes select; an axis that is left out selects all."""

    says: str = Field(description="What is expected, for people.")
    what: Values[Annotated[str, AfterValidator(_comparison)]] = Field(
        description="Comparisons of figures of memnotify show --json, such as wakeups > 0."
    )
    some: bool = Field(default=False, description="One cell is enough, instead of all.")
    series: Values[_SeriesName] | None = _selects("the series")
    setting: Values[Name] | None = _selects("the setting")
    arch: Values[ArchName] | None = _selects("the architecture")
    machine: Values[Name] | None = _selects("the machine")
    memory_mib: Values[int] | None = _selects("the RAM, MiB")
    scenario: Values[Name] | None = _selects("the scenario")
    clients: Values[int] | None = _selects("the number of clients in a guest")


EXPECT_AXES = tuple(axis for axis in POINT if axis in ExpectTable.model_fields)
"""The axes by which expectations select cells."""


class CampaignTable(Table):
    """A campaign: a matrix of cells, and what is expected of them. `memnotify run` reads it."""

    name: Name = Field(description="Results go to runs/NAME, unless -o says otherwise.")
    tags: Values[Tag] = Field(
        default_factory=list,
        description="What hosts need to get its cells, if it runs on several: tags of their file.",
    )
    kernel: KernelTable = Field(description="The unpatched kernels, and their architectures.")
    matrix: MatrixTable = Field(description="The axes, whose combinations are the cells.")
    scenario: dict[Name, ScenarioTable] = Field(
        default_factory=dict, description="Scenarios by name."
    )
    setting: dict[Name, SettingTable] = Field(default_factory=dict, description="Settings by name.")
    expect: list[ExpectTable] = Field(
        default_factory=list, description="Expectations, checked after a run."
    )

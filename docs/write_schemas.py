"""Writes schemas/: a JSON schema for each kind of TOML file, from the tables that check it.

`make schemas` runs it; with --check it only says whether the files are current. Editors with a
language server for TOML complete and check a file by the line `#:schema` at its head.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from memnotify.campaign.scenario_schema import ScenarioTable
from memnotify.campaign.schema import CampaignTable
from memnotify.guest.machine import ProfileTable
from memnotify.kernel.base import BaseTable
from memnotify.mailpatch.originals import OriginalsTable
from memnotify.results.published import PublishedTable
from memnotify.run.fleet.hosts import FleetTable
from memnotify.series.revision import Revision
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

FOLDER = Path(__file__).resolve().parent.parent / "schemas"
TABLES: Mapping[str, type[BaseModel]] = MappingProxyType(
    {
        "campaign": CampaignTable,
        "scenario": ScenarioTable,
        "machine": ProfileTable,
        "base": BaseTable,
        "hosts": FleetTable,
        "revision": Revision,
        "published": PublishedTable,
        "originals": OriginalsTable,
    }
)


class _Toml(GenerateJsonSchema):
    """Schemas of what TOML can have: no null, so a key without a value is left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        made = super().default_schema(schema)
        if made.get("default", 0) is None:
            del made["default"]
        return made


def schema(table: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of the files that a table reads."""
    made = table.model_json_schema(schema_generator=_Toml)
    head = {"$schema": GenerateJsonSchema.schema_dialect}
    plain: dict[str, Any] = _without_titles(head | made)
    return plain


def _without_titles(part: Any) -> Any:
    """Leave out titles, which only repeat the names of keys and of classes."""
    if isinstance(part, list):
        return [_without_titles(each) for each in part]
    if isinstance(part, dict):
        return {
            key: _without_titles(value)
            for key, value in part.items()
            if key != "title" or not isinstance(value, str)
        }
    return part


def text(table: type[BaseModel]) -> str:
    return json.dumps(schema(table), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the JSON schemas of all TOML files.")
    parser.add_argument("--check", action="store_true", help="only say whether they are current")
    check = parser.parse_args().check
    stale = []
    for name, table in TABLES.items():
        file = FOLDER / f"{name}.schema.json"
        if not file.exists() or file.read_text() != text(table):
            stale.append(file.name)
            if not check:
                file.write_text(text(table))
    if check and stale:
        print(f"not current: {', '.join(stale)}; run `make schemas` and commit them")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""Reference pages in Markdown that are made when the site is built, from what the package knows."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

from memnotify.cli.main import parser

SCHEMAS = Path(__file__).resolve().parent.parent / "schemas"
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "campaign": "A campaign, `campaigns/NAME.toml`",
        "scenario": "A scenario, `scenarios/NAME.toml`, or `[scenario.NAME]` of a campaign",
        "machine": "A machine, `images/machines/NAME.toml`",
        "base": "A base, `kernels/NAME.toml`",
        "revision": "A revision, `patches/mem_notify/NAME/revision.toml`",
        "hosts": "The hosts of a fleet, any name",
    }
)


def commands() -> str:
    """Return a section for each command, with its help as a terminal of 80 columns shows it."""
    with patch.dict(os.environ, COLUMNS="80", NO_COLOR="1"):
        return "\n".join(_help(parser(), "memnotify", 2))


def _help(command: argparse.ArgumentParser, name: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} `{name}`\n\n```text\n{command.format_help().strip()}\n```\n"
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, one in action.choices.items():
                yield from _help(one, f"{name} {word}", min(level + 1, 4))


def files() -> str:
    """Return a section for each kind of file, with a table of keys for each of its tables."""
    parts = []
    for name, title in KINDS.items():
        schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
        tables = schema.get("$defs", {}) if name != "campaign" else _but_scenario(schema)
        parts.append(f"## {title}\n\n{schema['description']}\n\n{_keys(schema)}")
        parts += [
            f"### {_name(key)} ({name})\n\n{table['description']}\n\n{_keys(table)}"
            for key, table in tables.items()
            if "properties" in table
        ]
    return "\n".join(parts)


def _but_scenario(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    own = ("KernelTable", "MatrixTable", "ExpectTable")
    return {key: schema["$defs"][key] for key in own}


def _name(key: str) -> str:
    return key.removesuffix("Table")


def _keys(table: Mapping[str, Any]) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    required = table.get("required") or table.get("anyOf", [{}])[0].get("required", [])
    for key, value in table["properties"].items():
        default = "required" if key in required else _default(value)
        told = value.get("description", "").replace("|", "\\|").replace("_", "\\_")
        rows.append(
            f"| `{key}` | {_type(value)} | {default} | {told.replace('*', chr(92) + '*')} |"
        )
    return "\n".join(rows) + "\n"


def _default(value: Mapping[str, Any]) -> str:
    return f"`{json.dumps(value['default'])}`" if "default" in value else ""


def _type(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return _name(value["$ref"].rpartition("/")[2])
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "const" in value:
        return f"`{json.dumps(value['const'])}`"
    for word in ("anyOf", "oneOf"):
        if word in value:
            return " or ".join(dict.fromkeys(map(_type, value[word])))
    match value.get("type"):
        case "array":
            return f"list of: {_type(value['items'])}"
        case "object":
            inner: Any = value.get("additionalProperties") or next(
                iter(value.get("patternProperties", {}).values()), {}
            )
            return f"table of: {_type(inner)}" if isinstance(inner, dict) else "table"
        case "integer" | "number" as kind:
            return {"integer": "whole number", "number": "number"}[kind] + _range(value)
        case kind:
            return {"string": "text", "boolean": "true or false"}.get(str(kind), str(kind))


def _range(value: Mapping[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {value[word]:,.15g}" for word, sign in words.items() if word in value]
    return f", {', '.join(found)}" if found else ""

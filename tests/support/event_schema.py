"""The JSON Schema of the events: `python -m tests.support.event_schema` writes it."""

from __future__ import annotations

from typing import Any

from memnotify.jsontext import dump
from memnotify.places import HOME
from memnotify.report import events
from pydantic import TypeAdapter

FILE = HOME / "docs/reference/events.schema.json"


def schema() -> dict[str, Any]:
    found = TypeAdapter(events.Event).json_schema(mode="serialization")
    for one in found["$defs"].values():
        # Which of its fields an event always has, and that it may get more.
        one["required"] = list(one["properties"])
        one["properties"] = {
            name: {key: value for key, value in field.items() if key != "default"}
            for name, field in one["properties"].items()
        }
        one["description"] = " ".join(one["description"].split())
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"An event of memnotify --json-lines, version {events.VERSION}",
        **found,
    }


def text() -> str:
    return dump(schema(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")

"""Report an import, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from memnotify.mailpatch.repairs import summary
from memnotify.mailpatch.restore_series import Imported, ImportedSeries


def report_lines(series: ImportedSeries) -> Iterator[str]:
    """Yield each patch that was imported, what was repaired in it, and what was left out."""
    for patch in series.patches:
        if isinstance(patch, Imported):
            yield f"{patch.name}: {patch.post.mail.source}"
            for line in summary(patch.repairs):
                yield f"  {line}"
        else:
            yield f"{patch.name}: as it was"
    yield from series.said


def report_rows(series: ImportedSeries) -> list[dict[str, Any]]:
    """Return one object for each patch that was imported, with every repair.

    `thread` has what is said of all mails together, the same for each.
    """
    return [
        {
            "name": patch.name,
            "number": patch.post.number,
            "total": patch.post.total,
            "title": patch.post.title,
            "source": patch.post.mail.source,
            "sha256": patch.post.mail.sha256,
            "message_id": patch.post.mail.headers.get("Message-Id"),
            "thread": list(series.said),
            "repairs": [
                {
                    "kind": repair.kind.value,
                    "file": repair.file,
                    "line": repair.line,
                    "detail": repair.detail,
                    "sure": repair.sure,
                }
                for repair in patch.repairs
            ],
        }
        for patch in series.patches
        if isinstance(patch, Imported)
    ]

"""List the kernels that can be built, and those in the store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from memnotify.kernel.base import bases, load_base
from memnotify.kernel.stored import KERNEL, kept_source
from memnotify.places import from_where
from memnotify.series.quilt import NONE, revisions
from memnotify.store import Store


def list_kernels(store: Store) -> list[dict[str, Any]]:
    """Return one object for each base.

    Its keys are `base`, `file` (None: it comes with memnotify), `arches`, `series`, `source` (None,
    or `version`, `origin` and `digest`) and `builds`, newest first (each with `key`, `series`,
    `arch`, `variant`, `version`, `path`, and what distinguishes builds of the same name: `cc`, the
    digest of the `source`, and the time in UTC when it was `built`).
    """
    built = store.listing(KERNEL)
    known = revisions()
    rows = []
    for name in bases():
        base = load_base(name)
        source = kept_source(base, store=store, checked=False)
        rows.append(
            {
                "base": name,
                "file": str(base.file) if from_where(base.file) else None,
                "arches": [arch.value for arch in base.arches],
                "series": [NONE, *(revision for revision in known if name in known[revision])],
                "source": source
                and {"version": source.version, "origin": source.origin, "digest": source.digest},
                "builds": [
                    {
                        "key": kernel.key,
                        "series": kernel.inputs["revision"],
                        "arch": kernel.inputs["arch"],
                        "variant": kernel.inputs.get("variant", ""),
                        "version": kernel.facts["version"],
                        "cc": kernel.inputs["toolchain"]["cc"],
                        "source": kernel.inputs["source"],
                        "built": _time(kernel.published),
                        "path": str(kernel.path),
                    }
                    for kernel in built
                    if kernel.inputs["base"] == name
                ],
            }
        )
    return rows


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", "seconds").removesuffix("+00:00")

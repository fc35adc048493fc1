"""What the store has for a base: the source that was fetched last, and the kinds of artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from memnotify.kernel.base import Base
from memnotify.store import Artifact, Store

SOURCE, KERNEL = "source", "kernel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A kernel tree in a tarball, below its folder `top`.

    `digest` is the SHA-256 of the tarball, or `digest.digest_tree` of a tree that was given or
    assembled.
    """

    base: str
    digest: str
    tarball: Path
    top: str
    version: str
    origin: str


def kept_source(base: Base, *, store: Store, checked: bool = True) -> Source | None:
    """Return the source that was fetched last, if it is in the store.

    `checked`: verify its content, which reads all of it.
    """
    try:
        key = pointer(base, store).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    artifact = store.get(SOURCE, key) if checked else store.noted(SOURCE, key)
    return None if artifact is None else source_of(artifact)


def pointer(base: Base, store: Store) -> Path:
    """Return the file that has the key of the source that was fetched last."""
    return store.folder("sources") / base.name


def source_of(artifact: Artifact) -> Source:
    """Return the source in an artifact."""
    facts = artifact.facts
    return Source(
        base=str(artifact.inputs["base"]),
        digest=str(facts["digest"]),
        tarball=artifact.file(str(facts["file"])),
        top=str(facts["top"]),
        version=str(facts["version"]),
        origin=str(facts["origin"]),
    )

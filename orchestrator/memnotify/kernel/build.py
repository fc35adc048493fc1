"""Kernel builds: base + series + configuration + architecture + toolchain → an artifact."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from memnotify import limits
from memnotify.complaint import does_not_build
from memnotify.digest import digest_value
from memnotify.host import cores
from memnotify.kernel.base import Base, load_base
from memnotify.kernel.compiled import Compiled, Counts, Tell, count_compiled, now_and_then
from memnotify.kernel.config import ConfigOption, check_config, fragment_text, merge_fragments
from memnotify.kernel.fixes import Choice, fixes_for
from memnotify.kernel.location import refuse_unfit
from memnotify.kernel.make import Make, ccache_calls, make_command
from memnotify.kernel.pristine import pristine_files
from memnotify.kernel.source import ensure_source
from memnotify.kernel.stored import KERNEL, Source, kept_source
from memnotify.kernel.toolchain import Toolchain, identify
from memnotify.kernel.tree import WorkTree, work_tree
from memnotify.model import Arch, KernelRequest
from memnotify.process import CommandFailed, CommandLog
from memnotify.series.apply import Application
from memnotify.series.quilt import MEM_NOTIFY, Series, named_series
from memnotify.store import Artifact, Store

_RECIPE = 2  # increase it when a change of this module changes the result
PATIENCE = 4 * 3600.0
IMAGE = "arch/x86/boot/bzImage"
# The same sources give the same bytes, regardless of who builds them and when.
_STAMPS = {
    "KBUILD_BUILD_TIMESTAMP": "Tue Jan 15 10:00:00 UTC 2008",
    "KBUILD_BUILD_USER": "memnotify",
    "KBUILD_BUILD_HOST": "memnotify",
    "KBUILD_BUILD_VERSION": "1",
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a build depends on except the source.

    `fitted` adds the base's own fixes for a source, and their configuration.
    """

    base: Base
    request: KernelRequest
    series: Series
    wanted: tuple[ConfigOption, ...]
    toolchain: Toolchain
    choices: tuple[Choice, ...] = ()

    def fitted(
        self, source: Source, *, store: Store, log: CommandLog, progress: Callable[[str], None]
    ) -> Plan:
        """Return the plan with the base's fixes for this source. Raises as `fixes_for` does."""
        read = pristine_files(source, self.request.arch, store=store, progress=progress)
        fixes = fixes_for(self.base, read, versions=self.toolchain.versions, log=log)
        if summary := fixes.summary:
            progress(f"fixes that fit this tree: {summary}")
        return replace(
            self,
            series=fixes.on(self.series),
            wanted=_wanted(self.base, self.request, self.series, fixes.config),
            choices=fixes.choices,
        )

    @property
    def variables(self) -> dict[str, str]:
        cc = self.toolchain.cc
        return {"CC": cc, **self.base.arch(self.request.arch).make, **_STAMPS}

    def inputs(self, source: str) -> dict[str, Any]:
        """Return the inputs of the key; `source` is the digest of the source."""
        return {
            "base": self.base.name,
            "source": source,
            "revision": self.series.revision,
            "series": [
                [patch.name, patch.sha256, patch.fuzz, *([list(patch.only)] if patch.only else [])]
                for patch in self.series.patches
            ],
            "config": fragment_text(self.wanted),
            "arch": self.request.arch.value,
            **({"variant": self.request.variant} if self.request.variant else {}),
            "toolchain": dict(self.toolchain.versions),
            "make": self.variables,
            "recipe": _RECIPE,
        }

    @property
    def environment(self) -> str:
        return digest_value([dict(self.toolchain.versions), self.variables, _RECIPE])


def _wanted(
    base: Base, request: KernelRequest, series: Series, fixes: Sequence[Path] = ()
) -> tuple[ConfigOption, ...]:
    """Return the options of the base's fixes, its configuration, the series and the request."""
    own = [series.config] if series.config else []
    usual = [*fixes, *base.config(request.arch, request.variant), *own]
    return merge_fragments(usual, request.options)


def plan_build(request: KernelRequest, kernels: Path | None, series: Path, log: CommandLog) -> Plan:
    base = load_base(request.base, root=kernels)
    found = named_series(request.series, base.name, root=series)
    return Plan(
        base=base,
        request=request,
        series=found,
        wanted=_wanted(base, request, found),
        toolchain=identify(base, request.arch, request.cc, log=log),
    )


def kernel_inputs(
    request: KernelRequest,
    *,
    store: Store,
    log: CommandLog,
    kernels: Path | None = None,
    series: Path = MEM_NOTIFY,
) -> dict[str, Any] | None:
    """Return the inputs of a kernel's key (see `digest.digest_value`), without building it.

    None if they are not known yet, because the base's source is not in the store. Raises as
    `ensure_kernel` does for an invalid request.
    """
    refuse_unfit(store)
    plan = plan_build(request, kernels, series, log)
    if request.source is None:
        source = kept_source(plan.base, store=store)
    else:
        source = ensure_source(
            plan.base, request.source, store=store, log=log, progress=lambda _: None
        )
    if source is None:
        return None
    fitted = plan.fitted(source, store=store, log=log, progress=lambda _: None)
    return fitted.inputs(source.digest)


def ensure_kernel(
    request: KernelRequest,
    *,
    store: Store,
    log: CommandLog,
    progress: Callable[[str], None],
    tell: Tell | None = None,
    kernels: Path | None = None,
    series: Path = MEM_NOTIFY,
) -> Artifact:
    """Return a kernel; if needed, fetch the base's source and build it first.

    `tell` hears every two seconds how much is compiled; without it, `progress` hears it now and
    then.

    The artifact's files are bzImage, System.map, config and build.log. Its facts: `version`,
    `source` and `source_version`, `patches` (for each: name, number of hunks, those with offset or
    fuzz), `choices` (for fixes that the base has in several forms: the forms, and which was
    applied; see `memnotify.kernel.fixes`), `options` (those of the request, if it has some),
    `cc_flags_dropped` (flags of the base that the compiler
    does not know), `seconds` (wall time of configuring and compiling), `object_tree` (`kept`: make
    reused objects of an earlier build), `ccache_hits` and `ccache_misses` (None without ccache).

    Raises InputError for an invalid request (unknown base or series, a series that does not apply,
    a configuration that Kconfig rejects), InfrastructureError if the source is not available, tools
    are missing, make fails (`build`), or the host runs out of memory or disk space (`host`).
    """
    refuse_unfit(store)
    limits.refuse_low()
    plan = plan_build(request, kernels, series, log)
    source = ensure_source(plan.base, request.source, store=store, log=log, progress=progress)
    plan = plan.fitted(source, store=store, log=log, progress=progress)
    inputs = plan.inputs(source.digest)
    words = (request.base, request.series, request.arch, request.variant)
    name = " ".join(filter(None, (*words, *request.options)))
    tell = tell or now_and_then(progress)

    def build(folder: Path) -> Mapping[str, Any]:
        with work_tree(
            source, request.arch, environment=plan.environment, store=store, progress=progress
        ) as tree:
            applied = tree.switch(plan.series, log=log)
            progress(f"building {name}")
            try:
                facts = _build(plan, tree, folder, store, log, tell)
            except CommandFailed as error:
                if error.timed_out:
                    raise
                kept = store.folder("logs") / f"build-{'-'.join(filter(None, words))}.log"
                raise does_not_build(name, error, tree.build_log, keep=kept) from error
            return {**_origin(source, applied), **facts}

    return store.publish(
        KERNEL,
        inputs,
        build,
        waiting=lambda: progress(f"waiting for another build of {name} to finish"),
    )


def _origin(source: Source, applied: Application) -> dict[str, Any]:
    return {
        "source": source.origin,
        "source_version": source.version,
        "patches": [
            {
                "name": done.patch.name,
                "hunks": done.hunks,
                "shifted": [
                    {"file": h.file, "line": h.line, "offset": h.offset, "fuzz": h.fuzz}
                    for h in done.shifted
                ],
            }
            for done in applied.patches
        ],
    }


def _build(
    plan: Plan,
    tree: WorkTree,
    folder: Path,
    store: Store,
    log: CommandLog,
    tell: Tell,
) -> dict[str, Any]:
    kept = tree.built_before
    kind, counts = _kind(plan.request, kept=kept), Counts(store)
    last = counts.of(kind)
    # In a kept tree, make compiles what has changed: at most all.
    of, most = last or plan.base.table.files, kept and last is None
    output = tree.build_log
    output.unlink(missing_ok=True)
    calls = tree.folder / "ccache.calls"
    calls.unlink(missing_ok=True)
    make = make_command(plan.variables, tree.path, store, calls)
    seconds = compile_kernel(
        plan,
        tree,
        make,
        log,
        lambda files: tell(Compiled.among(files, of, most=most, all_of=plan.base.table.files)),
    )
    counts.note(kind, count_compiled(output))
    for file, name in (
        (tree.path / IMAGE, "bzImage"),
        (tree.path / "System.map", "System.map"),
        (tree.path / ".config", "config"),
        (output, "build.log"),
    ):
        shutil.copyfile(file, folder / name)
    hits, misses = ccache_calls(calls)
    return {
        "version": (tree.path / "include/config/kernel.release")
        .read_text(encoding="utf-8")
        .strip(),
        **({"options": list(plan.request.options)} if plan.request.options else {}),
        "choices": [choice.fact for choice in plan.choices],
        "cc_flags_dropped": list(plan.toolchain.dropped),
        "seconds": round(seconds, 3),
        "object_tree": "kept" if kept else "new",
        "ccache_hits": hits,
        "ccache_misses": misses,
    }


def compile_kernel(
    plan: Plan, tree: WorkTree, make: Make, log: CommandLog, beat: Callable[[int], None]
) -> float:
    """Configure and compile a tree; return how many seconds that took.

    `beat` hears every two seconds how many files are compiled.
    """
    output = tree.build_log
    started = time.monotonic()
    with tree.building(plan.environment):
        check_config(plan.wanted, configure(plan, tree, make, output, log))
        make.run(
            "bzImage",
            f"-j{cores()}",
            tree=tree.path,
            output=output,
            timeout=PATIENCE,
            log=log,
            beat=lambda: beat(count_compiled(output)),
        )
    return time.monotonic() - started


def _kind(request: KernelRequest, *, kept: bool) -> str:
    """Return what builds that compile about the same number of files have in common."""
    series = request.series if kept else ""
    return " ".join(filter(None, (request.base, request.arch, request.variant, series)))


def configure(plan: Plan, tree: WorkTree, make: Make, output: Path, log: CommandLog) -> str:
    """Write .config, and return it."""
    config = tree.path / ".config"
    before = (config.read_bytes(), config.stat()) if config.exists() else None
    wanted = tree.folder / "wanted.config"
    wanted.write_text(fragment_text(plan.wanted), encoding="utf-8")
    make.run(
        "allnoconfig",
        f"KCONFIG_ALLCONFIG={wanted}",
        tree=tree.path,
        output=output,
        timeout=600,
        log=log,
    )
    if before is not None and config.read_bytes() == before[0]:
        # An unchanged configuration must not look new to make.
        os.utime(config, ns=(before[1].st_atime_ns, before[1].st_mtime_ns))
    return config.read_text(encoding="utf-8")


def try_configuration(
    base: Base,
    arch: Arch,
    series: Series,
    wanted: tuple[ConfigOption, ...],
    *,
    source: Source,
    store: Store,
    log: CommandLog,
    progress: Callable[[str], None],
) -> str:
    """Return the configuration that a tree makes of the wanted lines, taken or not.

    Raises InfrastructureError if tools are missing, or make fails.
    """
    plan = Plan(
        base=base,
        request=KernelRequest(base=base.name, series=series.revision, arch=arch),
        series=series,
        wanted=wanted,
        toolchain=identify(base, arch, None, log=log),
    )
    environment = plan.environment
    with work_tree(source, arch, environment=environment, store=store, progress=progress) as tree:
        tree.switch(plan.series, log=log)
        progress(f"configuring {base.name} {arch}")
        tree.build_log.unlink(missing_ok=True)
        make = make_command(plan.variables, tree.path, store, tree.folder / "ccache.calls")
        try:
            with tree.building(environment, built=False):
                return configure(plan, tree, make, tree.build_log, log)
        except CommandFailed as error:
            if error.timed_out:
                raise
            raise does_not_build(f"{base.name} {arch}", error, tree.build_log) from error

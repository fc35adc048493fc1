"""A test environment around fakelinux: a base, series and its own store."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field
from pathlib import Path

from memnotify.kernel.build import ensure_kernel
from memnotify.kernel.compiled import Tell
from memnotify.model import Arch, KernelRequest
from memnotify.process import CommandLog
from memnotify.store import Artifact, Store

TREE = Path(__file__).parents[1] / "integration" / "fakelinux"

_BASE = """\
version = '6\\.1\\.\\d+'
source = []

[arch.x86_64]
config = ["all.config"]
make = {{ ARCH = "x86_64", HOLD = "{hold}" }}

[tools]
gcc = "gcc"
make = "make"
"""


@dataclass
class Lab:
    """Everything is below one folder, so that another process can use the same."""

    root: Path
    said: list[str] = field(default_factory=list)

    @property
    def kernels(self) -> Path:
        return self.root / "kernels"

    @property
    def series(self) -> Path:
        return self.root / "series"

    @property
    def hold(self) -> Path:
        """While this file exists, bzImage is not finished."""
        return self.root / "hold"

    @property
    def store(self) -> Store:
        return Store(self.root / "store")

    @property
    def log(self) -> CommandLog:
        return CommandLog(self.root / "commands.jsonl")

    def set_up(self) -> Lab:
        """Write the base, and a configuration that the tree accepts."""
        (self.kernels / "fragments").mkdir(parents=True)
        self.series.mkdir(exist_ok=True)
        (self.kernels / "6.1.toml").write_text(_BASE.format(hold=self.hold))
        self.configure("CONFIG_SWAP=y\n# CONFIG_MEMCG is not set\n")
        return self

    def configure(self, text: str) -> None:
        (self.kernels / "fragments/all.config").write_text(text)

    def add_series(self, revision: str, **changes: str) -> None:
        """Make a series of one patch; `mm__x_c="…"` is the new text of mm/x.c."""
        text = ""
        for word, after in changes.items():
            name = word.replace("__", "/").replace("_c", ".c").replace("_h", ".h")
            path = TREE / name
            before = path.read_text() if path.exists() else ""
            text += f"diff --git a/{name} b/{name}\n"
            if not before:
                text += "new file mode 100644\n"
            text += "".join(
                difflib.unified_diff(
                    before.splitlines(keepends=True),
                    after.splitlines(keepends=True),
                    f"a/{name}" if before else "/dev/null",
                    f"b/{name}",
                )
            )
        self.add_patch(revision, text)

    def add_patch(self, revision: str, text: str) -> None:
        folder = self.series / revision / "6.1"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "series").write_text("a.patch\n")
        (folder / "a.patch").write_text(text)

    def build(
        self,
        revision: str,
        *,
        source: Path = TREE,
        cc: str | None = None,
        tell: Tell | None = None,
    ) -> Artifact:
        request = KernelRequest(
            base="6.1", series=revision, arch=Arch.X86_64, source=str(source), cc=cc
        )
        return ensure_kernel(
            request,
            store=self.store,
            log=self.log,
            progress=self.said.append,
            tell=tell,
            kernels=self.kernels,
            series=self.series,
        )

    def builds(self) -> int:
        """Return how often make was asked for bzImage."""
        lines = (self.root / "commands.jsonl").read_text().splitlines()
        return sum(json.loads(line)["argv"][-1] == "bzImage" for line in lines)

    @property
    def tree(self) -> Path:
        (folder,) = (self.root / "store/trees").iterdir()
        return folder / "linux"

    def compiled(self) -> list[str]:
        """Return the files that were compiled since the last call."""
        file = self.tree / "compiled"
        found = sorted(file.read_text().split()) if file.exists() else []
        file.unlink(missing_ok=True)
        return found

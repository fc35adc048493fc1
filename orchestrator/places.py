"""Where the project's own data lies: beside the package, or where MEMNOTIFY_HOME says."""

from __future__ import annotations

import os
from pathlib import Path

HOME = Path(os.environ.get("MEMNOTIFY_HOME") or Path(__file__).resolve().parents[1])
IMAGES = HOME / "images"
KERNELS = HOME / "kernels"
PATCHES = HOME / "patches"
CAMPAIGNS = HOME / "campaigns"

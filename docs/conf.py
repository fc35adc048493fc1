"""The documentation as a site: `make docs`. Its source folder is the checkout.

So links between pages are the paths of files, which also work where files are browsed. What the
package itself knows (help of commands, keys of TOML files) is added to a page when it is read.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent


def _beside(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ADDED: Mapping[str, Callable[[], str]] = MappingProxyType(
    {
        "docs/reference/commands": _beside("reference_pages").commands,
        "docs/reference/files": _beside("reference_pages").files,
    }
)
"""What is added to the end of a page, in Markdown."""

project = "memnotify"
author = "the authors of memnotify"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = [
    "docs/**.md",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "campaigns/README.md",
    "images/**README.md",
    "kernels/README.md",
    "patches/**README.md",
]
exclude_patterns = [".*", "build", "dist", "runs", "tests", "orchestrator", "**/__pycache__"]
html_theme = "furo"
html_title = "memnotify"
html_theme_options = {"source_repository": "", "navigation_with_keys": True}
html_extra_path = ["site"]
html_copy_source = False
html_show_sourcelink = False
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
myst_links_external_new_tab = False
pygments_style = "friendly"
# Most blocks are sessions of a terminal, and tables that a command prints.
highlight_language = "none"
# Docstrings are in plain English with Markdown's `code`.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
# Types of other libraries and of inner modules have no page here; links between pages are checked.
nitpick_ignore_regex = [("py:.*", ".*")]
# A heading that skips a level, or none, is a matter of taste; a link that leads nowhere is not.
suppress_warnings = ["myst.header"]
linkcheck_ignore = [r"https?://localhost.*"]


def _add(_: Sphinx, name: str, source: list[str]) -> None:
    if name in ADDED:
        source[0] += "\n" + ADDED[name]()


def setup(app: Sphinx) -> None:
    app.connect("source-read", _add)

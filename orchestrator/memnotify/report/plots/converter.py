"""Finds the library that draws."""

from __future__ import annotations

from typing import Any

from memnotify.extras import extra


def converter() -> Any:
    """Return vl-convert. Raises InfrastructureError, which says how to install it."""
    with extra("report", "drawing a picture"):
        import vl_convert
    return vl_convert

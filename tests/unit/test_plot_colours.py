"""The colours of pictures: everybody can tell them apart, on light and on dark paper."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from memnotify.report.plots import palette


def linear(colour: str) -> Any:
    part = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    bright = sorted(float(linear(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (bright[1] + 0.05) / (bright[0] + 0.05)


# Machado, Oliveira and Fernandes (2009), severity 1.
SEEN = {
    "all": (1, 0, 0, 0, 1, 0, 0, 0, 1),
    "protanopia": (
        *(0.152286, 1.052583, -0.204868),
        *(0.114503, 0.786281, 0.099216),
        *(-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        *(0.367322, 0.860646, -0.227968),
        *(0.280085, 0.672501, 0.047413),
        *(-0.01182, 0.04294, 0.968881),
    ),
    "tritanopia": (
        *(1.255528, -0.076749, -0.178779),
        *(-0.078411, 0.930809, 0.147602),
        *(0.004733, 0.691367, 0.3039),
    ),
}


def oklab(light: Any) -> Any:
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    axes = np.array(
        [
            [0.2104542553, 0.793617785, -0.0040720468],
            [1.9779984951, -2.428592205, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.808675766],
        ]
    )
    return axes @ np.cbrt(cones @ np.clip(light, 0, 1))


def seen_as(colour: str, how: tuple[float, ...]) -> Any:
    return oklab(np.array(how).reshape(3, 3) @ linear(colour))


@pytest.mark.parametrize("paper", ["light", "dark"])
def test_colours_can_be_told_apart_by_everybody(paper: str) -> None:
    ground = getattr(palette.PAPER, paper)
    curves = [getattr(colour, paper) for colour in (*palette.COLOURS, palette.INK)]
    assert min(contrast(colour, ground) for colour in curves) >= 3.0
    for colour in (palette.INK, palette.SOFT):  # of small text
        assert contrast(getattr(colour, paper), ground) >= 7.0
    for seen, how in SEEN.items():
        nearest = min(
            float(np.linalg.norm(seen_as(a, how) - seen_as(b, how)))
            for a, b in itertools.combinations(curves, 2)
        )
        # Okabe and Ito's colours, on white: 0.04 for vermilion and orange with protanopia.
        assert nearest >= 0.12, seen


def test_every_colour_changes_on_dark_paper() -> None:
    css = palette.dark_css()
    for colour in palette.ALL:
        assert f"[fill='{colour.light}']{{fill:{colour.dark}}}" in css
    lights = [colour.light for colour in palette.ALL]
    assert len(set(lights)) == len(lights)

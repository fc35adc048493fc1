"""Draws pictures as SVG, the same bytes for the same picture, and from that as PNG and PDF.

vl-convert draws the panels. Title and caption are added here, so that the picture is exactly as
wide as it says, whatever fonts a machine has; and so are the text alternative and the colours of
dark paper.
"""

from __future__ import annotations

import re
from html import escape

from memnotify.report.plots.converter import converter
from memnotify.report.plots.labels import wrapped
from memnotify.report.plots.palette import FONT, INK, PAPER, SOFT, dark_css
from memnotify.report.plots.picture import Picture
from memnotify.text import printable

_START = re.compile(
    r'<svg [^>]*?width="(?P<width>[\d.]+)" height="(?P<height>[\d.]+)"[^>]*>'
    r'(?:<rect [^>]*/>)?<g fill="none" stroke-miterlimit="10" '
    r'transform="translate\((?P<x>[-\d.]+),(?P<y>[-\d.]+)\)">'
)
_CLIP = re.compile(r'(?<=id=")clip\d+(?=")|(?<=url\(#)clip\d+(?=\))')
# Neither is seen, and both make a fifth of a file.
_EMPTY = re.compile(
    r'<path class="(?:fore|back)ground" aria-hidden="true" d="(?:M0,0h0v0h0Z)?"[^>]*/>'
)
_UNSEEN = re.compile(
    r' (?:opacity="1"|pointer-events="none"|'
    r'(?:class|role|aria-hidden|aria-roledescription)="[^"]*")'
)
# A hundredth of a pixel is enough for a place.
_PLACES = re.compile(r'(?<= d=")[^"]*|(?<=transform=")[^"]*')
_LONG = re.compile(r"\d+\.\d{3,}")
_MARGIN = 10
_TITLE, _LEADING = 16, 15
# How wide a letter is on average, by the size of the font: those of DejaVu are the widest.
_LETTER, _BOLD_LETTER = 0.52, 0.62


def svg(picture: Picture, *, bare: bool = False) -> str:
    """Return the picture as a document. If it is `bare`, title and caption are left out."""
    x, y, height, panels = _panels(picture)
    top = _MARGIN
    words = []
    if not bare:
        for size, letter, weight, colour, text in (
            (_TITLE, _BOLD_LETTER, ' font-weight="bold"', INK, picture.title),
            (FONT, _LETTER, "", SOFT, picture.subtitle),
        ):
            for line in wrapped(text, int((picture.width - 2 * _MARGIN) / (size * letter))):
                top += size + 5
                words.append(_line(line, top - 4, size, colour.light, weight))
        top += 6
    bottom = top + height + (0 if bare else 8)
    if not bare:
        for text in picture.caption:
            for line in wrapped(text, int((picture.width - 2 * _MARGIN) / (FONT * 0.505))):
                bottom += _LEADING
                words.append(_line(line, bottom - 4, FONT, SOFT.light))
    bottom += _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{picture.width}" height="{bottom:g}" '
        f'viewBox="0 0 {picture.width} {bottom:g}" role="img" aria-labelledby="title desc" '
        'font-family="sans-serif">'
        f'<title id="title">{_text(picture.title)}</title>'
        f'<desc id="desc">{_text(picture.alt)}</desc>'
    )
    style = "" if bare else f"<style>{dark_css()}</style>"
    paper = "" if bare else f'<rect width="100%" height="100%" fill="{PAPER}"/>'
    body = (
        f'<g transform="translate({picture.left - x:g},{top:g})">'
        f'<g fill="none" stroke-miterlimit="10" transform="translate({x:g},{y:g})">{panels}</g></g>'
    )
    return f"{head}{style}{paper}{''.join(words)}{body}</svg>\n"


def _panels(picture: Picture) -> tuple[float, float, float, str]:
    """Return where the origin of the panels is, their height, and what is drawn."""
    drawn = converter().vegalite_to_svg(picture.spec())
    found = _START.match(drawn)
    if found is None:
        raise ValueError("vl-convert has drawn something unexpected")
    inner, _, clips = drawn[found.end() : drawn.rindex("</svg>")].rpartition("</g>")
    names: dict[str, str] = {}
    text = _CLIP.sub(lambda m: names.setdefault(m[0], f"clip{len(names)}"), inner + clips)
    text = _UNSEEN.sub("", _EMPTY.sub("", text))
    text = _PLACES.sub(lambda of: _LONG.sub(lambda n: f"{float(n[0]):.2f}", of[0]), text)
    return float(found["x"]), float(found["y"]), float(found["height"]), text


def _line(text: str, y: float, size: int, colour: str, more: str = "") -> str:
    return (
        f'<text x="{_MARGIN}" y="{y:g}" font-size="{size}"{more} fill="{colour}">'
        f"{_text(text)}</text>"
    )


def _text(text: str) -> str:
    return escape(printable(text))


def png(picture: Picture, *, scale: float = 2.0) -> bytes:
    """Return the picture in pixels, two for each of its own in both directions."""
    drawn: bytes = converter().svg_to_png(svg(picture), scale=scale)
    return drawn


def pdf(picture: Picture) -> bytes:
    """Return the picture as a document with text that can be searched."""
    drawn: bytes = converter().svg_to_pdf(svg(picture))
    return drawn

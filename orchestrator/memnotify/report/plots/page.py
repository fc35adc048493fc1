"""Writes pictures as pages: one file that needs no network, with a picture that can be zoomed.

The page first shows the static picture, so it can be read without scripts and printed. Its policy
allows one script and one style, by their hashes, and nothing else.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from html import escape
from pathlib import Path

from memnotify.report.plots.converter import converter
from memnotify.report.plots.palette import dark_css
from memnotify.report.plots.picture import Picture
from memnotify.report.plots.svg import svg
from memnotify.text import printable

_HERE = Path(__file__).parent
LIVE = _HERE / "live.js"
"""What the page of a picture and a report have in common."""

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p class="about">{subtitle}</p>
<figure>
<div id="picture" role="img" aria-label="{alt}" tabindex="0">{still}</div>
<figcaption>
{caption}
</figcaption>
</figure>
<details><summary>The picture in words</summary><p>{alt}</p></details>
</main>
<div id="bubble" hidden></div>
<script type="application/json" id="spec">{spec}</script>
<script>{script}</script>
</body>
</html>
"""


def page(picture: Picture) -> str:
    """Return the picture as an HTML document."""
    style = (_HERE / "page.css").read_text(encoding="utf-8") + dark_css("#picture ")
    script = _script()
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'"
    )
    return _PAGE.format(
        policy=policy,
        title=_text(picture.title),
        subtitle=_text(picture.subtitle),
        alt=_text(picture.alt),
        caption="\n".join(f"<p>{_text(line)}</p>" for line in picture.caption),
        style=style,
        still=svg(picture, bare=True),
        spec=_data(picture.spec(zoomable=True)),
        script=script,
    )


@functools.cache
def _script() -> str:
    own = LIVE.read_text(encoding="utf-8") + (_HERE / "page.js").read_text(encoding="utf-8")
    # Inside a script element, only its end tag and a comment's beginning would be markup.
    bundle = str(converter().javascript_bundle(own))
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _data(spec: object) -> str:
    """Return a description as JSON without a character that could end the element around it."""
    text = json.dumps(spec, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _text(text: str) -> str:
    return escape(printable(text))

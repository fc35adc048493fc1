"""Draws docs/explanation/architecture.svg: the rooms of the package, and which imports which.

    python docs/draw_architecture.py [--check]

The layers come from pyproject.toml, the arrows from the import graph, and each room's line from
its docstring. With --check nothing is written: exit status 1 means that the picture is outdated.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterable
from html import escape
from pathlib import Path

import grimp

HOME = Path(__file__).resolve().parent.parent
PACKAGE = "memnotify"
SOURCE = HOME / "orchestrator" / PACKAGE
PICTURE = HOME / "docs/explanation/architecture.svg"

WIDTH, LEFT, BOX_WIDTH, BOX_HEIGHT, GAP = 860, 20, 600, 44, 12
ROW = BOX_HEIGHT + GAP
STYLE = """
    text { font: 13px sans-serif; fill: #1a1a1a; }
    .room { font: bold 14px monospace; }
    .note { font-size: 12px; fill: #555; }
    rect { fill: #fff; stroke: #0072b2; stroke-width: 1.5; }
    .ground { fill: #f2f2f2; stroke: #777; }
    path { fill: none; stroke: #d55e00; stroke-width: 1.5; }
    .implied { stroke: #bbb; stroke-width: 1; }
    marker path { fill: #d55e00; stroke: none; }
    marker .implied { fill: #bbb; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6e6e6; } .note { fill: #aaa; }
      rect { fill: #111; stroke: #56b4e9; } .ground { fill: #222; stroke: #999; }
      path { stroke: #e69f00; } .implied { stroke: #555; }
      marker path { fill: #e69f00; } marker .implied { fill: #555; }
    }
"""

Edges = dict[str, set[str]]


def layers() -> list[list[str]]:
    """Return the layers from the top, as in import-linter's contract."""
    config = tomllib.loads((HOME / "pyproject.toml").read_text())
    contract = config["tool"]["importlinter"]["contracts"][0]
    return [[name.strip() for name in _names(layer)] for layer in contract["layers"]]


def _names(layer: str) -> list[str]:
    return layer.replace(":", "|").split("|")


def imports(rooms: Iterable[str]) -> Edges:
    """Return which other rooms the modules of each room import."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    edges: Edges = {room: set() for room in rooms}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            one, other = (name.split(".")[1] for name in (f"{module}.", f"{imported}."))
            if one != other and one in edges and other in edges:
                edges[one].add(other)
    return edges


def reachable(edges: Edges, room: str) -> set[str]:
    found: set[str] = set()
    for other in edges[room]:
        found |= {other} | reachable(edges, other)
    return found


def implied(edges: Edges, room: str, other: str) -> bool:
    """Return whether there is also a path from `room` to `other` through a third room."""
    return any(other in reachable(edges, third) for third in edges[room] if third != other)


def _source(room: str) -> Path:
    package = SOURCE / room / "__init__.py"
    return package if package.exists() else SOURCE / f"{room}.py"


def _shown(room: str) -> str:
    return f"{room}/" if (SOURCE / room).is_dir() else f"{room}.py"


def purpose(room: str) -> str:
    docstring = ast.get_docstring(ast.parse(_source(room).read_text()))
    if not docstring:
        sys.exit(f"orchestrator/{PACKAGE}/{room}/__init__.py: has no docstring for the picture")
    return docstring.splitlines()[0].replace("`", "")


def box(x: float, y: float, width: float, name: str, line: str, kind: str = "") -> list[str]:
    return [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{BOX_HEIGHT}" rx="6"{kind}/>',
        f'<text x="{x + 12:g}" y="{y + 18:g}" class="room">{escape(name)}</text>',
        f'<text x="{x + 12:g}" y="{y + 36:g}" class="note">{escape(line)}</text>',
    ]


def draw() -> str:
    """Return the picture. The same package gives the same bytes."""
    *upper, ground = layers()
    rooms = [room for layer in upper for room in layer]
    edges = imports(rooms)
    top = {room: 20 + ROW * row for row, room in enumerate(rooms)}
    # Each end of an arrow has a separate place at its box, in the order of the other ends.
    pairs = sorted((one, other) for one, others in edges.items() for other in others)
    ends = {
        room: sorted((p for p in pairs if room in p), key=lambda p: (top[p[0]] + top[p[1]], p))
        for room in rooms
    }

    def port(room: str, pair: tuple[str, str]) -> float:
        there = ends[room]
        return top[room] + BOX_HEIGHT * (there.index(pair) + 1) / (len(there) + 1)

    arrows: dict[bool, list[str]] = {True: [], False: []}
    right = LEFT + BOX_WIDTH
    for pair in pairs:
        start, end = port(pair[0], pair), port(pair[1], pair)
        bend = right + 14 + (top[pair[1]] - top[pair[0]]) / ROW * 22
        dim = implied(edges, *pair)
        kind, mark = (' class="implied"', "dim") if dim else ("", "tip")
        arrows[dim].append(
            f'<path{kind} d="M{right} {start:.1f} C{bend:.1f} {start:.1f} {bend:.1f} {end:.1f} '
            f'{right + 5} {end:.1f}" marker-end="url(#{mark})"/>'
        )
    height = 20 + ROW * (len(rooms) + 1) + 40
    below = 20 + ROW * len(rooms)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-labelledby="title">',
        f'<title id="title">Imports between the {len(rooms)} rooms of {PACKAGE} point down</title>',
        f"<style>{STYLE}</style>",
        "<defs>",
        *(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path{kind} d="M0 0 L8 4 L0 8 z"/></marker>'
            for name, kind in (("tip", ""), ("dim", ' class="implied"'))
        ),
        "</defs>",
        *arrows[True],
        *arrows[False],
    ]
    for room in rooms:
        out += box(LEFT, top[room], BOX_WIDTH, _shown(room), purpose(room))
    line = "The ground floor: plain modules that every room may import."
    out += box(LEFT, below, BOX_WIDTH, " ".join(sorted(ground)), line, ' class="ground"')
    out += [
        f'<text x="{LEFT}" y="{below + ROW + 14}" class="note">An arrow points from a room to one '
        "that it imports. Pale arrows also follow from the others.</text>",
        "</svg>",
    ]
    return "\n".join(out) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw docs/explanation/architecture.svg.")
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    picture = draw()
    if not parser.parse_args().check:
        PICTURE.write_text(picture)
    elif not PICTURE.exists() or PICTURE.read_text() != picture:
        print(f"{PICTURE} is not current: run `make architecture` and commit it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

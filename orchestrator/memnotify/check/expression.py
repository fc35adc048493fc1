"""Comparisons of a cell's figures, as expectations use them: a small subset of Python's syntax.

    max_batch <= max(clients // 16, 100)
    batches[1].after_ms >= 9900
    outcome != "ok"

Names are figures of the cell; `.name` and `[number]` select a part of one. There are numbers,
`+ - * / //`, `min` and `max`, comparisons, which may be chained, and quoted words, which can only
be tested with == and !=.
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, TypeAlias

from memnotify.text import known_names

Number = int | float


class Scalar(StrEnum):
    """The types that can be compared."""

    NUMBER = "a number"
    WORD = "a word"


ANY = "*"
"""In a shape: stands for any name."""

Shape: TypeAlias = "Scalar | Mapping[str, Shape] | list[Shape]"
"""The shape of a figure: a scalar, or the shapes of its parts by name, or of each list element."""

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = MappingProxyType(
    {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.FloorDiv: operator.floordiv,
    }
)
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = MappingProxyType(
    {
        ast.Eq: operator.eq,
        ast.NotEq: operator.ne,
        ast.Lt: operator.lt,
        ast.LtE: operator.le,
        ast.Gt: operator.gt,
        ast.GtE: operator.ge,
    }
)
_DEEPEST = 100  # nesting depth, well below the limit of Python's stack
_FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType({"min": min, "max": max})


class _AbsentError(Exception):
    """A figure that the cell does not have: nobody was woken, or no log was kept."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed comparison."""

    text: str
    comparison: ast.Compare

    @property
    def _sides(self) -> tuple[ast.expr, ...]:
        return (self.comparison.left, *self.comparison.comparators)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the figures that it uses, sorted."""
        nodes = ast.walk(self.comparison)
        found = {node.id for node in nodes if isinstance(node, ast.Name)}
        return tuple(sorted(found - _FUNCTIONS.keys()))

    @property
    def words(self) -> Iterator[tuple[str, str]]:
        """Yield the figures that are compared with words, each with its word."""
        sides = self._sides
        for one, other in (*itertools.pairwise(sides), *itertools.pairwise(reversed(sides))):
            match one, other:
                case ast.Name(id=name), ast.Constant(value=str(word)):
                    yield name, word

    def holds(self, figures: Mapping[str, Any]) -> bool | None:
        """Compare; return None if a figure is missing or null, or cannot be computed with."""
        try:
            values = [_compared(side, figures) for side in self._sides]
        except (_AbsentError, ArithmeticError):
            return None
        steps = list(zip(self.comparison.ops, values, values[1:], strict=False))
        if any(isinstance(a, str) != isinstance(b, str) for _, a, b in steps):
            return None
        return all(_COMPARISONS[type(op)](a, b) for op, a, b in steps)

    def fit(self, shapes: Mapping[str, Shape]) -> None:
        """Raise ValueError with the reason if the expression can never hold for these shapes."""
        scalars = [_scalar(side, shapes) for side in self._sides]
        for op, one, other in zip(self.comparison.ops, scalars, scalars[1:], strict=False):
            if one is not other:
                raise ValueError(f"{self.text!r} compares {one} with {other}")
            if one is Scalar.WORD and not isinstance(op, ast.Eq | ast.NotEq):
                raise ValueError(
                    f"{self.text!r} compares words with an operator other than == and !="
                )


def parse_expression(text: str) -> Expression:
    """Parse an expression. Raises ValueError that says what is wrong with it."""
    try:
        body = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r} is not an expression") from error
    if not isinstance(body, ast.Compare):
        raise ValueError(f"{text!r} compares nothing")
    if not all(type(op) in _COMPARISONS for op in body.ops):
        raise ValueError(f"{text!r} uses a comparison other than == != < <= > >=")
    nodes = (body.left, *body.comparators)
    for node in nodes:
        if not _is_word(node):
            _check(node)
    if any(map(_is_word, nodes)) and not all(isinstance(op, ast.Eq | ast.NotEq) for op in body.ops):
        raise ValueError(f"{text!r} compares a word with an operator other than == and !=")
    return Expression(text, body)


def _is_word(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _check(node: ast.expr, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"is nested more than {_DEEPEST} levels deep")
    match node:
        case ast.Constant(value=int() | float() as number):
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError("a number is too large")
            return
        case ast.Name(id=name) if name not in _FUNCTIONS:
            return
        case (
            ast.Attribute(value=inner) | ast.Subscript(value=inner, slice=ast.Constant(value=int()))
        ):
            _check(inner, depth + 1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            _check(left, depth + 1)
            _check(right, depth + 1)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if (
            name in _FUNCTIONS and len(args) > 1
        ):
            for arg in args:
                _check(arg, depth + 1)
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not a number, figure, sum, min or max")


def _scalar(node: ast.expr, shapes: Mapping[str, Shape]) -> Scalar:
    shape = _shape(node, shapes)
    match shape:
        case Mapping():
            raise ValueError(f"{ast.unparse(node)} has several figures: {_in(node, shape)}")
        case list():
            raise ValueError(
                f"{ast.unparse(node)} is a list: select an element, as in {ast.unparse(node)}[0]"
            )
    return shape


def _in(node: ast.expr, shape: Mapping[str, Shape]) -> str:
    return ", ".join(f"{ast.unparse(node)}.{'NAME' if name == ANY else name}" for name in shape)


def _shape(node: ast.expr, shapes: Mapping[str, Shape]) -> Shape:
    match node:
        case ast.Name(id=name):
            return shapes[name]
        case ast.Attribute(value=inner, attr=name):
            outer = _shape(inner, shapes)
            if not isinstance(outer, Mapping):
                raise ValueError(f"{ast.unparse(node)}: {ast.unparse(inner)} has no members")
            if name not in outer and ANY not in outer:
                hint = known_names(name, outer)
                raise ValueError(f"{ast.unparse(inner)} has no member {name} ({hint})")
            return outer[name if name in outer else ANY]
        case ast.Subscript(value=inner):
            outer = _shape(inner, shapes)
            if not isinstance(outer, list):
                raise ValueError(f"{ast.unparse(node)}: {ast.unparse(inner)} is not a list")
            return outer[0]
        case ast.BinOp(left=left, right=right):
            return _sum(node, (left, right), shapes)
        case ast.Call(args=args):
            return _sum(node, args, shapes)
    return Scalar.WORD if _is_word(node) else Scalar.NUMBER


def _sum(node: ast.expr, parts: Iterable[ast.expr], shapes: Mapping[str, Shape]) -> Shape:
    for part in parts:
        if _scalar(part, shapes) is Scalar.WORD:
            raise ValueError(f"{ast.unparse(node)}: {ast.unparse(part)} is a word")
    return Scalar.NUMBER


def _compared(node: ast.expr, figures: Mapping[str, Any]) -> Number | str:
    found = _look(node, figures)
    if not isinstance(found, int | float | str):
        raise _AbsentError
    return found


def _value(node: ast.expr, figures: Mapping[str, Any]) -> Number:
    found = _look(node, figures)
    if not isinstance(found, int | float):
        raise _AbsentError
    return found


def _look(node: ast.expr, figures: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return figures.get(name)
        case ast.Attribute(value=inner, attr=name):
            outer = _look(inner, figures)
            return outer.get(name) if isinstance(outer, Mapping) else None
        case ast.Subscript(value=inner, slice=ast.Constant(value=int(index))):
            outer = _look(inner, figures)
            there = isinstance(outer, list) and index < len(outer)
            return outer[index] if there else None
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_value(left, figures), _value(right, figures))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name](*(_value(arg, figures) for arg in args))
    raise AssertionError(ast.dump(node))  # _check rejects everything else

"""Read TOML input; errors name the file, the line and the key.

tomllib parses, pydantic checks, and tree-sitter-toml gives the lines: no maintained TOML parser for
Python reports positions.
"""

from __future__ import annotations

import ast
import codecs
import datetime
import re
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import tree_sitter
import tree_sitter_toml
from pydantic import AfterValidator, BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticKnownError

from memnotify.errors import InputError
from memnotify.files import open_file
from memnotify.text import printable, shortened, shown, similar

Key = tuple[str | int, ...]

_KINDS = {
    "model_type": "a table",
    "dict_type": "a table",
    "list_type": "an array",
    "string_type": "a string in quotes",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "date_type": "a date, such as 2008-01-15",
    "greater_than": "more than {gt:.15g}",
    "greater_than_equal": "{ge:.15g} or more",
    "less_than": "less than {lt:.15g}",
    "less_than_equal": "{le:.15g} or less",
    "literal_error": "{expected}",
    "enum": "{expected}",
}
"""What a value must be, in terms of TOML instead of Python, by pydantic's type of error."""


class Table(BaseModel):
    """Base class of all tables read from TOML: no unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


T = TypeVar("T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Described(AfterValidator):
    """A validator that a JSON schema describes with a keyword."""

    keyword: str
    value: str | tuple[str, ...]

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {self.keyword: self.value}


def spelled(pattern: str, words: str) -> AfterValidator:
    """Return a validator of strings that match a pattern; `words` describes it in messages."""
    matches: Callable[[str], Any] = re.compile(pattern).fullmatch

    def check(text: str) -> str:
        if not matches(text):
            raise ValueError(f"{shown(text)} is not {words}")
        return text

    return _Described(check, "pattern", f"^(?:{pattern})$")


def one_of(members: Iterable[Enum]) -> AfterValidator:
    """Return a validator of strings that are the name of a member, in lower case."""
    names = [member.name.lower() for member in members]
    listed = ", ".join(map(repr, names[:-1])) + f" or {names[-1]!r}"

    def check(text: str) -> str:
        if text not in names:
            raise PydanticKnownError("literal_error", {"expected": listed})
        return text

    return _Described(check, "enum", tuple(names))


def _tree(text: bytes) -> tree_sitter.Tree:
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_toml.language()))
    return parser.parse(text)


class LineNumbers(Mapping[Key, int]):
    """Line numbers (from 1) of every key, table and array element of one document."""

    def __init__(self, text: bytes) -> None:
        self._lines: dict[Key, int] = {}
        tree = _tree(text.removeprefix(codecs.BOM_UTF8))
        self._arrays: dict[Key, int] = {}
        for node in tree.root_node.named_children:
            if node.type == "pair":
                self._pair((), node)
            elif node.type in ("table", "table_array_element"):
                self._table(node)

    def __getitem__(self, key: Key) -> int:
        return self._lines[key]

    def __iter__(self) -> Any:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def written(self, key: Key) -> Key:
        """Return a key without an index that is not in the file (one value without brackets)."""
        return key[:-1] if key and isinstance(key[-1], int) and key not in self else key

    def nearest(self, key: Key) -> int | None:
        """Return the line of a key, or of the innermost enclosing key that is in the file."""
        while key:
            if key in self._lines:
                return self._lines[key]
            key = key[:-1]
        return None

    def _note(self, key: Key, node: tree_sitter.Node) -> None:
        self._lines.setdefault(key, node.start_point[0] + 1)

    def _names(self, node: tree_sitter.Node) -> list[str]:
        if node.type == "dotted_key":
            return [name for child in node.named_children for name in self._names(child)]
        text = (node.text or b"").decode()
        if node.type == "quoted_key":
            return [str(next(iter(tomllib.loads(f"{text} = 0"))))]
        return [text]

    def _resolve(self, names: list[str]) -> Key:
        # [[step]] then [step.x]: the name of an array of tables means its last element.
        key: Key = ()
        for name in names:
            key = (*key, name)
            if key in self._arrays:
                key = (*key, self._arrays[key])
        return key

    def _table(self, node: tree_sitter.Node) -> None:
        head, *pairs = node.named_children
        *outer, last = self._names(head)
        for count in range(1, len(outer) + 1):
            self._note(self._resolve(outer[:count]), node)  # [a.b] also makes a table a
        key: Key = (*self._resolve(outer), last)
        if node.type == "table_array_element":
            self._note(key, node)
            self._arrays[key] = self._arrays.get(key, -1) + 1
            key = (*key, self._arrays[key])
        self._note(key, node)
        for pair in pairs:
            if pair.type == "pair":
                self._pair(key, pair)

    def _pair(self, outer: Key, node: tree_sitter.Node) -> None:
        name, value = (child for child in node.named_children if child.type != "comment")
        key = outer
        for part in self._names(name):
            key = (*key, part)
            self._note(key, node)
        self._value(key, value)

    def _value(self, key: Key, node: tree_sitter.Node) -> None:
        if node.type == "array":
            items = [child for child in node.named_children if child.type != "comment"]
            for index, child in enumerate(items):
                self._note((*key, index), child)
                self._value((*key, index), child)
        elif node.type == "inline_table":
            for child in node.named_children:
                if child.type == "pair":
                    self._pair(key, child)


def dotted(key: Key) -> str:
    """Return a key as users read it: `step[2].at_s`."""
    text = ""
    for part in key:
        word = shortened(printable(str(part)))
        text += f"[{part}]" if isinstance(part, int) else f".{word}" if text else word
    return text


_MOST_BYTES = 16 << 20
"""The limit for files that people write."""


def read(path: Path) -> tuple[dict[str, Any], LineNumbers]:
    """Parse a TOML file. Raises InputError if it cannot be read or is not TOML."""
    try:
        with open_file(path) as file:
            data = file.read(_MOST_BYTES + 1).removeprefix(codecs.BOM_UTF8)  # some editors add it
        if len(data) > _MOST_BYTES:
            raise InputError("too large: more than 16 MiB", file=path)
        return tomllib.loads(data.decode()), LineNumbers(data)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError("not UTF-8 text", file=path, line=line) from error
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at.group(1)) if at else data.count(b"\n") + 1
        raise InputError(f"not TOML: {_in_words(str(error))}", file=path, line=line) from error
    except RecursionError as error:
        line = _deepest(data)
        raise InputError("tables or lists are nested too deeply", file=path, line=line) from error
    except ValueError as error:  # Python refuses numbers of thousands of digits
        if found := _long_integer(data):
            digits, line = found
            why = f"not readable as TOML: a whole number of {digits} digits"
            raise InputError(why, file=path, line=line) from error
        raise InputError(f"not readable as TOML: {error}", file=path) from error


_TUPLE = re.compile(r"""\((?:(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"),? ?)+\)""")
_WORDS = (
    ("Cannot declare {} twice", "{} is declared twice"),
    ("Cannot redefine namespace {}", "{} is declared already"),
    ("Cannot mutate immutable namespace {}", "{} is complete and cannot be extended"),
    ("Cannot overwrite a value", "this key has a value already"),
)
"""What tomllib says, and what we say; keys are tuples there, where {} stands."""


def _in_words(message: str) -> str:
    """Return a message of tomllib in terms of the file."""
    found = _TUPLE.search(message)
    key = found.group() if found else ""
    for old, new in _WORDS:
        if (text := old.format(key)) in message:
            return message.replace(text, new.format(dotted(ast.literal_eval(key) if key else ())))
    return message


def _nodes(data: bytes) -> Iterator[tuple[int, tree_sitter.Node]]:
    """Yield the nodes of a document with their depth, which may be too deep for a recursion."""
    cursor = _tree(data).walk()
    while True:
        if cursor.node is not None:
            yield cursor.depth, cursor.node
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _deepest(data: bytes) -> int:
    _, node = max(_nodes(data), key=lambda item: item[0])
    return node.start_point[0] + 1


def _long_integer(data: bytes) -> tuple[int, int] | None:
    """Return how many digits the first integer has that Python does not read, and its line."""
    for _, node in _nodes(data):
        digits = len(re.findall(rb"[0-9]", node.text or b"")) if node.type == "integer" else 0
        if digits > sys.get_int_max_str_digits() > 0:
            return digits, node.start_point[0] + 1
    return None


def check(model: type[T], value: Any, *, path: Path, lines: LineNumbers, at: Key = ()) -> T:
    """Turn a parsed value into `model`. Raises InputError for the first error.

    `at` is the key of `value` in the document.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        # Unknown keys first: a misspelt key also shows up as a missing one.
        problems = sorted(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
        keys = [_key(problem, at, lines) for problem in problems]
        # If a value may have one of several types, all of them are named.
        same = [problem for problem, key in zip(problems, keys, strict=True) if key == keys[0]]
        known = _keys_of(model, keys[0][len(at) : -1])
        raise _refusal(same, keys[0], known, path, lines) from None


def _key(problem: Any, at: Key, lines: LineNumbers) -> Key:
    # pydantic adds the names of union members to a key; they are not in the document.
    key: Key = at
    unwritten = problem["type"] in ("missing", "extra_forbidden")
    for index, part in enumerate(problem["loc"], 1):
        if (*key, part) in lines or (unwritten and index == len(problem["loc"])):
            key = (*key, part)
    return key


def load(path: Path, model: type[T]) -> T:
    """Read and check a whole file."""
    value, lines = read(path)
    return check(model, value, path=path, lines=lines)


def _refusal(
    problems: Sequence[Any], key: Key, known: Iterable[str], path: Path, lines: LineNumbers
) -> InputError:
    problem, hint = problems[0], None
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key"
        hint = similar(str(key[-1]), sorted(known))
    elif problem["type"] == "missing":
        message = "this key is missing"
    elif problem["type"] == "too_short":
        message = f"must have at least {problem['ctx']['min_length']} item"
    elif problem["type"] in _KINDS:
        allowed = [
            _KINDS[each["type"]].format(**each.get("ctx", {}))
            for each in problems
            if each["type"] in _KINDS
        ]
        message = f"must be {', or '.join(dict.fromkeys(allowed))}"
        if not isinstance(problem["input"], dict | list):
            message += f", not {_written(problem['input'])}"
    where = f"{dotted(key)}: " if key else ""
    return InputError(where + message, file=path, line=lines.nearest(key) or 1, hint=hint)


def _written(value: Any) -> str:
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value).lower() if isinstance(value, bool) else shown(value)


def _keys_of(model: type[BaseModel], place: Key) -> set[str]:
    """Return the keys that the table at a place in `model` may have."""
    kinds: list[Any] = [model]
    for part in place:
        kinds = [inner for kind in kinds for inner in _inside(kind, part)]
    return {
        info.alias or name
        for kind in kinds
        if _is_table(kind)
        for name, info in kind.model_fields.items()
    }


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _inside(kind: Any, part: str | int) -> Iterator[Any]:
    """Yield what a value of this type may have there, by key or by index."""
    if _is_table(kind):
        for name, info in kind.model_fields.items():
            if part == (info.alias or name):
                yield from _members(info.annotation)
    elif isinstance(part, int) or typing.get_origin(kind) is dict:
        yield from _members(typing.get_args(kind)[-1:])
    else:  # one value without brackets: its index is not in the file
        for item in _members(typing.get_args(kind)[:1]):
            yield from _inside(item, part)


def _members(kind: Any) -> Iterator[Any]:
    """Yield the types that a type is made of, if it is a union, or has annotations."""
    if isinstance(kind, tuple):
        for each in kind:
            yield from _members(each)
    elif typing.get_origin(kind) is typing.Annotated:
        yield from _members(typing.get_args(kind)[0])
    elif typing.get_origin(kind) in (typing.Union, types.UnionType):
        yield from _members(typing.get_args(kind))
    else:
        yield kind

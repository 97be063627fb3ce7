"""The `where` language: conditions on metadata and columns, as SQL whose every value is a parameter."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NoReturn

BUILT_IN = ("id", "path", "size", "mtime", "width", "height", "format", "text", "added_at")
_KEYWORDS = ("and", "or", "not", "in", "like", "is", "null", "none", "between", "true", "false")
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])
          |(?P<string>'(?:[^']|'')*'|"(?:[^"]|"")*")
          |(?P<quoted>`[^`]+`)
          |(?P<word>[^\W\d]\w*)
          |(?P<symbol><=|>=|==|!=|<>|[<>=(),]))""",
    re.VERBOSE,
)
_COMPARISONS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "=": "=", "==": "=", "!=": "<>", "<>": "<>"}
_MAX_DEPTH = 16  # SQLite's parser holds a hundred symbols, and a level takes up to five: a OR b AND (
_MAX_CONDITIONS = 900  # SQLite takes an expression of up to a thousand levels, and a chain is one per condition


@dataclass
class Condition:
    """A piece of SQL for a WHERE clause over `items`, and its parameters."""

    sql: str
    parameters: list[Any] = field(default_factory=list)


def parse_where(expression: str, metadata_keys: Collection[str]) -> Condition:
    """Compile an expression such as ``price < 20 and label in ('cat', 'dog')``.

    Known are = == != <> < <= > >=, like (% and _ as in SQL), in (...), between ... and ..., is [not] null, a
    column alone (true where it is not zero or empty), and / or / not, and parentheses. Strings stand in
    single or double quotes, odd column names in backquotes. A comparison with a missing value is never true.

    Raises:
        ValueError: The expression cannot be read, is too long, or names a column that no item has.
        TypeError: It is no text.
    """
    if not isinstance(expression, str):
        raise TypeError(f"where: expected a condition as text, such as 'price < 20', got {expression!r}")
    return _Parser(expression, metadata_keys).parse()


class _Parser:
    def __init__(self, expression: str, metadata_keys: Collection[str]) -> None:
        self._expression = expression
        self._keys = metadata_keys
        self._tokens = list(self._tokenize())
        self._position = 0
        self._depth = 0
        self._conditions = 0

    def parse(self) -> Condition:
        condition = self._either()
        if self._peek()[0] != "end":
            self._fail(f"unexpected {self._peek()[1]!r}")
        return Condition(f"({condition.sql})", condition.parameters)

    def _tokenize(self) -> list[tuple[str, str]]:
        tokens, position = [], 0
        text = self._expression.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                self._fail(f"cannot read {text[position : position + 20]!r}")
            kind = str(match.lastgroup)
            value = match.group(kind)
            if kind == "word" and value.lower() in _KEYWORDS:
                kind, value = "keyword", value.lower()
            tokens.append((kind, value))
            position = match.end()
        return [*tokens, ("end", "end of the expression")]

    def _either(self) -> Condition:
        return self._chain("or", self._both)

    def _both(self) -> Condition:
        return self._chain("and", self._negatable)

    def _chain(self, word: str, part: Callable[[], Condition]) -> Condition:
        parts = [part()]
        while self._accept("keyword", word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        sql = f" {word.upper()} ".join(one.sql for one in parts)
        return Condition(sql, [value for one in parts for value in one.parameters])

    def _negatable(self) -> Condition:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._fail(f"more than {_MAX_DEPTH} levels deep")
        if self._accept("keyword", "not"):
            inner = self._negatable()
            condition = Condition(f"NOT {inner.sql}", inner.parameters)
        elif self._accept("symbol", "("):
            inner = self._either()
            self._expect("symbol", ")")
            condition = Condition(f"({inner.sql})", inner.parameters)
        else:
            condition = self._comparison()
        self._depth -= 1
        return condition

    def _comparison(self) -> Condition:
        self._conditions += 1
        if self._conditions > _MAX_CONDITIONS:
            raise ValueError(
                f"where: more than {_MAX_CONDITIONS} conditions; use a list instead: label in ('cat', 'dog')"
            )
        left = self._operand()
        kind, value = self._peek()
        if kind == "symbol" and value in _COMPARISONS:
            self._position += 1
            right = self._operand()
            return Condition(f"({left.sql} {_COMPARISONS[value]} {right.sql})", left.parameters + right.parameters)
        if self._accept("keyword", "is"):
            negated = "NOT " if self._accept("keyword", "not") else ""
            if not (self._accept("keyword", "null") or self._accept("keyword", "none")):
                self._fail("expected null after is")
            return Condition(f"({left.sql} IS {negated}NULL)", left.parameters)
        negated = "NOT " if self._accept("keyword", "not") else ""
        for word, rest in (("in", self._list), ("like", self._operand), ("between", self._range)):
            if self._accept("keyword", word):
                right = rest()
                sql = f"({left.sql} {negated}{word.upper()} {right.sql})"
                return Condition(sql, left.parameters + right.parameters)
        if negated:
            self._fail("expected in, like or between after not")
        return left

    def _list(self) -> Condition:
        self._expect("symbol", "(")
        operands = [self._operand()]
        while self._accept("symbol", ","):
            operands.append(self._operand())
        self._expect("symbol", ")")
        return Condition(f"({', '.join(o.sql for o in operands)})", [p for o in operands for p in o.parameters])

    def _range(self) -> Condition:
        low = self._operand()
        self._expect("keyword", "and")
        high = self._operand()
        return Condition(f"{low.sql} AND {high.sql}", low.parameters + high.parameters)

    def _operand(self) -> Condition:
        kind, value = self._peek()
        self._position += 1
        if kind == "number":
            whole = re.fullmatch(r"-?\d{1,18}", value)  # what SQLite holds as an integer
            return Condition("?", [int(value) if whole else float(value)])
        if kind == "string":
            return Condition("?", [value[1:-1].replace(value[0] * 2, value[0])])
        if kind in ("word", "quoted"):
            return self._column(value.strip("`"))
        if (kind, value) in (("keyword", "true"), ("keyword", "false")):
            return Condition("?", [int(value == "true")])  # json_extract gives 1 and 0
        return self._fail(f"expected a column or a value, got {value!r}")

    def _column(self, name: str) -> Condition:
        if name in self._keys and '"' not in name:
            return Condition("json_extract(metadata, ?)", [f'$."{name}"'])
        if name in BUILT_IN:
            return Condition(f"items.{name}")
        keys = ", ".join(sorted(self._keys)) or "(none)"
        raise ValueError(
            f"where: no column {name!r}; metadata of this gallery: {keys}; built in: {', '.join(BUILT_IN)} "
            f"(text values need quotes, as in label = 'cat')"
        )

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._position]

    def _accept(self, kind: str, value: str) -> bool:
        if self._peek() == (kind, value):
            self._position += 1
            return True
        return False

    def _expect(self, kind: str, value: str) -> None:
        if not self._accept(kind, value):
            self._fail(f"expected {value!r}, got {self._peek()[1]!r}")

    def _fail(self, reason: str) -> NoReturn:
        raise ValueError(f"where: {reason} in {self._expression!r}; an example: price < 20 and label = 'cat'")

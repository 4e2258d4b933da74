"""Conditions on the columns of images, such as `smiling = 1 and label in ('cat', 'dog')`.

    condition  = all {"or" all}
    all        = one {"and" one}
    one        = "not" one | "(" condition ")" | comparison
    comparison = column sign value | column ["not"] "in" "(" value {"," value} ")"

A column is a word, or any text in "double quotes"; a value is a number or a text in 'single quotes'. A quote
within quotes is written twice.
"""

import re
from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, Field

Value = int | float | str
SIGNS = ("=", "!=", "<", "<=", ">", ">=")
LONGEST = 2000
"""Characters of a condition, so that one of thousands of parts exhausts no stack."""


@dataclass(frozen=True)
class Comparison:
    """True where a column compares so with one of the values; several values only with `=`."""

    column: str
    sign: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Not:
    part: "Condition"


@dataclass(frozen=True)
class All:
    parts: tuple["Condition", ...]


@dataclass(frozen=True)
class AnyOf:
    parts: tuple["Condition", ...]


Condition = Comparison | Not | All | AnyOf


def parse(text: str) -> Condition:
    """Read a condition. Raises ValueError that says what was expected where."""
    if len(text) > LONGEST:
        raise ValueError(f"a condition has at most {LONGEST:,} characters but this one {len(text):,}")
    try:
        return _Parser(text).whole()
    except RecursionError:
        raise ValueError("the condition has too many parentheses inside each other") from None


def columns_of(condition: Condition) -> set[str]:
    """The columns that it compares."""
    if isinstance(condition, Comparison):
        return {condition.column}
    parts = (condition.part,) if isinstance(condition, Not) else condition.parts
    return set().union(*map(columns_of, parts))


def _readable(text: str) -> str:
    parse(text)
    return text


Where = Annotated[str, Field(max_length=LONGEST), AfterValidator(_readable)]
"""A condition in a config, such as "smiling = 1 and not male = 1"."""


class _Token(NamedTuple):
    kind: str
    """number, text, column, word or sign; `end` at the end, `other` for what is none of these."""
    text: str
    start: int


_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(?!\w))
    |(?P<text>'([^']|'')*')|(?P<column>"([^"]|"")*")|(?P<word>\w+)
    |(?P<sign><=|>=|!=|=(?!=)|<(?!>)|[>(),])|(?P<other>\S[=<>]*)|(?P<end>\Z))""",
    re.VERBOSE,
)


class _Parser:
    """Descends by the grammar above, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        found = ((str(each.lastgroup), each) for each in _TOKEN.finditer(text))
        self._tokens = [_Token(kind, each[kind], each.start(kind)) for kind, each in found]
        self._at = 0

    @property
    def _token(self) -> _Token:
        return self._tokens[self._at]

    def whole(self) -> Condition:
        condition = self._any_of()
        if self._token.kind != "end":
            raise self._unexpected("and, or, or the end")
        return condition

    def _any_of(self) -> Condition:
        parts = [self._all()]
        while self._took("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._took("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self) -> Condition:
        if self._took("not"):
            return Not(self._one())
        if self._took("("):
            condition = self._any_of()
            self._require(")")
            return condition
        return self._comparison()

    def _comparison(self) -> Condition:
        column = self._column()
        negated = self._took("not")
        if self._took("in"):
            self._require("(")
            values = [self._value()]
            while self._took(","):
                values.append(self._value())
            self._require(")")
            found = Comparison(column, "=", tuple(values))
            return Not(found) if negated else found
        if negated or self._token.text not in SIGNS:
            raise self._unexpected("in" if negated else f"{', '.join(SIGNS)} or in")
        return Comparison(column, self._advance().text, (self._value(),))

    def _column(self) -> str:
        kind, text, _ = self._token
        if kind not in ("word", "column") or self._is_keyword():
            raise self._unexpected('the name of a column (in "double quotes" if it is no plain word)')
        self._advance()
        return text if kind == "word" else text[1:-1].replace('""', '"')

    def _value(self) -> Value:
        kind, text, _ = self._token
        if kind not in ("number", "text"):
            raise self._unexpected("a number, or a text in 'single quotes'")
        self._advance()
        if kind == "text":
            return text[1:-1].replace("''", "'")
        return int(text) if text.lstrip("+-").isdigit() else float(text)

    def _is_keyword(self) -> bool:
        return self._token.kind == "word" and self._token.text.lower() in ("and", "or", "not", "in")

    def _took(self, wanted: str) -> bool:
        """Pass a keyword, in any case, or a sign, if it comes next."""
        found = self._token.kind in ("word", "sign") and self._token.text.lower() == wanted
        if found:
            self._advance()
        return found

    def _require(self, sign: str) -> None:
        if not self._took(sign):
            raise self._unexpected(sign)

    def _advance(self) -> _Token:
        """Go to the next token, and return the one before it."""
        self._at += 1
        return self._tokens[self._at - 1]

    def _unexpected(self, wanted: str) -> ValueError:
        found = repr(self._token.text) if self._token.text else "the end"
        at = f"at character {self._token.start + 1}"
        return ValueError(f"expected {wanted} {at} but found {found}: {self._text}")

"""Statements that are compiled once and then executed straight on the driver.

SQLAlchemy writes them; what it does anew at each execution (a context, a cache key, a result's
description) costs more than these small statements take. On PostgreSQL the server keeps their plans
too (store/deferring.py). Only what every task runs through is worth it, and only statements whose
text never changes: no expanding IN (see `among`), no list of columns that varies much.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Dialect,
    Executable,
    Row,
    Select,
    Text,
    TypeDecorator,
    bindparam,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import result_tuple
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import JSON, TypeEngine

Values = Mapping[str, Any]
_Processor = Callable[[Any], Any]


class _Texts(TypeDecorator[list[str]]):
    """Several texts as one parameter: an array, or JSON on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return ARRAY(Text()) if dialect.name == "postgresql" else JSON()


class among(FunctionElement[bool]):
    """`column IN (...)` whose text does not depend on how many there are."""

    inherit_cache = True
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], name: str) -> None:
        super().__init__(column, bindparam(name, type_=_Texts()))

    def self_group(self, against: Any = None) -> Self:
        """As it is: what SQLAlchemy would add for SQLite (`= 1`) keeps it from using an index."""
        return self


@compiles(among, "sqlite")
def _among_on_sqlite(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({texts}))"


@compiles(among, "postgresql")
def _among_on_postgresql(element: Any, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(each, **options) for each in element.clauses)
    return f"{column} = ANY({texts})"


@dataclass(frozen=True)
class Compiled:
    """The text for one dialect, what its parameters are, and how rows are made of its answer."""

    text: str
    # Each parameter in order: its name, its value where the caller gives none, its processor.
    parameters: tuple[tuple[str, Any, _Processor | None], ...]
    make: Callable[[Sequence[Any]], Row[Any]]
    # Columns whose values need processing, by position.
    processors: tuple[tuple[int, _Processor], ...]

    def bind(self, values: Values) -> list[Any]:
        return [
            process(values.get(name, default)) if process else values.get(name, default)
            for name, default, process in self.parameters
        ]

    def rows(self, raw: Sequence[Sequence[Any]]) -> list[Row[Any]]:
        if self.processors:
            raw = [self._processed(row) for row in raw]
        return [self.make(row) for row in raw]

    def _processed(self, row: Sequence[Any]) -> list[Any]:
        values = list(row)
        for position, process in self.processors:
            values[position] = process(values[position])
        return values


class Prepared:
    """A statement of the hot path; `Transaction` executes it as it does any other."""

    def __init__(self, statement: Executable) -> None:
        self.statement = statement
        self._compiled: dict[tuple[Any, ...], Compiled] = {}

    def compiled(self, dialect: Dialect, values: Values) -> Compiled:
        """For these values: an INSERT names the columns that it is given."""
        key = (dialect.name, *values) if self.statement.is_insert else (dialect.name,)
        found = self._compiled.get(key)
        if found is None:
            columns = list(values) if self.statement.is_insert else None
            found = self._compiled[key] = _compile(self.statement, dialect, columns)
        return found


def _compile(statement: Any, dialect: Dialect, columns: list[str] | None) -> Compiled:
    compiled = statement.compile(dialect=_written_for(dialect.name), column_keys=columns)
    types = {name: bind.type for bind, name in compiled.bind_names.items()}
    defaults = compiled.params
    parameters = tuple(
        (name, defaults[name], types[name].dialect_impl(dialect).bind_processor(dialect))
        for name in compiled.positiontup
    )
    selected = list(statement.selected_columns) if isinstance(statement, Select) else []
    processors = (
        (position, column.type.dialect_impl(dialect).result_processor(dialect, None))
        for position, column in enumerate(selected)
        # All others come from the drivers as they are.
        if isinstance(column.type, JSON | Boolean)
    )
    return Compiled(
        compiled.string,
        parameters,
        result_tuple([str(column.key) for column in selected]),
        tuple((position, process) for position, process in processors if process),
    )


@functools.cache
def _written_for(name: str) -> Dialect:
    """A dialect that numbers parameters as its driver or its PREPARE does."""
    if name == "postgresql":
        return postgresql.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
    return sqlite.dialect()

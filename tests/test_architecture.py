"""The packages' rules, proven by what each module imports; every ban has its reason beside it."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("conductor_app", "workers", "beat")


@dataclass(frozen=True)
class Import:
    """One imported name: `module` as `conductor_app/engine/claim`, `name` in full."""

    module: str
    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.module}.py:{self.line} imports {self.name}"


@dataclass(frozen=True)
class Ban:
    """What `where` must not import; `but` are the places that may, because that is their work."""

    where: str
    what: tuple[str, ...]
    why: str
    but: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.where} without {self.what[0]}"


BANS = (
    Ban(
        "conductor_app/*",
        ("workers", "beat"),
        "the control plane decides and never executes: it is installed and run without workers",
    ),
    Ban(
        "conductor_app/*",
        ("subprocess", "multiprocessing", "pty", "os.system", "os.popen"),
        "whatever touches a repository or runs a program is a job; people's own commands, and the "
        "processes of the embedded stack, are started by them on their machine",
        but=("conductor_app/cli/*", "conductor_app/stack/*"),
    ),
    Ban(
        "conductor_app/domain/*",
        ("time", "random", "os", "socket", "threading", "asyncio", "secrets", "uuid", "tempfile"),
        "the rules are pure: they take `now`, read nothing and can be tested as arithmetic",
    ),
    Ban(
        "conductor_app/engine/*",
        ("time", "random", "socket", "asyncio", "threading"),
        "leases and schedules use the database's clock, which the transaction carries",
    ),
    Ban(
        "*",
        ("sqlalchemy.insert", "sqlalchemy.update", "sqlalchemy.delete", "sqlalchemy.dialects"),
        "rows are written in one place, where every write names the state that it expects",
        but=("conductor_app/store/*",),
    ),
    Ban(
        "*",
        ("sqlalchemy.create_engine",),
        "one way to the database: the transaction, which writes events and sends hints",
        # A project's own database, which a check asks.
        but=("conductor_app/store/*", "workers/checks/databases"),
    ),
    Ban(
        "*",
        ("alembic",),
        "the schema has one history",
        but=("conductor_app/store/migrations/*",),
    ),
    Ban(
        "*",
        ("flask", "flask_openapi", "werkzeug", "starlette"),
        "the web is one way in; what it calls does not know it",
        but=(
            "conductor_app/api/*",
            "conductor_app/__init__",
            "conductor_app/asgi",
        ),
    ),
    Ban(
        "*",
        ("click", "rich"),
        "the terminal is one way in; what it calls does not know it",
        but=("conductor_app/cli/*",),
    ),
    Ban(
        "*",
        ("celery", "kombu"),
        "no decision reads the broker: it is behind the queue, and workers are its consumers",
        but=(
            "conductor_app/queue",
            "conductor_app/bootstrap",
            "conductor_app/api/readiness",
            "workers/program",
            "workers/app",
            "workers/messages",
            "workers/tasks",
        ),
    ),
    Ban(
        "conductor_app/store/*",
        ("conductor_app.engine", "conductor_app.views", "conductor_app.settings"),
        "the store keeps rows and decides nothing",
    ),
    Ban(
        "conductor_app/views/*",
        (
            "conductor_app.engine.control",
            "conductor_app.engine.start",
            "conductor_app.engine.claim",
            "conductor_app.engine.report",
            "conductor_app.engine.settle",
            "conductor_app.engine.rollback",
            "conductor_app.engine.task_control",
            "conductor_app.engine.sweep",
        ),
        "who looks changes nothing",
    ),
    Ban(
        "workers/*",
        ("conductor_app.api", "conductor_app.cli", "conductor_app.web"),
        "workers speak to the engine, not to people",
    ),
    Ban(
        "beat/*",
        ("conductor_app.api", "conductor_app.cli", "conductor_app.web"),
        "the clock speaks to the engine, not to people",
    ),
    Ban(
        "*",
        ("pickle", "marshal", "shelve", "dill"),
        "what can be decoded to code is never decoded",
    ),
)

# The rings: of Conductor's own modules, what each may import, and nothing else.
RINGS = {
    "conductor_app/domain/*": ("conductor_app.domain", "conductor_app.errors"),
    "conductor_app/store/*": (
        "conductor_app.store",
        "conductor_app.domain",
        "conductor_app.errors",
        "conductor_app.ids",
        "conductor_app.queue",
        "conductor_app.catalog",
        "conductor_app.masking",
        "conductor_app.silence",
    ),
    "conductor_app/engine/*": (
        "conductor_app.engine",
        "conductor_app.store",
        "conductor_app.domain",
        "conductor_app.errors",
        "conductor_app.ids",
        "conductor_app.queue",
        "conductor_app.catalog",
    ),
}
# Besides the standard library.
DOMAIN_MAY_USE = {
    "conductor_app/domain/workflow*": ("pydantic",),
    "conductor_app/domain/mcp": ("pydantic",),
}


@cache
def modules() -> dict[str, ast.Module]:
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return {
        str(path.relative_to(ROOT).with_suffix("")): ast.parse(path.read_text()) for path in found
    }


@cache
def imports() -> tuple[Import, ...]:
    return tuple(each for module, tree in modules().items() for each in _imports(module, tree))


def _imports(module: str, tree: ast.Module) -> Iterator[Import]:
    """Everywhere in the module, also inside functions and under TYPE_CHECKING."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}.py:{node.lineno} imports relatively"
            for alias in node.names:
                yield Import(module, f"{node.module}.{alias.name}", node.lineno)


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def matches(module: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(module, pattern) for pattern in patterns)


@pytest.mark.parametrize("ban", BANS, ids=str)
def test_nothing_banned_is_imported(ban: Ban) -> None:
    broken = [
        str(each)
        for each in imports()
        if fnmatch(each.module, ban.where)
        and within(each.name, ban.what)
        and not matches(each.module, ban.but)
    ]
    assert not broken, f"{ban.why}: {broken}"


@pytest.mark.parametrize("ban", BANS, ids=str)
def test_a_ban_and_its_exceptions_are_about_something(ban: Ban) -> None:
    """A pattern that fits no module any more bans nothing, and an exception of nothing is a lie."""
    for pattern in (ban.where, *ban.but):
        found = any(fnmatch(module, pattern) for module in modules())
        assert found or (ROOT / pattern.removesuffix("/*")).is_dir(), f"nothing is {pattern}"


@pytest.mark.parametrize("ring", RINGS)
def test_imports_point_inward(ring: str) -> None:
    broken = [
        str(each)
        for each in imports()
        if fnmatch(each.module, ring)
        and within(each.name, PACKAGES)
        and not within(each.name, RINGS[ring])
    ]
    assert not broken


def test_the_domain_uses_the_standard_library() -> None:
    broken = [
        str(each)
        for each in imports()
        if fnmatch(each.module, "conductor_app/domain/*")
        and not within(each.name, PACKAGES)
        and each.name.split(".")[0] not in sys.stdlib_module_names
        and not any(
            fnmatch(each.module, pattern) and within(each.name, names)
            for pattern, names in DOMAIN_MAY_USE.items()
        )
    ]
    assert not broken


def test_rows_are_written_in_the_store() -> None:
    """`tx.run` is how a statement that writes is executed."""
    broken = [
        f"{module}.py:{node.lineno}"
        for module, tree in modules().items()
        if not module.startswith("conductor_app/store/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "run"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "tx"
    ]
    assert not broken


def test_there_is_no_set_status() -> None:
    """One verb for each transition: nobody is handed a setter of states."""
    named = {
        f"{module}.py:{node.lineno} {node.name}"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.strip("_") in ("set_status", "set_state", "update_status")
    }
    assert not named


def test_every_module_says_what_lives_there() -> None:
    silent = [module for module, tree in modules().items() if not ast.get_docstring(tree)]
    assert not silent


def test_no_two_packages_import_each_other() -> None:
    """Between the packages of the control plane there is an order, and no cycle."""
    edges = {
        (Path(each.module).parts[1], each.name.split(".")[1])
        for each in imports()
        if each.module.startswith("conductor_app/") and each.name.startswith("conductor_app.")
    }
    packages = {path.name for path in (ROOT / "conductor_app").iterdir() if path.is_dir()}
    both = {(one, other) for one, other in edges if one < other and (other, one) in edges}
    assert not [pair for pair in both if packages.issuperset(pair)]

"""Checks of kind file: paths and globs of the commit, never outside of it."""

from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.states import Verdict
from tests.workbench import COMMIT, TREE, make_bench, run
from workers.bench import Bench
from workers.sandbox import Level, Sandbox

FILES = {
    "src/app.py": "import os\n\ndef create_app():\n    return 1\n",
    "src/models/item.py": "class Item:\n    pass\n",
    "empty.txt": "",
    ".env.example": "A=1\n",
}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path, Sandbox(Level.UNCONFINED), FILES)


@pytest.mark.parametrize(
    "fields",
    [
        {"path": "src/app.py"},
        {"path": "src/app.py", "contains": ["^def create_app", r"return \d"]},
        {"path": "src/**/*.py", "min_bytes": 10},
        {"path": ".env*"},
        {"path": "src/nothing.py", "absent": True},
        {"path": "*.sql", "absent": True},
    ],
)
def test_passes(bench: Bench, fields: dict[str, Any]) -> None:
    result = run(bench, "file", **fields)
    assert (result.verdict, result.evidence["commit"], result.evidence["tree"]) == (
        Verdict.PASSED,
        COMMIT,
        TREE,
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"path": "src/nothing.py"}, "src/nothing.py is not in the commit"),
        ({"path": "src"}, "src is not in the commit"),
        ({"path": "src/**/*.py", "contains": ["create_app"]}, "src/models/item.py has nothing"),
        ({"path": "empty.txt", "min_bytes": 1}, "empty.txt has 0 bytes, not at least 1"),
        ({"path": "src/*.py", "absent": True}, "must not be there, found src/app.py"),
    ],
)
def test_fails_with_a_reason(bench: Bench, fields: dict[str, Any], message: str) -> None:
    result = run(bench, "file", **fields)
    assert result.verdict is Verdict.FAILED
    assert message in result.message


def test_a_link_out_of_the_checkout_fails(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (bench.checkout / "link").symlink_to(tmp_path / "secret")
    result = run(bench, "file", path="link", contains=["secret"])
    assert result.verdict is Verdict.FAILED
    assert "leads outside the checkout" in result.message


def test_a_link_inside_the_checkout_is_followed(bench: Bench) -> None:
    (bench.checkout / "link.py").symlink_to("src/app.py")
    assert run(bench, "file", path="link.py", contains=["create_app"]).verdict is Verdict.PASSED


def test_the_files_of_git_are_not_the_commit(bench: Bench) -> None:
    (bench.checkout / ".git").mkdir()
    (bench.checkout / ".git" / "config").write_text("x")
    assert run(bench, "file", path="**/config").verdict is Verdict.FAILED

"""What the tests of the sandbox's contract are run in: each level, and a directory to work in."""

from pathlib import Path

import pytest

from tests.sandboxes import detected
from workers.sandbox import Level, Sandbox


@pytest.fixture(params=list(Level), ids=str)
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    detected(request.param)
    return Sandbox(request.param, grace=0.5)


@pytest.fixture
def confined(sandbox: Sandbox) -> Sandbox:
    if sandbox.level is Level.UNCONFINED:
        pytest.skip("unconfined promises nothing about files and network")
    return sandbox


@pytest.fixture
def sandlock() -> Sandbox:
    return detected(Level.SANDLOCK)


@pytest.fixture
def cwd(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path

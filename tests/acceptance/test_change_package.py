"""`change` on a real open-source package, unpacked from its source distribution, by each connector.

The model server's models say what a good programmer did there once; the package, its own tests,
git, the tools, the sandbox and the ledger are real.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conductor_app.stack import embedded
from conductor_app.views.units import usd
from tests.acceptance.test_change import IDENTITY, Day
from tests.conftest import HEAVY
from tests.fakes import programs
from tests.fakes.model_server import Space, says

PACKAGE, VERSION = "inflection", "0.5.1"
KEY = "sk-of-the-tests-0123456789abcdef"
PROMPT = """\
Add a function `constantize`: a word as the name of a constant.

constantize("DeviceType") is "DEVICE_TYPE", constantize("HTML tidy") is "HTML_TIDY". Test it.
"""
END = "_irregular('person', 'people')\n"
FUNCTION = '''\
def constantize(word: str) -> str:
    """
    Make the name of a constant from the expression in the string.

    Example::

        >>> constantize("DeviceType")
        'DEVICE_TYPE'

    """
    return underscore(word).upper()


'''
TESTS = """\
import pytest

import inflection


@pytest.mark.parametrize(
    ("word", "constant"),
    [("DeviceType", "DEVICE_TYPE"), ("HTML tidy", "HTML_TIDY"), ("", "")],
)
def test_constantize(word: str, constant: str) -> None:
    assert inflection.constantize(word) == constant
"""
MODULE = "inflection/__init__.py"
# At first it forgets the space, its own tests say so, and it mends that.
TURNS = (
    says("I look.", ("list_dir", {"path": "."}), ("search", {"pattern": "def underscore"})),
    says("", ("read_file", {"path": MODULE})),
    says(
        "I add the function and its tests.",
        ("edit_file", {"path": MODULE, "old": END, "new": FUNCTION + END}),
        ("write_file", {"path": "test_constantize.py", "content": TESTS}),
    ),
    says("I try it.", ("run_command", {"command": "python -m pytest -q test_constantize.py"})),
    says(
        "A space is kept; it must become an underscore.",
        (
            "edit_file",
            {
                "path": MODULE,
                "old": "return underscore(word).upper()",
                "new": "return parameterize(underscore(word), '_').upper()",
            },
        ),
    ),
    says("Now all of them.", ("run_command", {"command": "python -m pytest -q"})),
    says("", ("finish", {"summary": "constantize names a constant; its tests pass."})),
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's own files."""
    if not HEAVY:
        pytest.skip("A REAL PACKAGE NOT TRIED: set CONDUCTOR_TEST_HEAVY to fetch it with pip")
    place = tmp_path_factory.mktemp("sources")
    wanted = ("--no-deps", "--no-binary", PACKAGE, f"{PACKAGE}=={VERSION}")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(place), *wanted]
    subprocess.run(command, check=True, timeout=900)
    with tarfile.open(place / f"{PACKAGE}-{VERSION}.tar.gz") as archive:
        archive.extractall(place, filter="data")
    return place / f"{PACKAGE}-{VERSION}"


@pytest.fixture
def day(
    home: Path, sources: Path, tmp_path: Path, model_server: Space, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Day]:
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "DEEPSEEK_API_KEY"):
        monkeypatch.setenv(name, KEY)
    url = model_server.add("package", *TURNS)
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", url)
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", f"{url}/v1")
    monkeypatch.setenv("CONDUCTOR_DEEPSEEK_BASE_URL", url)
    monkeypatch.setenv("CONDUCTOR_CLAUDE2_BASE_URL", model_server.url("verdict-pass"))
    day = Day(home, tmp_path / "work", model_server)
    shutil.copytree(sources, day.repository)
    day.git("init", "--quiet")
    day.git("add", "--all")
    day.git(*IDENTITY, "commit", "--quiet", "-m", f"{PACKAGE} {VERSION}")
    yield day
    embedded.stop(home)


@pytest.mark.parametrize("connector", ["claude", "codex", "deepseek", "command"])
def test_the_package_is_changed(day: Day, connector: str) -> None:
    if connector == "command" and shutil.which("claude") is None:
        # CI has Claude Code itself.
        programs.coder(day.home)
    tests = "python -m pytest -q"
    ran = day.change("--connector", connector, prompt=PROMPT, check=tests)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert day.git("diff", "--name-status", f"HEAD...{day.branch}").split("\n") == [
        f"M\t{MODULE}",
        "A\ttest_constantize.py",
    ]
    assert FUNCTION.splitlines()[0] in day.git("show", f"{day.branch}:{MODULE}")
    [title] = day.git("log", "--format=%s", f"HEAD..{day.branch}").splitlines()
    assert title == PROMPT.splitlines()[0]
    report = json.loads(day.conductor("report", "--json").stdout)["data"]
    _has_evidence(day, report)
    _agrees(day, report)


def _has_evidence(day: Day, report: Any) -> None:
    """The check and the review judged the very files that the branch has."""
    [phase] = report["phases"]
    [attempt] = phase["tasks"][0]["attempts"]
    [tested] = attempt["checks"]
    [reviewed] = phase["milestones"][0]["checks"]
    assert (tested["name"], tested["verdict"]) == ("The check succeeds", "passed")
    assert (reviewed["name"], reviewed["verdict"]) == ("The Validator approves", "passed")
    tree = day.git("rev-parse", f"{day.branch}^{{tree}}")
    assert tested["tree"] == reviewed["tree"] == tree
    assert reviewed["commit"] == day.git("rev-parse", day.branch)
    assert "458 passed" in Path(tested["log_path"]).read_text()


def _agrees(day: Day, report: Any) -> None:
    """Our ledger and the provider's are one, to the token and the nano-USD."""
    theirs = day.server.ledger.total
    ours = report["totals"]["usage"]
    assert ours["cost_usd"] == usd(theirs.cost_nano_usd)
    assert ours["input_tokens"] == theirs.input_tokens
    assert ours["output_tokens"] == theirs.output_tokens
    assert sum(line["calls"] for line in report["bill"]) == theirs.requests
    assert theirs.unpriced == 0

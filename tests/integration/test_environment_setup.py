"""The project's setup: built once per content of its lockfiles, seen and not changed by checks."""

import threading
import zipfile
from pathlib import Path

import pytest

from conductor_app.domain.states import Verdict
from conductor_app.domain.workflow import Setup
from tests.workbench import make_bench, run
from workers.environment import SetupFailed, fingerprint, prepare
from workers.sandbox import Sandbox

WHEEL = "acme-1.0-py3-none-any.whl"
# Each build leaves its own mark, so a test sees how often there was one.
MARKED = "cat /proc/sys/kernel/random/uuid > $CONDUCTOR_ENV/mark"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return Sandbox.detect("auto")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    path = tmp_path / "checkout"
    path.mkdir()
    (path / "requirements.txt").write_text("acme==1.0\n")
    (path / "other.txt").write_text("other")
    return path


def write_wheel(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("acme.py", "WORD = 'installed'\n")
        info = "acme-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def test_the_fingerprint_covers_command_and_lockfiles_only(checkout: Path) -> None:
    setup = Setup(run="x", lockfiles=("requirements.txt", "absent.txt"))
    before = fingerprint(setup, checkout)
    (checkout / "other.txt").write_text("changed")
    assert fingerprint(setup, checkout) == before
    (checkout / "absent.txt").write_text("")
    with_file = fingerprint(setup, checkout)
    (checkout / "requirements.txt").write_text("acme==2.0\n")
    changed = fingerprint(setup, checkout)
    other_command = fingerprint(setup.model_copy(update={"run": "y"}), checkout)
    assert len({before, with_file, changed, other_command}) == 4


def test_checks_use_what_the_setup_installed(tmp_path: Path, sandbox: Sandbox) -> None:
    setup = {"run": f"pip install --no-index {WHEEL} && ls", "lockfiles": [WHEEL]}
    bench = make_bench(tmp_path, sandbox, {"other.txt": "other"}, setup=setup)
    write_wheel(bench.checkout / WHEEL)
    command = "python -c 'import acme; print(acme.WORD)'; command -v python; echo $CONDUCTOR_ENV"
    result = run(bench, "command", run=command, output_contains=["installed"], requires=["pip"])
    assert result.verdict is Verdict.PASSED, result.message
    assert bench.environment is not None
    path = bench.environment.path
    assert result.evidence["log"].split()[1:] == [str(path / "bin" / "python"), str(path)]
    log = path.with_suffix(".log").read_text()
    assert WHEEL in log
    assert "other.txt" not in log
    poisoned = run(bench, "command", run="echo forged > $CONDUCTOR_ENV/bin/python")
    assert poisoned.verdict is Verdict.FAILED


def test_it_is_built_once_however_many_ask(
    tmp_path: Path, checkout: Path, sandbox: Sandbox
) -> None:
    setup = Setup(run=MARKED, lockfiles=("requirements.txt",))
    home = tmp_path / "home"
    marks: list[str] = []

    def ask() -> None:
        environment = prepare(setup, checkout, home=home, sandbox=sandbox)
        marks.append((environment.path / "mark").read_text())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ask()
    assert len(marks) == 4
    assert len(set(marks)) == 1


def test_what_a_killed_build_left_is_built_again(
    tmp_path: Path, checkout: Path, sandbox: Sandbox
) -> None:
    setup = Setup(run="test ! -e $CONDUCTOR_ENV/half", lockfiles=("requirements.txt",))
    home = tmp_path / "home"
    left = home / "environments" / fingerprint(setup, checkout)
    (left / "half").mkdir(parents=True)
    assert prepare(setup, checkout, home=home, sandbox=sandbox).path == left
    assert not (left / "half").exists()


def test_a_setup_that_fails_fails_every_check_and_is_not_kept(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    setup = {"run": "echo no such package; exit 4", "lockfiles": ["requirements.txt"]}
    files = {"requirements.txt": "x"}
    bench = make_bench(tmp_path, sandbox, files, setup=setup)
    first, second = (run(bench, "command", run="true") for _ in range(2))
    assert first.verdict is second.verdict is Verdict.FAILED
    assert "exit code 4" in first.message
    assert "no such package" in first.message
    assert second.seconds < 0.1
    assert run(bench, "file", path="requirements.txt").verdict is Verdict.PASSED
    with pytest.raises(SetupFailed):
        prepare(
            Setup.model_validate({**setup, "timeout": 0.01}),
            bench.checkout,
            home=bench.home,
            sandbox=sandbox,
        )


def test_a_lockfile_outside_the_checkout_is_refused(
    tmp_path: Path, checkout: Path, sandbox: Sandbox
) -> None:
    (tmp_path / "secret").write_text("secret")
    (checkout / "link.txt").symlink_to(tmp_path / "secret")
    bench = make_bench(tmp_path, sandbox, setup={"run": "cat *", "lockfiles": ["link.txt"]})
    result = run(bench, "command", run="true")
    assert result.verdict is Verdict.FAILED
    assert "leads outside the checkout" in result.message

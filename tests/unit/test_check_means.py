"""Absent means: a program, a Docker daemon, a registered function, a kind that arrives later."""

import json
import os
from importlib import metadata
from pathlib import Path

import pytest

from conductor_app.domain.states import Verdict
from tests.workbench import make_bench, run
from workers.bench import Bench, operator_variables
from workers.checks import Outcome
from workers.confinement import OutsideCheckout, inside
from workers.extensions import BrokenExtension, Extensions, UnknownExtension
from workers.means import MeansAbsent
from workers.requirements import require
from workers.sandbox import Level, Sandbox


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path, Sandbox(Level.UNCONFINED), {"a.txt": "a"})


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_an_absent_program_is_named(bench: Bench) -> None:
    fields = {"path": "a.txt", "requires": ["no-such-program"]}
    failed = run(bench, "file", **fields)
    assert failed.verdict is Verdict.FAILED
    assert failed.absent
    assert "install no-such-program" in failed.evidence["reason"]
    skipped = run(bench, "file", optional=True, **fields)
    assert (skipped.verdict, skipped.message) == (Verdict.SKIPPED, failed.message)


def test_optional_forgives_nothing_when_the_means_are_there(bench: Bench) -> None:
    result = run(bench, "file", path="b.txt", optional=True, requires=["sh"])
    assert (result.verdict, result.absent) == (Verdict.FAILED, False)


def test_a_docker_client_without_a_daemon_is_no_docker(tmp_path: Path) -> None:
    program(tmp_path, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(MeansAbsent, match=r"no Docker daemon answers \(Cannot connect"):
        require(["docker"], str(tmp_path))


def test_a_docker_daemon_that_answers_is_docker(tmp_path: Path) -> None:
    program(tmp_path, "docker", '[ "$1" = info ] && echo 28.0')
    require(["docker"], f"{tmp_path}{os.pathsep}/bin")


def test_a_review_needs_somebody_who_reviews(bench: Bench) -> None:
    fields = {"criteria": ["It reads well"]}
    assert run(bench, "rubric", **fields).verdict is Verdict.FAILED
    skipped = run(bench, "rubric", optional=True, **fields)
    assert skipped.verdict is Verdict.SKIPPED
    assert "nobody is here who could review it" in skipped.message


def test_a_function_that_nobody_registered_is_absent(bench: Bench) -> None:
    result = run(bench, "python", function="acme.audit", optional=True)
    assert result.verdict is Verdict.SKIPPED
    assert "Nothing named 'acme.audit' is registered in conductor.checks" in result.message


@pytest.mark.parametrize(
    ("answer", "verdict", "message"),
    [
        (True, Verdict.PASSED, "the function returned true"),
        (False, Verdict.FAILED, "the function returned false"),
        (Outcome(True, "fine"), Verdict.PASSED, "fine"),
        ({"passed": False, "message": "no"}, Verdict.FAILED, "no"),
        (None, Verdict.FAILED, "it must return true or false"),
        ({"passed": "yes"}, Verdict.FAILED, "it must return true or false"),
        (1, Verdict.FAILED, "it must return true or false"),
    ],
)
def test_a_registered_function_answers(
    bench: Bench, answer: object, verdict: Verdict, message: str
) -> None:
    bench.registry.register("acme.audit", lambda bench: answer)
    result = run(bench, "python", function="acme.audit")
    assert result.verdict is verdict
    assert message in result.message


def test_a_registered_function_gets_bench_and_arguments(bench: Bench) -> None:
    def audit(bench: Bench, *, name: str) -> dict[str, object]:
        content = (bench.checkout / name).read_text()
        return {"passed": True, "message": content, "evidence": {"size": len(content)}}

    bench.registry.register("acme.audit", audit)
    result = run(bench, "python", function="acme.audit", arguments={"name": "a.txt"})
    assert (result.verdict, result.message) == (Verdict.PASSED, "a")
    assert result.evidence["size"] == 1


def test_a_registered_function_that_raises_has_failed(bench: Bench) -> None:
    bench.registry.register("acme.audit", lambda bench: [][0])
    result = run(bench, "python", function="acme.audit")
    assert result.verdict is Verdict.FAILED
    assert "raised IndexError" in result.message
    assert "Traceback" in Path(result.evidence["log_path"]).read_text()
    json.dumps(result.evidence)


def test_entry_points_are_found_and_imported_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[acme.tests]\ngood = acme_extension:good\nbroken = acme_extension:absent\n"
    )
    (tmp_path / "acme_extension.py").write_text("def good():\n    return 42\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert metadata.distribution("acme").version == "1.0"
    extensions: Extensions[object] = Extensions("acme.tests", {"own": len})
    assert extensions.names() == ["broken", "good", "own"]
    good = extensions.find("good")
    assert callable(good)
    assert good() == 42
    with pytest.raises(BrokenExtension, match="acme_extension:absent"):
        extensions.find("broken")
    with pytest.raises(UnknownExtension, match="broken, good, own"):
        extensions.find("other")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x"])
def test_no_path_leads_outside(tmp_path: Path, path: str) -> None:
    with pytest.raises(OutsideCheckout):
        inside(tmp_path, path)


def test_the_operator_gives_variables_on_purpose() -> None:
    environment = {"CONDUCTOR_CHECK_TAG": "a", "SECRET": "b"}
    assert operator_variables(environment) == {"TAG": "a"}

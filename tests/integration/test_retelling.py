"""What a program did as turns of the loop: played by replay they come to the same tree."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conductor_app.domain.workflow_template import AgentSpec
from conductor_app.ids import new_id
from conductor_app.recordings import recording_file
from conductor_app.transcribing import EFFECT
from tests.fakes.attempts import agent_context, agent_task
from workers.agents.connector_agent import ConnectorAgent
from workers.connectors import open_connector
from workers.retelling import MOST, Work, retell
from workers.turns import Usage
from workers.workspace import Repository, Worktree

LONG = "/".join("d" * 200 for _ in range(6))
USED = Usage(input_tokens=700, output_tokens=70, cache_read_tokens=7)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    place = tmp_path / "project"
    place.mkdir()
    files = {"stays.txt": "a\n", "gone.txt": "b\n", "tool.sh": "exit 0\n", "folder/a.txt": "c\n"}
    for name, text in files.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)
    (place / "link").symlink_to("stays.txt")
    git(place, "init", "--quiet")
    git(place, "add", "--all")
    git(place, "commit", "--quiet", "--message", "Start")
    return Repository.open(str(place), tmp_path / "home")


def git(place: Path, *arguments: str) -> None:
    person = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    subprocess.run(["git", *person, *arguments], cwd=place, check=True, capture_output=True)


def retold(
    repository: Repository, folder: Path, change: Callable[[Path], object]
) -> tuple[str, list[dict[str, Any]]]:
    """The tree of the program's commit, and the lines."""
    base = repository.resolve("HEAD")
    with repository.worktree(new_id(), base) as worktree:
        change(worktree.path)
        commit = worktree.commit("Done", {})
        work = Work("stand-in", "I did it.", USED, base, None if commit == base else commit)
        retell(folder, worktree.git, work)
    lines = [json.loads(line) for line in (folder / EFFECT).read_text().splitlines()]
    return repository.tree(commit), lines


def replayed(repository: Repository, root: Path, lines: list[dict[str, Any]]) -> tuple[str, Any]:
    """The tree after a replay, and what its agent says."""
    file = recording_file("w", "0/a", 1, root)
    file.parent.mkdir(parents=True)
    header = {"type": "recording", "format": 1, "workflow": "w", "task": "0/a", "attempt": 1}
    file.write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)))
    with repository.worktree(new_id(), repository.resolve("HEAD")) as worktree:
        result = _play(worktree, root)
        return repository.tree(worktree.commit("Done", {})), result


def _play(worktree: Worktree, root: Path) -> Any:
    connector = open_connector("replay", workflow="w", task="0/a", failures=0, recordings=root)
    root.joinpath("worktree").mkdir()
    context = agent_context(root, worktree=worktree.path, connector=connector)
    return ConnectorAgent(AgentSpec(name="api")).perform_task(agent_task(), context)


def everything(place: Path) -> None:
    """Written, changed, removed; a directory that becomes a file, and the other way round."""
    (place / "new folder").mkdir()
    (place / "new folder" / "it's.py").write_text("print('ä')\r\n")
    (place / "run.sh").write_text("exit 0")
    (place / "run.sh").chmod(0o755)
    (place / "tool.sh").chmod(0o755)
    (place / "empty").touch()
    (place / "folder" / "a.txt").unlink()
    (place / "folder").rmdir()
    (place / "folder").write_text("a file now\n")
    (place / "gone.txt").unlink()
    (place / "gone.txt").mkdir()
    (place / "gone.txt" / "b").write_text("\n")
    (place / "link").unlink()
    (place / "link").write_text("stays.txt")


def many_with_long_names(place: Path) -> None:
    """More than a command of the tools can hold."""
    (place / LONG).mkdir(parents=True)
    for number in range(100):
        (place / LONG / f"{number}.sh").write_text("exit 0\n")
        (place / LONG / f"{number}.sh").chmod(0o755)


@pytest.mark.parametrize("change", [everything, many_with_long_names])
def test_a_replay_comes_to_the_same_tree(
    repository: Repository, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    tree, lines = retold(repository, tmp_path / "artifacts", change)
    again, result = replayed(repository, tmp_path / "recordings", lines)
    assert again == tree
    assert (result.summary, result.usage.input_tokens) == ("I did it.", 700)
    assert {line["model"] for line in lines if line["type"] == "turn"} == {"stand-in"}


def test_one_that_changed_nothing_only_finishes(repository: Repository, tmp_path: Path) -> None:
    _, lines = retold(repository, tmp_path / "artifacts", lambda place: None)
    assert [line["type"] for line in lines] == ["turn", "result"]
    assert lines[0]["usage"]["output_tokens"] == 70


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda place: (place / "a.png").write_bytes(b"\x89PNG\0"), "a.png is no text in UTF-8"),
        (lambda place: (place / "b").write_bytes(b"caf\xe9"), "b is no text in UTF-8"),
        (lambda place: (place / "c").symlink_to("d"), "c is a link"),
        (lambda place: (place / "e").write_text("x" * (MOST + 1)), "a recording holds 5,000,000"),
    ],
)
def test_what_the_tools_cannot_do_is_said(
    repository: Repository, tmp_path: Path, change: Callable[[Path], object], reason: str
) -> None:
    _, [line] = retold(repository, tmp_path / "artifacts", change)
    assert line["type"] == "unrecordable"
    assert reason in line["reason"]

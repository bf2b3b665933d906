"""What tools give to a model is masked, and what is masked does not get into files by that."""

from pathlib import Path

import pytest

from conductor_app import masking
from conductor_app.masking import MASK
from workers.connectors.programs.acp_client import AcpClient
from workers.connectors.programs.report import Report
from workers.connectors.programs.rpc import Refused
from workers.sandbox import Level, Sandbox
from workers.tools.toolbox import Toolbox
from workers.tools.workplace import Workplace
from workers.turns import ToolCall, ToolResult

CANARY = "canary-in-a-file-8f3c"
KEY = "sk-ant-api03-Abcdefghij0123456789-klmnopqrstuvwxyz"


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    masking.know(CANARY)
    worktree = tmp_path / "worktree"
    worktree.mkdir()
    return Workplace(
        worktree=worktree,
        sandbox=Sandbox(Level.UNCONFINED),
        artifacts=tmp_path / "artifacts",
        cancelled=lambda: False,
        deadline=float("inf"),
    )


def perform(place: Workplace, tool: str, **arguments: object) -> ToolResult:
    return Toolbox(place).perform([ToolCall("c1", tool, arguments)])[0]


@pytest.mark.parametrize("secret", [CANARY, KEY])
def test_files_searches_and_commands_show_none(place: Workplace, secret: str) -> None:
    (place.root / "env").write_text(f"first\nKEY={secret}\nURL=postgresql://me:pw@host/db\n")
    for said in (
        perform(place, "read_file", path="env"),
        perform(place, "search", pattern="KEY", path="."),
        perform(place, "run_command", command="cat env"),
    ):
        assert said.ok
        assert secret not in said.output
        assert f"KEY={MASK}" in said.output
    assert "me:pw@host" in perform(place, "read_file", path="env").output


def test_an_output_that_is_cut_and_kept_is_masked_before(place: Workplace) -> None:
    # In the middle of the secret the output would be cut.
    text = "x" * 14_990 + CANARY + "y" * 40_000
    (place.root / "long").write_text(text)
    said = perform(place, "read_file", path="long")
    assert "canary" not in said.output
    assert said.kept is not None
    assert said.kept.read_text() == text.replace(CANARY, MASK)


@pytest.mark.parametrize("secret", [CANARY, KEY])
@pytest.mark.parametrize("at", [1_900, 1_960, 1_990, 1_999, 10_150, 10_190])
def test_a_search_cuts_no_secret(place: Workplace, secret: str, at: int) -> None:
    words = "x " * (at // 2)
    (place.root / "min.js").write_text(f"{words} {secret} {words}")
    # So much is masked here that the line is short enough to be shown up to its cut end.
    (place.root / "keys.js").write_text(f"x {KEY * 200} {secret} ".ljust(at, "x") + secret * 9)
    said = perform(place, "search", pattern="x")
    assert "canary" not in said.output
    assert "sk-ant" not in said.output
    assert max(map(len, said.output.splitlines())) <= 2_000 + len("keys.js:1: ")


def test_a_part_of_a_private_key_is_not_shown(place: Workplace) -> None:
    key = "\n".join(["-----BEGIN PRIVATE KEY-----", *["MIIEvQIBADANBgkqhkiG9w0B"] * 6])
    text = f"first\n{key}\n-----END PRIVATE KEY-----\nMIIE is how it begins\n"
    (place.root / "key.pem").write_text(text)
    for lines in ({}, {"start": 3}, {"start": 2, "end": 7}, {"end": 5}):
        said = perform(place, "read_file", path="key.pem", **lines)
        assert MASK in said.output
        assert "MIIEv" not in said.output
    assert perform(place, "read_file", path="key.pem", start=10).output == "MIIE is how it begins\n"
    found = perform(place, "search", pattern="MIIE").output
    assert found == "key.pem:10: MIIE is how it begins"


def test_faults_of_tools_are_masked(place: Workplace) -> None:
    assert CANARY not in perform(place, "read_file", path=CANARY).output
    assert CANARY not in perform(place, CANARY).output


def test_the_mask_does_not_take_the_secrets_place(place: Workplace) -> None:
    file = place.root / "env"
    file.write_text(f"A=1\nKEY={KEY}\n")
    said = perform(place, "write_file", path="env", content=f"A=2\nKEY={MASK}\n")
    assert not said.ok
    assert "holds a secret" in said.output
    assert not perform(place, "edit_file", path="env", old="A=1", new=f"A={MASK}").ok
    assert file.read_text() == f"A=1\nKEY={KEY}\n"
    assert perform(place, "edit_file", path="env", old="A=1", new="A=2").ok
    assert file.read_text() == f"A=2\nKEY={KEY}\n"


def test_nor_where_an_acp_agent_writes(place: Workplace) -> None:
    file = place.root / "env"
    file.write_text(f"KEY={KEY}\n")
    client = AcpClient(place.root, Report(), allows=True, log=lambda line: None)

    def write(content: str) -> None:
        client.asked("fs/write_text_file", {"path": str(file), "content": content})

    with pytest.raises(Refused, match="holds a secret"):
        write(f"A=1\nKEY={MASK}\n")
    assert file.read_text() == f"KEY={KEY}\n"
    write("A=1\n")
    assert file.read_text() == "A=1\n"


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": [{"text": "x"}]}])
def test_an_acp_agent_that_writes_no_text_empties_no_file(
    place: Workplace, content: dict[str, object]
) -> None:
    file = place.root / "kept.txt"
    file.write_text("kept")
    client = AcpClient(place.root, Report(), allows=True, log=lambda line: None)
    with pytest.raises(Refused, match="has to be a text"):
        client.asked("fs/write_text_file", {"path": str(file), **content})
    assert file.read_text() == "kept"


def test_where_no_secret_is_the_mask_is_but_a_word(place: Workplace) -> None:
    assert perform(place, "write_file", path="new.md", content=f"We write {MASK}.").ok
    assert perform(place, "write_file", path="new.md", content=f"They write {MASK}.").ok

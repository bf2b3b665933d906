"""Tools of a real MCP server, in the sandbox: offered, called, and whatever a server does wrong."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from conductor_app.domain.mcp import Offers, offers
from conductor_app.errors import InvalidInput
from tests.fakes.scripted_connector import FINISH, ScriptedConnector, says
from tests.unit.test_loop import Attempt
from workers.mcp import client, servers
from workers.sandbox import Sandbox
from workers.sandbox.conversation import Conversation
from workers.tools.toolbox import Toolbox
from workers.tools.workplace import Workplace
from workers.turns import ToolCall, ToolResult

PROGRAM = Path(__file__).parents[1] / "fakes" / "mcp_server.py"


def settings(*arguments: str, **fields: Any) -> dict[str, Any]:
    server = {"run": ["python", str(PROGRAM), *arguments], "readable": [str(PROGRAM.parent)]}
    return {"mcp": {"small": {**server, **fields}}}


class Bench:
    """An attempt's place, where servers are started."""

    def __init__(self, folder: Path, sandbox: str, stack: ExitStack) -> None:
        self.root = folder / "worktree"
        self.root.mkdir()
        self._stack = stack
        self.over = False
        self.place = Workplace(
            worktree=self.root,
            sandbox=Sandbox.detect(sandbox),
            artifacts=folder / "artifacts",
            cancelled=lambda: self.over,
            deadline=time.monotonic() + 60,
        )
        self.remarks: tuple[str, ...] = ()

    def start(self, offered: Offers) -> Toolbox:
        tools = self._stack.enter_context(servers.running(offered, self.place))
        self.remarks = tools.remarks
        return Toolbox(self.place, tools)

    def small(self, *arguments: str, allowed: str = "small", **fields: Any) -> Toolbox:
        return self.start(offers(settings(*arguments, **fields), [allowed]))


@pytest.fixture(params=["auto", "unconfined"])
def level(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def bench(tmp_path: Path, level: str) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(tmp_path, level, stack)


def call(tools: Toolbox, tool: str, arguments: Any) -> ToolResult:
    (result,) = tools.perform([ToolCall("c1", f"mcp__small__{tool}", arguments)])
    return result


def names(tools: Toolbox) -> list[str]:
    return [spec.name for spec in tools.specs if spec.name.startswith("mcp__")]


def test_its_tools_are_offered_after_our_own_and_can_be_called(bench: Bench) -> None:
    tools = bench.small()
    assert names(tools) == [f"mcp__small__{name}" for name in ("add", "note", "look", "big")]
    assert tools.specs[0].name == "list_dir"
    spec = next(each for each in tools.specs if each.name == "mcp__small__add")
    assert spec.description == "Add two numbers."
    assert spec.schema["required"] == ["a", "b"] and "$schema" not in spec.schema
    assert (call(tools, "add", {"a": 2, "b": 3}).output, bench.remarks) == ("5", ())
    assert call(tools, "note", {"text": "hello"}).ok
    assert (bench.root / "note.txt").read_text() == "hello"


def test_one_that_may_change_files_counts_as_such(bench: Bench) -> None:
    tools = bench.small()
    assert tools.may_change([ToolCall("c1", "mcp__small__note", {"text": "x"})])


def test_faults_of_the_call_are_told(bench: Bench) -> None:
    tools = bench.small()
    failed = call(tools, "add", {"b": 1})
    assert (failed.ok, failed.output) == (False, "a is missing")
    assert "must be an object" in call(tools, "add", "two and two").output
    assert not call(tools, "subtract", {}).ok


def test_long_output_is_cut_and_kept(bench: Bench) -> None:
    result = call(bench.small(), "big", {})
    assert result.output.startswith("head") and result.output.endswith("tail")
    assert len(result.output) < 30_200
    assert result.kept is not None and len(result.kept.read_text()) == 100_008


def test_only_what_is_on_the_agents_list_is_offered(bench: Bench) -> None:
    tools = bench.start(offers(settings(), ["small/add", "small/look"]))
    assert names(tools) == ["mcp__small__add", "mcp__small__look"]
    assert "There is no tool 'mcp__small__note'" in call(tools, "note", {"text": "x"}).output


def test_what_is_on_the_list_and_not_there_is_remarked(bench: Bench) -> None:
    tools = bench.start(offers(settings(), ["small/add", "small/mul", "other"]))
    assert names(tools) == ["mcp__small__add"]
    assert "no MCP server 'other'" in bench.remarks[0]
    assert "no usable tool 'mul'" in bench.remarks[1]


def test_lists_come_in_pages(bench: Bench) -> None:
    assert len(names(bench.small("pages"))) == 4


def test_odd_descriptions_are_left_out(bench: Bench) -> None:
    tools = bench.small("odd")
    assert names(tools) == ["mcp__small__add"]
    assert tools.specs[-1].schema == {"type": "object", "properties": {}}


def test_a_list_that_is_none_is_remarked(bench: Bench) -> None:
    assert names(bench.small("listless")) == []
    (remark,) = bench.remarks
    assert remark.startswith("The tools of the MCP server 'small' are missing: ")
    assert "answered tools/list with what is no list" in remark


def test_what_no_request_takes_is_not_told_to_a_model(bench: Bench) -> None:
    spec = bench.small("unsound").specs[-1]
    assert spec.description == "A\ufffd\ufffd."
    assert spec.schema["properties"] == {"a\ufffd": {"enum": ["\ufffd", "[masked]"]}}


@pytest.mark.parametrize("level", ["auto"], indirect=True)
def test_it_sees_no_more_than_a_command_would(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret-of-the-worker")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    tools = bench.small(env={"MODE": "checked", "SECRET_FILE": str(secret)})
    seen = call(tools, "look", {}).output
    assert '"mode": "checked"' in seen and "ANTHROPIC_API_KEY" not in seen
    assert f'"{secret}": "PermissionError"' in seen or f'"{secret}": "FileNotFoundError"' in seen


@pytest.mark.parametrize(
    ("how", "seconds", "words"),
    [
        ("mute", 1, "did not answer initialize within 1 s. Do it another way"),
        ("deaf", 1, "did not answer initialize within 1 s"),
        ("garbage", 4, "2 lines that it printed are no JSON-RPC"),
    ],
)
def test_one_that_does_not_begin_is_remarked(
    bench: Bench, how: str, seconds: float, words: str
) -> None:
    tools = bench.small(how, timeout=seconds)
    assert names(tools) == []
    (remark,) = bench.remarks
    assert remark.startswith("The tools of the MCP server 'small' are missing: ")
    assert words in remark


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (["no-such-program"], "no-such-program: command not found"),
        ("echo hopeless >&2; exit 3", "has ended, so its tools are gone"),
    ],
)
def test_a_program_that_is_none_is_remarked(bench: Bench, run: Any, words: str) -> None:
    bench.small(run=run)
    assert words in bench.remarks[0]


@pytest.mark.parametrize("late", [0.0, 0.3])
def test_one_that_dies_is_told_with_its_last_words(
    bench: Bench, late: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when they are read after its lines have ended."""
    read = Conversation._read_errors

    def _read_errors(self: Conversation) -> None:
        time.sleep(late)
        read(self)

    monkeypatch.setattr(Conversation, "_read_errors", _read_errors)
    tools = bench.small("dies")
    died = call(tools, "add", {"a": 1, "b": 2})
    assert not died.ok
    assert "has ended" in died.output and "out of ideas" in died.output
    assert "has ended" in call(tools, "add", {"a": 1, "b": 2}).output


def test_one_that_hangs_is_given_up(bench: Bench) -> None:
    result = call(bench.small("hangs", timeout=1), "add", {"a": 1, "b": 2})
    assert (result.ok, result.seconds < 10) == (False, True)
    assert "did not answer tools/call within 1 s" in result.output


def test_one_that_prints_without_end_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MOST_OUTPUT", 2 << 20)
    result = call(bench.small("flood"), "add", {"a": 1, "b": 2})
    assert not result.ok and "prints without end" in result.output


def test_cancelling_ends_the_wait(bench: Bench) -> None:
    tools = bench.small("hangs")
    bench.over = True
    assert "stopped" in call(tools, "add", {"a": 1, "b": 2}).output


def test_it_ends_with_the_attempt(tmp_path: Path, level: str) -> None:
    with ExitStack() as stack:
        Bench(tmp_path, level, stack).small()
        assert running() == 1
    assert running() == 0


def running() -> int:
    children = psutil.Process().children(recursive=True)
    return sum(str(PROGRAM) in each.cmdline() for each in children if each.is_running())


def test_a_model_is_told_of_them_and_of_what_is_missing(tmp_path: Path) -> None:
    add = says("", ("mcp__small__add", {"a": 20, "b": 22}))
    connector = ScriptedConnector([add, FINISH])
    run = Attempt(tmp_path, connector, mcp=offers(settings(), ["small/add", "other"]))
    run.run()
    assert connector.offered[-1] == "mcp__small__add"
    first, second = connector.conversations
    assert "no MCP server 'other'" in first[-1].text
    assert second[-1].results[0].output == "42"
    assert "no MCP server 'other'" in run.transcript()[1]["messages"][-1]["text"]


def test_people_find_what_is_missing_in_the_log(tmp_path: Path) -> None:
    dead = settings(run="echo 'no such file' >&2; exit 3")
    run = Attempt(tmp_path, ScriptedConnector([FINISH]), mcp=offers(dead, ["small", "other"]))
    run.run()
    unknown, ended = run.log[:2]
    assert unknown.startswith("There is no MCP server 'other' in this project's settings")
    assert ended.startswith("The tools of the MCP server 'small' are missing: ")
    assert ended.endswith("Its last words: no such file")


@pytest.mark.parametrize(
    "wrong",
    [
        {"mcp": {"small": {}}},
        {"mcp": {"small": {"run": "x", "timeout": 0}}},
        {"mcp": {"small": {"run": "x", "key": "v"}}},
        {"mcp": ["small"]},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"The project's setting `mcp.*Write for example"):
        offers(wrong, ["small"])


@pytest.mark.parametrize("name", ["Small Server", "small_server", "-small", ""])
def test_a_name_that_tools_can_not_have_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"^`{name}` can't be the name of an MCP server"):
        offers({"mcp": {name: {"run": "x"}}}, ["small"])


def test_a_whole_server_on_the_list_is_all_of_it() -> None:
    (offer,) = offers(settings(), ["small/add", "small"]).servers
    assert offer.tools is None
    (offer,) = offers(settings(), ["small/add", "small/note"]).servers
    assert offer.tools == {"add", "note"}
    assert offers({}, ["small"]) == Offers((), ("small",))

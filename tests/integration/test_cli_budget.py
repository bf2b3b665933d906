"""`conductor budget` as people type it: shown without a server, changed through the API."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from werkzeug.serving import make_server

from conductor_app import create_app
from conductor_app.bootstrap import Conductor, connected
from conductor_app.cli.main import main
from conductor_app.domain.budget import NANO, Basis
from conductor_app.engine import budgets as ledger
from conductor_app.engine import control
from conductor_app.engine.start import Wanted, start
from conductor_app.ids import new_id
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import projects
from conductor_app.store.budgets import Spender, Used
from conductor_app.store.tables import executions, tasks
from conductor_app.workflows import loader
from tests.api_caller import SMALL
from tests.databases import give_schema

Run = Callable[..., tuple[int, str, str]]
CAPPED = SMALL.replace("title: Small\n", "title: Small\nbudget: {tokens: 1000, minutes: 5}\n", 1)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `conductor` here: its exit code, standard output, standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, told.out, told.err

    return run


@pytest.fixture
def conductor(home: Path) -> Iterator[Conductor]:
    settings = Settings.load(home)
    give_schema(settings.database_url)
    with connected(settings, MemoryQueue()) as conductor:
        yield conductor


@pytest.fixture
def execution(conductor: Conductor, tmp_path: Path) -> str:
    """An execution that has called a model once."""
    loaded = loader.parse(CAPPED, "small.yml")
    given = loaded.workflow.parse_inputs({})
    with conductor.transaction() as tx:
        project = projects.add(tx, "work", str(tmp_path / "work"))
        wanted = Wanted(loaded.workflow, loaded.version, "small.yml", loaded.text, inputs=given)
        id_ = start(tx, project.id, wanted)
        task = tx.value(select(tasks.c.id).where(tasks.c.key == "0/types"))
        who = Spender(project.id, id_, task, "a", "models", "claude", "anthropic", "m")
        used = Used(250, NANO // 4, input_tokens=200, price_date="2027-01-15")
        ledger.record(tx, new_id(), who, used, conductor.daily)
    return id_


@pytest.fixture
def served(conductor: Conductor, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The API where the settings say it listens."""
    server = make_server("127.0.0.1", 0, create_app(conductor), threaded=True)
    monkeypatch.setenv("CONDUCTOR_PORT", str(server.server_port))
    monkeypatch.setenv("CONDUCTOR_TOKEN", conductor.settings.api_token())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_is_spent_and_what_remains(run: Run, execution: str) -> None:
    code, told, _ = run("budget")
    assert code == 0
    lines = [line.split() for line in told.splitlines()]
    assert lines[1][0] == "installation"
    assert lines[1][-5:] == ["tokens", "1,000,000", "250", "0", "999,750"]
    assert lines[2][0] == "everything,"
    assert lines[2][-5:] == ["USD", "500.00", "0.25", "0.00", "499.75"]
    mine = next(line for line in lines if line and line[0] == f"execution:{execution}")
    assert mine[1:] == ["tokens", "1,000", "250", "0", "750"]
    assert ["small", "USD", "no", "cap", "0.25", "0.00"] in lines
    assert "working time" in told


@pytest.mark.usefixtures("execution")
def test_no_figure_is_broken_on_a_narrow_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("conductor_app.cli.output.WIDTH_FOR_PROGRAMS", 80)
    told = run("budget")[1]
    for figure in ("1,000,000", "999,750", "499.75"):
        assert figure in told
    for by in ("day", "project", "execution", "task", "model"):
        told = run("budget", "usage", "--by", by)[1]
        assert "2027-01-15" in told and "0.25" in told, by
        assert "250" in told and max(map(len, told.splitlines())) <= 80, by
    assert run("budget", "usage", "--by", "task")[1].splitlines()[1].startswith("0/types")


def test_before_anything_ran(run: Run, home: Path) -> None:
    code, _, error = run("budget")
    assert code == 3
    assert "Nothing has run" in error


def test_one_budget_by_its_name(run: Run, execution: str) -> None:
    for name in ("execution", f"execution:{execution.lower()}", "task:types", "project:work"):
        code, told, _ = run("budget", "show", name)
        assert code == 0, name
        assert " 250 " in told
    data = json.loads(run("budget", "show", "task:types", "--json")[1])["data"]
    # As messages name it, wherever the command is given.
    assert run("budget", "show", data["items"][0]["budget"])[0] == 0
    data = json.loads(run("budget", "show", "execution", "--json")[1])["data"]
    assert data["items"][0]["tokens"] == {
        "cap": 1000,
        "spent": 250,
        "reserved": 0,
        "remaining": 750,
    }


def test_usage(run: Run, execution: str) -> None:
    code, told, _ = run("budget", "usage", "--by", "model", "--execution", "current")
    assert code == 0
    assert "anthropic/m" in told
    assert "1 call, 250 tokens, 0.25 USD." in told
    head, row = (line.split() for line in told.splitlines()[:2])
    assert (head[-2:], row[-1]) == (["Prices", "of"], "2027-01-15")
    assert "1 run of programs that spend without asking" not in told
    assert "Nothing was used" in run("budget", "usage", "--until", "2001-01-01")[1]
    data = json.loads(run("budget", "--json", "usage", "--by", "execution")[1])["data"]
    assert data["items"][0]["key"] == execution
    assert data["total"]["cost_usd"] == "0.25"
    assert data["items"][0]["prices_of"] == data["total"]["prices_of"] == ["2027-01-15"]


def test_the_bill_says_of_which_day_its_prices_are(run: Run, execution: str) -> None:
    (line,) = json.loads(run("report", "--execution", execution, "--json")[1])["data"]["bill"]
    assert (line["cost_usd"], line["prices_of"]) == ("0.25", ["2027-01-15"])
    assert "| 0.25 USD | 2027-01-15 |" in run("report", "--execution", execution)[1]


def test_a_program_that_names_no_model(run: Run, execution: str, conductor: Conductor) -> None:
    with conductor.transaction() as tx:
        project = tx.value(select(executions.c.project_id))
        task = tx.value(select(tasks.c.id).where(tasks.c.key == "0/types"))
        who = Spender(project, execution, task, "a", "models", "mine", "", "")
        ledger.record(tx, new_id(), who, Used(0, None, Basis.UNKNOWN), conductor.daily)
    told = run("budget", "usage", "--by", "model")[1]
    assert [line.split()[0] for line in told.splitlines()[1:3]] == ["anthropic/m", "unknown"]
    report = run("report", "--execution", execution)[1]
    assert "| models | mine: unknown model | 1 |" in report


@pytest.mark.usefixtures("served")
def test_raised_and_set(run: Run, execution: str) -> None:
    code, told, error = run("budget", "raise", "execution", "--tokens", "50_000", "--reason", "r")
    assert code == 0, error
    assert "is raised." in told
    assert "51,000" in told
    words = ("--usd", "2.50", "--tokens", "none", "--minutes", "0.5", "--reason", "r", "--json")
    data = json.loads(run("budget", "set", "execution", *words)[1])["data"]
    assert data["tokens"]["cap"] is None
    assert data["usd"]["cap"] == "2.50"
    assert data["working_seconds"]["cap"] == 30
    assert run("budget", "raise", "task:0/types", "--tokens", "5", "--reason", "r")[0] == 1
    assert run("budget", "set", "task:0/types", "--tokens", "250", "--reason", "r")[0] == 0


@pytest.mark.usefixtures("served")
def test_of_an_execution_that_has_ended(run: Run, execution: str, conductor: Conductor) -> None:
    with conductor.transaction() as tx:
        control.cancel(tx, execution)
    for name in ("execution", "task:types"):
        code, told, _ = run("budget", "show", name)
        assert (code, " 250 " in told) == (0, True), name
        for verb in ("set", "raise"):
            code, _, error = run("budget", verb, name, "--tokens", "5000", "--reason", "r")
            assert code == 1
            assert f"Execution {execution} is cancelled; nothing about it changes" in error
            assert "conductor run" in error


@pytest.mark.usefixtures("served")
def test_the_pool_and_the_unknown_price(run: Run, execution: str) -> None:
    code, told, _ = run("budget", "emergency", "--reason", "The release is today")
    assert code == 0
    assert "1,100,000" in told
    code, _, error = run("budget", "emergency", "--reason", "again")
    assert code == 1
    assert "open already (The release is today)" in error
    assert run("budget", "allow-unknown-price", "--reason", "Our own machine")[0] == 0
    told = run("budget")[1]
    assert "The emergency pool of 100,000 tokens is open: The release is today" in told
    assert f"execution:{execution} may call models of unknown price: Our own machine" in told


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ("raise execution --tokens -5", 2, "'-5' is not an amount"),
        ("raise execution --tokens lots", 2, "'lots' is not a number"),
        ("raise execution --tokens nan", 2, "'nan' is not an amount"),
        ("raise execution --tokens 2.5", 2, "whole tokens only"),
        ("raise execution --tokens 0", 2, "raised by more than 0"),
        ("raise execution --usd none", 2, "raised by more than 0"),
        ("raise execution --usd 5", 1, "has no cap on USD"),
        ("raise execution --tokens 1e30", 2, "`tokens`"),
        ("raise execution", 2, "How much?"),
        ("raise execution:01ABC --tokens 5", 1, "There is no execution 01ABC"),
        ("raise task:0/typos --tokens 5", 1, "Did you mean `0/types`"),
        ("raise project:nowhere --tokens 5", 1, "nowhere"),
        ("raise money --tokens 5", 2, "`money` names no budget"),
        ("raise installation:2001-01-01 --tokens 5", 1, "Only today's budget"),
        ("set execution --tokens 249", 1, "spent or reserved already"),
        ("set installation --minutes 5", 2, "Only an execution"),
        ("allow-unknown-price installation", 1, "write execution:ID"),
    ],
)
def test_what_can_not_be_is_told(
    run: Run, execution: str, words: str, code: int, error: str
) -> None:
    ended, told, said = run("budget", *words.split(), "--reason", "r")
    assert (ended, told) == (code, "")
    assert error in said


def test_what_is_asked_wrongly_is_told_without_a_server(run: Run, execution: str) -> None:
    assert "Missing option '--reason'" in run("budget", "raise", "execution", "--tokens", "1")[2]
    assert "`yesterday` is not a day" in run("budget", "usage", "--since", "yesterday")[2]
    assert "'week' is not one of" in run("budget", "usage", "--by", "week")[2]
    code, _, error = run("budget", "raise", "execution", "--tokens", "1", "--reason", "r")
    assert code == 3
    assert "conductor up" in error

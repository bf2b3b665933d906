"""A project's MCP servers, over HTTP and by the CLI: added, listed, removed; mistakes are told."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from werkzeug.serving import make_server

from conductor_app.cli.main import main
from conductor_app.domain.mcp import servers_of
from conductor_app.store.tables import projects
from tests.api_caller import Caller, calling, repository

Run = Callable[..., tuple[int, str, str]]
COMMAND = ("--", "python", "tools/docs server.py", "--quiet")


@pytest.fixture
def api(home: Path) -> Iterator[Caller]:
    with calling(home) as caller:
        yield caller


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "shop")


@pytest.fixture
def run(
    api: Caller, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs `conductor project mcp`, with the API where the settings say it listens."""
    server = make_server("127.0.0.1", 0, api.app, threaded=True)
    monkeypatch.setenv("CONDUCTOR_PORT", str(server.server_port))
    monkeypatch.setenv("CONDUCTOR_TOKEN", api.conductor.settings.api_token())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["project", "mcp", *arguments])
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, told.out, told.err

    yield run
    server.shutdown()
    thread.join()
    server.server_close()


def servers(api: Caller) -> Any:
    (project,) = api.get("/projects")["items"]
    return project["settings"].get("mcp")


def test_a_server_is_added_to_a_new_repository_listed_and_removed(
    api: Caller, run: Run, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repo)
    assert run("list")[1].startswith(f"{repo} has no MCP server.")
    given = ("--env", "TOKEN=a=b", "--network", "docs.example:443", "--readable", "../tools")
    code, told, _ = run("add", "docs", *given, "--timeout", "20", *COMMAND)
    assert (code, "`mcp: [docs]`" in told) == (0, True)
    server = {
        "run": ["python", "tools/docs server.py", "--quiet"],
        "env": {"TOKEN": "a=b"},
        "network": ["docs.example:443"],
        "readable": [str(tmp_path / "tools")],
        "timeout": 20.0,
    }
    assert servers(api) == {"docs": server}
    assert servers_of({"mcp": servers(api)})["docs"].timeout == 20
    (repo / "src").mkdir()
    monkeypatch.chdir(tmp_path)
    assert run("add", "more", "--project", str(repo / "src"), "--", "serve")[0] == 0
    assert servers(api)["more"] == {"run": ["serve"]}

    listed = run("list", "--project", str(repo))[1]
    assert "python 'tools/docs server.py' --quiet" in listed and "TOKEN" in listed
    assert "a=b" not in listed and "60 s" in listed
    shown = json.loads(run("list", "--project", str(repo), "--json")[1])["data"]["items"]
    assert [(each["name"], each["env"]) for each in shown] == [("docs", ["TOKEN"]), ("more", [])]
    for name in ("docs", "more"):
        assert run("remove", name, "--project", str(repo))[0] == 0
    assert servers(api) is None


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("add", "Docs", *COMMAND), 2, "`Docs` can't be the name of an MCP server"),
        (("add", "my_docs", *COMMAND), 2, "Take small letters, digits and single hyphens"),
        (("add", "docs", "--env", "TOKEN", *COMMAND), 2, "Write --env NAME=VALUE"),
        (("add", "docs", "--timeout", "0", *COMMAND), 2, "`mcp.docs.timeout` is not valid"),
        (
            ("add", "docs", "--network", "127.0.0.1:80", *COMMAND),
            2,
            "`mcp.docs.network` has 127.0.0.1:80: it is this machine, where Conductor",
        ),
        (("add", "docs", "--network", "localhost", *COMMAND), 2, "Name a host of the network."),
        (("add", "docs", "--network", "a:b", *COMMAND), 2, "'b' is no port"),
        (("add", "docs"), 2, "Missing argument"),
        (("add", "there", *COMMAND), 1, "conductor project mcp remove there"),
        (("remove", "their"), 1, "has no server `their`. It has there."),
    ],
)
def test_mistakes_are_told_with_the_way_out(
    api: Caller, run: Run, repo: Path, arguments: tuple[str, ...], code: int, told: str
) -> None:
    where = ("--project", str(repo))
    assert run("add", "there", *where, "--", "serve")[0] == 0
    ended, _, said = run(arguments[0], *where, *arguments[1:])
    assert (ended, told in said) == (code, True), said
    assert servers(api) == {"there": {"run": ["serve"]}}


def test_a_start_says_which_servers_the_project_lacks(api: Caller, repo: Path) -> None:
    workflow = """
name: small
title: Small
agents:
  writer: {connector: claude, mcp: [docs, docs/search, there]}
  mover: {function: "tests:models", mcp: [theirs]}
phases:
  - number: 0
    name: Only
    tasks:
      - {key: a, title: A, agent: writer, files: false}
      - {key: b, title: B, agent: mover, files: false}
"""
    id_ = api.post("/projects", {"location": str(repo)}, 201)["id"]
    api.post(f"/projects/{id_}/mcp", {"name": "there", "run": ["serve"]}, 201)
    note = api.start(repo, workflow)["note"]
    assert note == (
        "agent-writer is to have the MCP server `docs`, which this project does not have, so it "
        "works without. Add it with `conductor project mcp add docs -- COMMAND`."
    )
    api.post(f"/projects/{id_}/mcp", {"name": "docs", "run": ["serve"]}, 201)
    assert api.start(repo, workflow)["note"] is None


def test_no_project_is_a_clear_error(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for verb in (("add", "docs", *COMMAND), ("list",), ("remove", "docs")):
        code, _, said = run(*verb)
        assert (code, said) == (2, "Which project? Go to its directory, or give --project.\n")
    code, _, said = run("add", "docs", "--project", str(tmp_path), *COMMAND)
    assert (code, "is not a git repository" in said) == (2, True)
    code, _, said = run("remove", "docs", "--project", str(tmp_path))
    assert (code, "has never worked on" in said) == (1, True)


def test_other_settings_stay_and_a_repeated_request_has_one_effect(api: Caller, repo: Path) -> None:
    settings = {"budget": {"tokens": 5}}
    id_ = api.post("/projects", {"location": str(repo), "settings": settings}, 201)["id"]
    body = {"name": "docs", "run": ["serve"]}
    first = api.post(f"/projects/{id_}/mcp", body, 201, key="once")
    assert api.post(f"/projects/{id_}/mcp", body, 201, key="once") == first
    assert first["settings"] == {**settings, "mcp": {"docs": {"run": ["serve"]}}}
    assert api.post(f"/projects/{id_}/mcp", body, 409)["code"] == "refused"
    assert api.post("/projects/none/mcp", body, 404)["code"] == "not_found"
    assert api.post(f"/projects/{id_}/mcp", {"name": "x", "run": []}, 422)["code"]
    gone = api.send("DELETE", f"/projects/{id_}/mcp/docs").get_json()["data"]
    assert gone["settings"] == settings
    assert api.send("DELETE", f"/projects/{id_}/mcp/docs").status_code == 404


@pytest.mark.parametrize(
    "settings",
    [
        {"team": "shop", "mcp": {"docs": {"run": ["x"]}}},
        {"mcp": {name: {"run": ["x"], "network": ["localhost"]} for name in ("docs", "more")}},
    ],
)
def test_settings_that_are_older_than_their_rule_can_be_changed(
    api: Caller, repo: Path, settings: dict[str, Any]
) -> None:
    id_ = api.post("/projects", {"location": str(repo)}, 201)["id"]
    with api.conductor.transaction() as tx:
        tx.run(update(projects).values(settings=settings))
    api.post(f"/projects/{id_}/mcp", {"name": "new", "run": ["x"]}, 201)
    told = api.send("DELETE", f"/projects/{id_}/mcp/docs").get_json()["data"]["settings"]
    assert "new" in told["mcp"] and "docs" not in told["mcp"]
    assert told.get("team") == settings.get("team")

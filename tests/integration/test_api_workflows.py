"""Workflows, agents and workers over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from conductor_app.catalog import AGENTS
from conductor_app.store import workers
from conductor_app.store import workflows as versions
from conductor_app.workflows import loader
from tests.api_caller import SMALL, Caller, calling, repository


@pytest.fixture
def api(home: Path) -> Iterator[Caller]:
    with calling(home) as caller:
        yield caller


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


def test_the_built_in_workflow_is_listed_and_read(api: Caller) -> None:
    listed = api.get("/workflows")["items"]
    assert [(each["name"], each["source"]) for each in listed] == [
        ("change", "built in"),
        ("project-conductor", "built in"),
    ]
    told = api.get("/workflows/project-conductor")
    assert told["version"] == loader.load("project-conductor").version
    assert [phase["number"] for phase in told["workflow"]["phases"]] == [0, 1, 2, 3, 4, 5]
    assert told["text"].startswith("#")
    assert api.get("/workflows/other", 404)["code"] == "not_found"


def test_versions_that_were_started_are_kept(api: Caller, repo: Path) -> None:
    api.start(repo)
    api.start(repo, SMALL.replace("title: Small", "title: Smaller"))
    listed = api.get("/workflows/small/versions")["items"]
    assert len({each["version"] for each in listed}) == 2
    titles = {
        api.get(f"/workflows/small/versions/{each['version']}")["workflow"]["title"]
        for each in listed
    }
    assert titles == {"Small", "Smaller"}
    assert "small" in [each["name"] for each in api.get("/workflows")["items"]]
    assert api.get(f"/workflows/small/versions/{'0' * 64}", 404)["code"] == "not_found"
    version = listed[0]["version"]
    assert api.get(f"/workflows/other/versions/{version}", 404)["code"] == "not_found"


def test_a_valid_template_is_said_to_be_one_and_not_kept(api: Caller) -> None:
    assert api.post("/workflows/validate", {"template": SMALL})["valid"] is True
    assert api.get("/workflows/small", 404)["code"] == "not_found"


def test_all_that_is_wrong_with_a_template_is_told_with_line_and_column(api: Caller) -> None:
    template = SMALL.replace("agent: api", "agent: apy").replace(
        "milestone: basis}", "milestone: bases}"
    )
    told = api.post("/workflows/validate", {"template": template})
    assert told["valid"] is False
    errors = [each for each in told["problems"] if each["severity"] == "error"]
    assert [each["suggestion"] for each in errors] == ["basis", "api", None]
    assert "nothing can complete" in errors[2]["message"]
    assert all(each["line"] > 1 and each["column"] > 1 for each in errors)


@pytest.mark.parametrize("template", ["[1, 2", "just text", "a: &a [*a]", "\t- x"])
def test_templates_that_are_no_templates(api: Caller, template: str) -> None:
    assert api.post("/workflows/validate", {"template": template})["valid"] is False


def test_agents_tell_their_capabilities_and_health(api: Caller) -> None:
    with api.conductor.transaction() as tx:
        queues = ["agent.api", "agent.test"]
        workers.register(tx, id="w1", host="here", pid=1, role="agent", queues=queues, slots=4)
    listed = {each["name"]: each for each in api.get("/agents")["items"]}
    assert set(listed) == set(AGENTS)
    assert listed["api"]["health"]["state"] == "up"
    assert listed["api"]["health"]["slots"] == 4
    assert listed["models"]["health"]["state"] == "down"
    assert listed["models"]["capabilities"]["0"][0] == "base interfaces"
    assert api.get("/agents/agent-api") == listed["api"]
    assert "`quality`" in api.get("/agents/qualty", 404)["message"]


def test_agents_of_a_workflow_are_as_it_has_them(api: Caller, repo: Path) -> None:
    id_ = api.start(repo)["id"]
    assert api.get("/agents/models", execution=id_)["function"] == "tests:models"
    assert api.get("/agents/models")["function"] is None


SAID = {"title": "Writes", "skills": ["change logs"], "capabilities": {"1": ["releases"]}}


def test_installed_agents_say_themselves_what_they_can_do(api: Caller) -> None:
    with api.conductor.transaction() as tx:
        told = {"acme.Writer": SAID}
        workers.register(tx, id="w", host="h", pid=1, role="agent", queues=[], slots=4, agents=told)
    listed = {each["name"]: each for each in api.get("/agents")["items"]}
    assert set(listed) == {*AGENTS, "acme.Writer"}
    shown = api.get("/agents/acme.Writer")
    assert {name: shown[name] for name in SAID} == SAID
    assert (shown["function"], shown["health"]["state"]) == ("acme.Writer", "down")


def test_agents_of_known_workflows_are_found_without_an_execution(api: Caller) -> None:
    scribe = "{function: acme.Writer, title: Scribe, skills: [words], capabilities: {1: [notes]}}"
    text = SMALL.replace("agents:\n", f"agents:\n  scribe: {scribe}\n")
    loaded = loader.parse(text, "own.yml")
    with api.conductor.transaction() as tx:
        versions.keep(tx, loaded.workflow, loaded.version, "own.yml", text)
        told = {"acme.Writer": SAID}
        workers.register(tx, id="w", host="h", pid=1, role="agent", queues=[], slots=4, agents=told)
    listed = {each["name"]: each for each in api.get("/agents")["items"]}
    assert set(listed) == {*AGENTS, "scribe"}
    assert listed["models"]["function"] is None
    found = api.get("/agents/agent-scribe")
    assert found["title"] == "Scribe"
    assert found["skills"] == ["words", "change logs"]
    assert found["capabilities"] == {"1": ["notes", "releases"]}


def test_workers_are_listed_with_when_they_were_heard_of(api: Caller) -> None:
    with api.conductor.transaction() as tx:
        workers.register(tx, id="w1", host="here", pid=1, role="system", queues=["system"], slots=2)
    listed = api.get("/workers")["items"]
    assert [(each["id"], each["queues"], each["heard"]) for each in listed] == [
        ("w1", ["system"], True)
    ]
    ready = {each["name"]: each for each in api.get("/health/ready")["dependencies"]}
    assert (ready["workers"]["state"], ready["workers"]["detail"]) == ("up", "1 with 2 slots")

"""Budgets and usage over HTTP: read, capped, raised, and what was used summed up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app.domain.budget import NANO, Basis
from conductor_app.domain.outcome import Suspended
from conductor_app.engine import budgets as ledger
from conductor_app.ids import new_id
from conductor_app.store.budgets import Spender, Used
from conductor_app.store.tables import tasks
from tests.api_caller import SMALL, Caller, calling, repository

CAPPED = SMALL.replace("title: Small\n", "title: Small\nbudget: {tokens: 1000, usd: 2.5}\n", 1)
EXHAUSTED = Suspended("BUDGET_EXHAUSTED", "It is used up.", bounded=False, pauses=True)


@pytest.fixture
def api(home: Path, database_url: str) -> Iterator[Caller]:
    with calling(home, database_url, daily_tokens=5000, daily_usd=10) as caller:
        yield caller


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


def spend(api: Caller, execution: Any, *used: tuple[str, str, Used]) -> None:
    """Book calls as (agent, model, what it used) of the execution's first task."""
    with api.conductor.transaction() as tx:
        task = tx.value(select(tasks.c.id).where(tasks.c.execution_id == execution["id"]))
        for agent, model, each in used:
            who = Spender(
                execution["project_id"], execution["id"], task, "a", agent, "claude", "p", model
            )
            ledger.record(tx, new_id(), who, each, api.conductor.daily)


def test_a_budget_shows_what_is_spent_reserved_and_left(api: Caller, repo: Path) -> None:
    execution = api.start(repo, CAPPED)
    named = f"execution:{execution['id']}"
    fresh = api.get(f"/budgets/{named}")
    assert fresh["tokens"] == {"cap": 1000, "spent": 0, "reserved": 0, "remaining": 1000}
    assert fresh["usd"] == {"cap": "2.50", "spent": "0.00", "reserved": "0.00", "remaining": "2.50"}
    spend(api, execution, ("models", "m", Used(100, NANO // 2)))
    shown = api.get(f"/budgets/{named}")
    assert shown["tokens"]["remaining"] == 900
    assert shown["usd"]["spent"] == "0.50"
    assert (shown["budget"], shown["scope"], shown["day"]) == (named, "execution", None)


def test_the_list_has_todays_and_those_of_the_execution(api: Caller, repo: Path) -> None:
    execution = api.start(repo, CAPPED)
    scopes = [each["scope"] for each in api.get("/budgets")["items"]]
    assert scopes == ["installation_day"]
    found = api.get("/budgets", execution=execution["id"])["items"]
    assert [each["scope"] for each in found] == ["installation_day", "project_day", "execution"]
    assert found[0]["tokens"]["cap"] == 5000
    assert found[1]["tokens"]["cap"] is None
    assert found[1]["label"].startswith("repo, 20")
    api.get("/budgets", 404, execution="01J00000000000000000000000")


def test_a_project_has_the_cap_of_its_settings(api: Caller, repo: Path) -> None:
    body = {"location": str(repo), "settings": {"budget": {"tokens": 70, "usd": "1.25"}}}
    project = api.post("/projects", body, 201)
    shown = api.get(f"/budgets/project:{project['id']}")
    assert (shown["tokens"]["cap"], shown["usd"]["cap"]) == (70, "1.25")


def test_raised_the_execution_goes_on(api: Caller, repo: Path) -> None:
    execution = api.start(repo, CAPPED)
    api.work(of={"0/types": [EXHAUSTED]})
    path = f"/budgets/execution:{execution['id']}/raise"
    answer = api.send("POST", path, {"tokens": 500, "usd": 0.5, "reason": "nearly done"}, "once")
    told = answer.get_json()
    assert told["message"].endswith("is raised; an execution that it may have stopped goes on")
    assert told["data"]["tokens"]["cap"] == 1500
    assert told["data"]["usd"]["cap"] == "3.00"
    assert told["data"]["going_on"] == [execution["id"]]
    # The same request once more raises nothing.
    again = api.send("POST", path, {"tokens": 500, "usd": 0.5, "reason": "nearly done"}, "once")
    assert again.get_json() == told
    api.work()
    assert api.get(f"/executions/{execution['id']}")["status"] == "completed"


def test_caps_are_set_and_taken_away(api: Caller, repo: Path) -> None:
    path = f"/budgets/execution:{api.start(repo, CAPPED)['id']}"
    told = api.send("PATCH", path, {"tokens": None, "reason": "trust"}).get_json()["data"]
    assert told["tokens"]["cap"] is None
    assert told["usd"]["cap"] == "2.50"
    told = api.send("PATCH", path, {"tokens": 7, "reason": "no trust"}).get_json()["data"]
    assert told["tokens"]["remaining"] == 7


def test_the_pool_and_the_unknown_price(api: Caller, repo: Path) -> None:
    told = api.post("/budgets/installation/emergency", {"reason": "today"})
    assert told["tokens"]["cap"] == 105_000
    assert told["emergency"]["reason"] == "today"
    assert api.post("/budgets/installation/emergency", {"reason": "x"}, 409)["code"] == "refused"
    path = f"/budgets/execution:{api.start(repo)['id']}/unknown-price"
    assert api.post(path, {"reason": "our own"})["unknown_price_allowed"] is True


@pytest.mark.parametrize(
    ("how", "body", "status"),
    [
        ("/raise", {"tokens": 5}, 422),
        ("/raise", {"tokens": 0, "reason": "r"}, 422),
        ("/raise", {"tokens": None, "reason": "r"}, 422),
        ("/raise", {"tokens": -5, "reason": "r"}, 422),
        ("/raise", {"tokens": "5", "reason": "r"}, 422),
        ("/raise", {"tokens": True, "reason": "r"}, 422),
        ("/raise", {"tokens": 10**16, "reason": "r"}, 422),
        ("/raise", {"usd": "much", "reason": "r"}, 422),
        ("/raise", {"usd": "NaN", "reason": "r"}, 422),
        ("/raise", {"usd": "0.0000000001", "reason": "r"}, 422),
        ("/raise", {"minutes": 5, "reason": "r"}, 422),
        ("/raise", {"reason": "r"}, 422),
        ("/raise", {"tokens": 5, "reason": ""}, 422),
        ("/raise", {"tokens": 5, "reason": "r", "by": "me"}, 422),
        ("", {"tokens": -1, "reason": "r"}, 422),
        ("/emergency", {}, 422),
        ("/unknown-price", {"reason": "r"}, 409),
    ],
)
def test_what_is_no_amount_changes_nothing(
    api: Caller, how: str, body: dict[str, Any], status: int
) -> None:
    answer = api.send("POST" if how else "PATCH", f"/budgets/installation{how}", body)
    assert answer.status_code == status, answer.get_json()
    assert api.get("/budgets/installation")["tokens"]["cap"] == 5000


@pytest.mark.parametrize("name", ["money", "execution:01J0", "project:nowhere", "task:01J0"])
def test_a_budget_that_is_none(api: Caller, name: str) -> None:
    expected = 422 if name == "money" else 404
    api.get(f"/budgets/{name}", expected)
    api.post(f"/budgets/{name}/raise", {"tokens": 1, "reason": "r"}, expected)


def used_twice(api: Caller, repo: Path) -> list[Any]:
    """Two executions, whose calls are by two agents with two models."""
    first, second = api.start(repo, CAPPED), api.start(repo, CAPPED)
    spend(
        api,
        first,
        ("models", "big", Used(10, 5, input_tokens=8, output_tokens=2, cache_read_tokens=4)),
        ("api", "small", Used(20, 7, Basis.ASSUMED)),
    )
    spend(api, second, ("api", "big", Used(30, None)), ("api", "cli", Used(0, None, Basis.UNKNOWN)))
    return [first, second]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("agent", {"api": 50, "models": 10}),
        ("model", {"p/big": 40, "p/small": 20, "p/cli": 0}),
        ("connector", {"claude": 60}),
    ],
)
def test_usage_is_summed_up(api: Caller, repo: Path, by: str, expected: dict[str, int]) -> None:
    used_twice(api, repo)
    told = api.get("/usage", by=by)
    assert {each["key"]: each["tokens"] for each in told["items"]} == expected
    assert told["total"]["tokens"] == 60
    assert told["total"]["cost_usd"] == "0.000000012"


def test_usage_by_day_execution_project_and_task(api: Caller, repo: Path) -> None:
    first, second = used_twice(api, repo)
    by_execution = api.get("/usage", by="execution")["items"]
    assert [each["key"] for each in by_execution] == [second["id"], first["id"]]
    assert [each["name"] for each in by_execution] == ["small", "small"]
    assert [each["name"] for each in api.get("/usage", by="project")["items"]] == ["repo"]
    assert {each["name"] for each in api.get("/usage", by="task")["items"]} <= {
        "0/types",
        "0/routes",
        "1/docs",
    }
    (day,) = api.get("/usage")["items"]
    assert (day["calls"], day["assumed_calls"]) == (4, 1)
    assert (day["unpriced_calls"], day["silent_runs"]) == (2, 1)
    assert (day["input_tokens"], day["output_tokens"], day["cache_read_tokens"]) == (8, 2, 4)
    assert api.get("/usage", since=day["key"], until=day["key"])["total"]["calls"] == 4
    assert api.get("/usage", until="2000-01-01")["items"] == []
    assert api.get("/usage", execution=first["id"])["total"]["tokens"] == 30
    assert api.get("/usage", project="repo")["total"]["calls"] == 4


def test_usage_comes_in_pages(api: Caller, repo: Path) -> None:
    used_twice(api, repo)
    first = api.get("/usage", by="model", limit=2)
    rest = api.get("/usage", by="model", limit=2, cursor=first["next_cursor"])
    keys = [each["key"] for page in (first, rest) for each in page["items"]]
    assert keys == ["p/big", "p/cli", "p/small"]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    "query",
    [{"by": "week"}, {"since": "yesterday"}, {"since": "20270115"}, {"limit": 0}, {"cursor": "x"}],
)
def test_a_question_that_makes_no_sense(api: Caller, query: dict[str, Any]) -> None:
    api.get("/usage", 422, **query)

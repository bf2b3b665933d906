"""The description of the API tells all of it, truly, and is read without the network."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conductor_app.api.authentication import OPEN
from tests.api_caller import Caller, calling

MUTATIONS = ("post", "put", "patch", "delete")


@pytest.fixture
def api(home: Path) -> Iterator[Caller]:
    with calling(home) as caller:
        yield caller


@pytest.fixture
def document(api: Caller) -> Any:
    return api.client.get("/openapi.json").get_json()


def operations(document: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key == "$ref":
                yield each
            else:
                yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_it_is_openapi_3_1_and_every_reference_leads_somewhere(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    for reference in references(document):
        found = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_every_route_is_described(api: Caller, document: Any) -> None:
    described = {(path, method) for path, method, _ in operations(document)}
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in api.app.url_map.iter_rules()
        if rule.rule.startswith("/api/")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == served


def test_the_documents_nine_endpoints_are_there(document: Any) -> None:
    prefix = "/api/v1/orchestrator"
    nine = {
        "start": "post",
        "stop": "post",
        "status": "get",
        "advance": "post",
        "rollback": "post",
        "test": "post",
        "deploy/{agent}": "post",
        "report": "get",
        "dashboard": "get",
    }
    assert {
        path.removeprefix(f"{prefix}/"): method
        for path, method, _ in operations(document)
        if path.startswith(prefix)
    } == nine


def test_each_operation_has_its_own_id_a_summary_and_a_tag(document: Any) -> None:
    all_ = list(operations(document))
    assert len({operation["operationId"] for _, _, operation in all_}) == len(all_)
    assert all(operation["summary"].endswith(".") for _, _, operation in all_)
    assert all(operation["tags"] for _, _, operation in all_)


def test_every_change_takes_an_idempotency_key(document: Any) -> None:
    for _, method, operation in operations(document):
        names = [each["name"] for each in operation.get("parameters", ())]
        assert ("Idempotency-Key" in names) == (method in MUTATIONS)


def test_it_says_truly_who_asks_for_the_token(api: Caller, document: Any) -> None:
    for path, method, operation in operations(document):
        open_ = re.sub(r"{\w+}", "x", path) in OPEN
        assert bool(operation.get("security")) is not open_
        status = api.client.open(re.sub(r"{\w+}", "x", path), method=method.upper()).status_code
        assert (status == 401) is not open_


def test_failures_are_described_in_the_one_shape(document: Any) -> None:
    for path, _, operation in operations(document):
        for status, response in operation["responses"].items():
            schema = response["content"]["application/json"]["schema"]["$ref"]
            shape = "Success" if int(status) < 400 else "Failure"
            if status != "422":
                assert schema.endswith(shape), (path, status)


def test_names_are_described_in_snake_case(document: Any) -> None:
    fields = document["components"]["schemas"]["StartExecution"]["properties"]
    assert {"target_phase", "auto_advance", "replay_before"} <= set(fields)
    assert not [name for name in fields if name != name.lower()]


def test_the_page_needs_nothing_from_elsewhere(api: Caller) -> None:
    page = api.client.get("/docs")
    assert page.mimetype == "text/html"
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert links
    for link in links:
        assert link.startswith("/docs/")
        assert api.client.get(link).status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "<script>" not in page.text
    assert api.client.get("/docs/assets/../../../../pyproject.toml").status_code in (401, 404)


def test_the_description_is_given_again_without_being_made_again(
    api: Caller, document: Any
) -> None:
    assert api.client.get("/openapi.json").get_json() == document

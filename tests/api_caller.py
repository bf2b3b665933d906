"""Calls the API of an application on a fresh database, as its clients do, and works for it."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from conductor_app import bootstrap, create_app
from conductor_app.bootstrap import Conductor
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from tests.databases import give_schema
from tests.fakes.worker import FakeWorker

# Two phases; the agents are functions, so that no model and no recording is needed.
SMALL = """
name: small
title: Small
inputs:
  title: {type: string, default: Wishes}
  count: {type: integer, default: 1}
agents:
  models: {function: "tests:models"}
  api: {function: "tests:api"}
phases:
  - number: 0
    name: First
    required_agents: [models]
    tasks:
      - {key: types, title: Types, agent: models, files: false, milestone: basis}
      - {key: routes, title: Routes, agent: api, files: false}
    milestones:
      - key: basis
        name: Basis
        checks: [{name: types are there, kind: file, path: types.py}]
    exit_criteria:
      - {name: it starts, kind: command, run: "true"}
  - number: 1
    name: Second
    tasks:
      - {key: docs, title: Docs, agent: models, files: false}
"""


@dataclass
class Caller:
    """A client with the token; each call says which status it expects, and gets the data."""

    app: Flask
    conductor: Conductor
    queue: MemoryQueue
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def get(self, path: str, expected: int = 200, /, **query: Any) -> Any:
        return _data(self.send("GET", path, query=query), expected)

    def post(self, path: str, body: Any = None, expected: int = 200, key: str | None = None) -> Any:
        return _data(self.send("POST", path, body, key), expected)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        key: str | None = None,
        query: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> TestResponse:
        """The whole response; `path` is below /api/v1."""
        token = self.conductor.settings.api_token()
        sent = {"Authorization": f"Bearer {token}", **(headers or {})}
        if key is not None:
            sent["Idempotency-Key"] = key
        return self.client.open(
            f"/api/v1{path}", method=method, json=body, headers=sent, query_string=query
        )

    def start(self, repository: Path, template: str = SMALL, **order: Any) -> Any:
        """Start the small workflow; the execution."""
        body = {"project": str(repository), "template": template, **order}
        return self.post("/executions", body, 201)

    def work(self, **outcomes: Any) -> FakeWorker:
        """Do what is queued, as the outcomes say or well."""
        worker = FakeWorker(self.conductor.database, self.queue, outcomes.pop("of", {}))
        worker.run()
        return worker


def _data(response: TestResponse, status: int) -> Any:
    """What a success brought, or a failure's `error`."""
    told = response.get_json()
    assert response.status_code == status, told
    assert told["success"] is (status < 400)
    return told["data"] if status < 400 else told["error"]


@contextmanager
def calling(home: Path, database_url: str = "", **chosen: Any) -> Iterator[Caller]:
    """A caller of the API on a fresh database, with a queue in memory."""
    if database_url:
        chosen["database_url"] = database_url
    settings = Settings.load(home, **chosen)
    give_schema(settings.database_url)
    queue = MemoryQueue()
    with bootstrap.connected(settings, queue) as conductor:
        yield Caller(create_app(conductor), conductor, queue)


def repository(folder: Path) -> Path:
    """An empty git repository, made by the real git."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)
    return folder

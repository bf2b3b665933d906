"""Versions of workflows that were read are kept, also while other threads make room."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest

from conductor_app.store import workflows
from conductor_app.store.database import Transaction
from conductor_app.workflows import loader


class OneVersion:
    """A transaction that finds the same workflow under every version."""

    def __init__(self) -> None:
        self.read = 0
        template = "{name: w, title: W, phases: [{number: 0, name: One, tasks: [%s]}]}"
        task = "{key: a, title: A, agent: api}"
        workflow = loader.parse(template % task, "test").workflow
        self._model = workflow.model_dump_json(exclude_unset=True)

    def value(self, _statement: Any) -> str:
        self.read += 1
        return self._model


def test_a_version_is_read_once() -> None:
    tx = OneVersion()
    for _ in range(3):
        assert workflows.of_version(cast(Transaction, tx), "once").name == "w"
        assert "api" in workflows.agents_of(cast(Transaction, tx), "once")
    assert tx.read == 1


def test_threads_that_make_room_disturb_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows, "KEPT", 1)
    tx = cast(Transaction, OneVersion())
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def ask(number: int) -> bool:
        return "api" in workflows.agents_of(tx, f"version {number % 97}")

    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(1500)))
    finally:
        sys.setswitchinterval(before)

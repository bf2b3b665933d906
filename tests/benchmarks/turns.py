"""What an agent's turns cost beside the model: time, memory while it waits, and cache reads.

python -m tests.benchmarks.turns [--rounds 10] [--attempts 200] [--only turns|waiting|cache]

Everything runs against the tests' model server, which is a process of its own.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from anthropic import Anthropic
from sqlalchemy import select

from conductor_app import bootstrap, connector_settings, prices
from conductor_app.connector_keys import VARIABLES
from conductor_app.domain.outcome import Question
from conductor_app.domain.signals import SignalType
from conductor_app.engine import start
from conductor_app.engine.claim import Claim, claim
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import migrations, projects
from conductor_app.store import workers as worker_rows
from conductor_app.store.tables import jobs
from conductor_app.tool_specs import TOOLS
from conductor_app.workflows import loader
from tests.benchmarks import stack
from tests.fakes.model_server import running
from tests.fakes.model_server.scenarios import turns_of
from workers.agents.base import AgentContext, AgentTask
from workers.agents.connector_agent import ConnectorAgent
from workers.connectors import open_connector
from workers.metering import Meter
from workers.patience import Patience
from workers.sandbox import Level, Sandbox

TURNS = 20
KEY = "sk-test-of-the-benchmark"
CONNECTORS = ("claude", "codex", "deepseek")
MODEL = connector_settings.DEFAULTS["claude"].model
# As long as a requirement and its project's own words are: some 500 and 1,500 tokens.
REQUIREMENT = "Bring the module in order, as its tests and the notes above ask for. " * 30
PROJECT = "Each module has a test beside it, and says in one sentence what it is for. " * 90
HEAD = """
name: benchmark
title: Benchmark
agents:
  reader: {title: Reads and waits, connector: claude}
phases:
  - number: 0
    name: Everything
    tasks:
"""


def script() -> list[dict[str, Any]]:
    """Reads one file after the other; every turn adds some 100 tokens."""
    reads = [
        {"text": f"I read part {n}.", "calls": [["read_file", {"path": f"part{n}.txt"}]]}
        for n in range(1, TURNS)
    ]
    return [*reads, {"text": "", "calls": [["finish", {"summary": "All was read."}]]}]


def write_parts(folder: Path) -> None:
    for number in range(1, TURNS):
        (folder / f"part{number}.txt").write_text(f"{number} " + "text of a part " * 8)


@contextmanager
def model_server(folder: Path) -> Iterator[str]:
    """Its address; the scenario `read` is the script."""
    turns = folder / "turns.json"
    turns.write_text(json.dumps(script()))
    command = [sys.executable, "-m", "tests.fakes.model_server", "--script", f"read={turns}"]
    process = subprocess.Popen(command, cwd=stack.ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(10)


def use(name: str, address: str) -> None:
    """Let the connector of that name find the server."""
    os.environ[VARIABLES[name]] = KEY
    suffix = "/v1" if name == "codex" else ""
    os.environ[f"CONDUCTOR_{name.upper()}_BASE_URL"] = address + suffix


class Nobody:
    """A desk where nobody asks and nobody answers: with one, all tools are offered."""

    def answer(self, question: Question) -> str | None:
        return None

    def remember(self, category: str, lesson: str, action: str) -> None: ...

    def signal(self, type_: SignalType, title: str, detail: str) -> None: ...


# Turns.


def bare(address: str, folder: Path) -> float:
    """The seconds of a turn in a loop of nothing but the SDK."""
    client = Anthropic(api_key=KEY, base_url=address, max_retries=0)
    tools: Any = [
        {"name": spec.name, "description": spec.description, "input_schema": spec.schema}
        for spec in TOOLS.values()
    ]
    messages: list[Any] = [{"role": "user", "content": PROJECT + REQUIREMENT}]
    marks = []
    while True:
        with client.messages.create(
            model=MODEL, max_tokens=32_000, tools=tools, messages=messages, stream=True
        ) as stream:
            content = _content(stream)
        marks.append(time.perf_counter())
        messages.append({"role": "assistant", "content": content})
        call = next(block for block in content if block["type"] == "tool_use")
        if call["name"] == "finish":
            return _a_turn(marks)
        text = (folder / call["input"]["path"]).read_text()
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": text}
        messages.append({"role": "user", "content": [result]})


def _content(stream: Iterable[Any]) -> list[dict[str, Any]]:
    """The blocks of an answer, of which only texts and calls are known."""
    blocks: list[dict[str, Any]] = []
    arguments = ""
    for event in stream:
        if event.type == "content_block_start":
            blocks.append(event.content_block.to_dict())
        elif event.type == "content_block_delta" and event.delta.type == "text_delta":
            blocks[-1]["text"] += event.delta.text
        elif event.type == "content_block_delta":
            arguments += event.delta.partial_json
    return [{**b, "input": json.loads(arguments)} if b["type"] == "tool_use" else b for b in blocks]


def ours(
    folder: Path, meter: Meter | None, connector: str = "claude", title: str = "Read"
) -> float:
    """The same in Conductor's loop, with its transcript."""
    marks = []

    def log(line: str) -> None:
        if line.startswith("turn "):
            marks.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as artifacts:
        attempt(folder, Path(artifacts), log, meter, connector, title)
    return _a_turn(marks)


def attempt(
    folder: Path,
    artifacts: Path,
    log: Callable[[str], None],
    meter: Meter | None,
    name: str,
    title: str,
) -> None:
    settings = Settings.load(folder)
    task = AgentTask(
        id="t",
        key="0/read",
        execution_id="e",
        workflow="benchmark",
        phase=0,
        phase_name="Everything",
        agent="reader",
        title=title,
        prompt=REQUIREMENT,
        context={"project": PROJECT},
    )
    context = AgentContext(
        worktree=folder,
        sandbox=Sandbox(Level.UNCONFINED),
        connector=open_connector(
            name, workflow="benchmark", task="0/read", failures=0, settings=settings
        ),
        log=log,
        cancelled=lambda: False,
        deadline=time.monotonic() + 600,
        artifacts=artifacts,
        meter=meter,
        desk=Nobody(),
    )
    workflow = loader.parse(template(1), "benchmark.yml").workflow
    ConnectorAgent(workflow.agents["reader"]).perform_task(task, context)


def _a_turn(marks: list[float]) -> float:
    assert len(marks) == TURNS
    return (marks[-1] - marks[0]) / (TURNS - 1)


def measure_turns(rounds: int) -> None:
    with stack.home() as home, model_server(home) as address, metered(home) as meter:
        write_parts(home)
        use("claude", f"{address}/read")
        ways: dict[str, Callable[[], float]] = {
            "a bare loop on the SDK": lambda: bare(f"{address}/read", home),
            "Conductor's loop, transcript kept": lambda: ours(home, None),
            "the same, every turn reserved and settled": lambda: ours(home, meter),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds + 1):
            for name, way in ways.items():
                found[name].append(way())
    # The first round warms up.
    medians = {name: statistics.median(times[1:]) * 1000 for name, times in found.items()}
    alone = medians["a bare loop on the SDK"]
    print(f"\nA turn of {TURNS}, median of {rounds} rounds")
    for name, each in medians.items():
        print(f"{name:44}{each:7.2f} ms{each - alone:+7.2f} ms  x{each / alone:.2f}")


@contextmanager
def metered(home: Path) -> Iterator[Meter]:
    """A meter of an attempt that a worker has claimed, on SQLite."""
    settings = Settings.load(home)
    migrations.upgrade(settings.database_url)
    with bootstrap.connected(settings, MemoryQueue()) as conductor:
        claimed = claimed_attempt(conductor)
        yield Meter(Patience(conductor), prices.load(home), claimed)


def claimed_attempt(conductor: bootstrap.Conductor) -> Claim:
    begin(conductor, 1)
    with conductor.transaction() as tx:
        ids = [row.id for row in tx.all(select(jobs.c.id).where(jobs.c.kind == "checkpoint"))]
        ids += [row.id for row in tx.all(select(jobs.c.id).where(jobs.c.kind == "attempt"))]
        claims = claim(tx, ids, "benchmark", 3_600_000)
    return next(each for each in claims.values() if each.kind == "attempt")


def template(width: int) -> str:
    task = "agent: reader, files: false, needs: [], timeout: 3600"
    return HEAD + "".join(f"      - {{key: t{n}, title: T{n}, {task}}}\n" for n in range(width))


def begin(conductor: bootstrap.Conductor, width: int) -> str:
    loaded = loader.parse(template(width), "benchmark.yml")
    wanted = start.Wanted(loaded.workflow, loaded.version, "benchmark.yml", loaded.text)
    with conductor.transaction() as tx:
        return start.start(tx, projects.add(tx, "benchmark", "").id, wanted)


# Attempts that wait.


def measure_waiting(attempts: int) -> None:
    worker = ["-m", "workers", "agent", "--slots", str(attempts), "--queues", "agent.reader"]
    with tempfile.TemporaryDirectory() as folder, model_server(Path(folder)) as address:
        # It says half of what it wants to say, and then nothing for as long as anybody listens.
        use("claude", f"{address}/prose!stall")
        with stack.conductor("sqlite", [worker]) as conductor:
            with conductor.read() as tx:
                (row,) = worker_rows.all_rows(tx)
            process = psutil.Process(row.pid)
            heartbeat = conductor.settings.heartbeat_seconds
            idle = late(conductor, 6 * heartbeat), memory(process)
            begin(conductor, attempts)
            stack.wait_until(lambda: stalled(conductor) == attempts, 300, "Every attempt's turn")
            process.cpu_percent()
            busy = late(conductor, 6 * heartbeat), memory(process)
            share = process.cpu_percent()
    print(f"\n{attempts} attempts that wait for a model, in one worker process")
    print(f"memory: {busy[1]:.0f} MiB (with none: {idle[1]:.0f} MiB); at most 400 MiB")
    print(f"CPU while they wait: {share:.0f} % of a core")
    print(
        f"longest time between two heartbeats (every {heartbeat:g} s): "
        f"{busy[0]:.2f} s (with none: {idle[0]:.2f} s)"
    )


def stalled(conductor: bootstrap.Conductor) -> int:
    """The attempts whose answer has begun: their log has the first words of it."""
    return len(list(conductor.settings.places.artifacts.glob("*/*/transcript.jsonl")))


def memory(process: psutil.Process) -> float:
    """MiB of the process with its children, what they share counted once."""
    family = [process, *process.children(recursive=True)]
    return sum(each.memory_full_info().pss for each in family) / 2**20


def late(conductor: bootstrap.Conductor, seconds: float) -> float:
    """The longest time between two heartbeats, watched for so long."""
    seen: list[int] = []
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with conductor.read() as tx:
            (row,) = worker_rows.all_rows(tx)
        if seen[-1:] != [row.seen_at]:
            seen.append(row.seen_at)
        time.sleep(0.05)
    return max((after - before) / 1000 for before, after in pairwise(seen))


# Cache reads.


def measure_cache() -> None:
    """Of the agent's first task, and of the next one, which finds its tools and rules known."""
    print(f"\nInput tokens of a task of {TURNS} turns that are cache reads, by the server's count")
    print("                 first task        next task        of what was sent before")
    for name in CONNECTORS:
        with stack.home() as home, running() as server:
            write_parts(home)
            use(name, server.default.add("read", *turns_of(script())))
            tasks = []
            for title in ("Read", "Read once more"):
                already = len(server.default.ledger)
                ours(home, None, name, title)
                tasks.append([entry.used for entry in server.default.ledger][already:])
        first, second = (sum(u.read for u in task) / sum(u.total for u in task) for task in tasks)
        again = [(after.read, before.total) for task in tasks for before, after in pairwise(task)]
        found = sum(read for read, _ in again) / sum(sent for _, sent in again)
        print(f"{name:10}{first:16.1%}{second:18.1%}{found:24.1%}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--attempts", type=int, default=200)
    parser.add_argument("--only", choices=("turns", "waiting", "cache"))
    chosen = parser.parse_args()
    # What all of it could cost at worst is more than a day is given by itself.
    os.environ.update(CONDUCTOR_DAILY_USD="1000000", CONDUCTOR_DAILY_TOKENS="1000000000")
    if chosen.only in (None, "turns"):
        measure_turns(chosen.rounds)
    if chosen.only in (None, "waiting"):
        measure_waiting(chosen.attempts)
    if chosen.only in (None, "cache"):
        measure_cache()


if __name__ == "__main__":
    main()

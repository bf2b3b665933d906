"""A bench for tests of checks: a checkout of given files, a workflow, a small service to judge."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from conductor_app.domain.workflow import Check, Workflow
from workers.bench import Bench
from workers.checks import CheckResult, run_check
from workers.sandbox import Sandbox

COMMIT = "c" * 40
TREE = "d" * 40
CHECK: TypeAdapter[Check] = TypeAdapter(Check)

# A service of the kind that agents build: it keeps items in a SQLite file beside it.
ITEMS_SERVICE = """
import json, os, sqlite3, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

database = sqlite3.connect("items.db", check_same_thread=False, isolation_level=None)
database.execute("create table if not exists items (id integer primary key, title text not null)")

class Items(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, document, **headers):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, {"status": "ok", "mode": os.environ.get("MODE")})
        if self.path == "/slow":
            time.sleep(0.2)
            return self.answer(200, {})
        if self.path == "/away":
            return self.answer(302, {}, Location="http://example.com/")
        if self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"x" * 65536)
        if self.path == "/drip":
            while True:
                self.wfile.write(b"H")
                time.sleep(0.05)
        if self.path == "/odd":
            return self.answer(200, {"text": "a\\x00b\\ud800", "number": float("nan")})
        if self.path == "/nested":
            self.wfile.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 200000\\r\\n\\r\\n")
            self.wfile.write(b"[" * 200000)
            return
        if self.path == "/die":
            os._exit(3)
        rows = database.execute("select id, title from items").fetchall()
        items = [{"id": id, "title": title} for id, title in rows]
        if self.path == "/items":
            return self.answer(200, {"items": items, "total": len(items)})
        found = [item for item in items if self.path == "/items/%d" % item["id"]]
        return self.answer(200, found[0]) if found else self.answer(404, {"error": "not found"})

    def do_POST(self):
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not sent.get("title"):
            return self.answer(422, {"error": "title is required"})
        row = database.execute("insert into items (title) values (?)", (sent["title"],))
        self.answer(201, {"id": row.lastrowid, "title": sent["title"]})

    def log_message(self, format, *arguments):
        print(format % arguments, flush=True)

ThreadingHTTPServer.request_queue_size = 128
print("items are served", flush=True)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Items).serve_forever()
"""
ITEMS = {
    "run": "exec python service.py",
    "ready": {"path": "/health"},
    "env": {"DATABASE_URL": "sqlite:///items.db", "MODE": "checked"},
}


def workflow(**fields: Any) -> Workflow:
    """The smallest workflow, with these fields besides."""
    phases = [{"number": 0, "name": "Only"}]
    return Workflow.model_validate({"name": "w", "title": "W", "phases": phases, **fields})


def make_bench(
    folder: Path, sandbox: Sandbox, files: Mapping[str, str] | None = None, **fields: Any
) -> Bench:
    """A bench whose checkout holds these files; `fields` are those of the workflow."""
    checkout = folder / "checkout"
    for name, text in (files or {}).items():
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    checkout.mkdir(parents=True, exist_ok=True)
    return Bench(
        checkout=checkout,
        commit=COMMIT,
        tree=TREE,
        workflow=workflow(**fields),
        sandbox=sandbox,
        home=folder / "home",
        artifacts=folder / "artifacts",
    )


def check(kind: str, **fields: Any) -> Check:
    """A check as a template would declare it."""
    return CHECK.validate_python({"name": f"a {kind} check", "kind": kind, **fields})


def run(bench: Bench, kind: str, **fields: Any) -> CheckResult:
    return run_check(check(kind, **fields), bench)

"""The client of the API, against a server that answers as the test wants."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from conductor_app.cli.client import Api, ApiRefused, running_api
from conductor_app.errors import Unreachable
from conductor_app.settings import Settings

OK = (200, {"success": True, "message": "Done", "data": {"n": 1}})


class Server(ThreadingHTTPServer):
    """Answers in this order, the last answer again and again; keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, Any]] = [OK]
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def answer(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        server.asked.append(
            (self.command, self.path, dict(self.headers), json.loads(body) if body else None)
        )
        status, told = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_what_is_sent_and_what_comes_back(server: Server) -> None:
    answer = Api(server.url, "secret").post("executions", {"workflow": "x"})
    assert (answer.message, answer.data) == ("Done", {"n": 1})
    method, path, headers, body = server.asked[0]
    assert (method, path, body) == ("POST", "/api/v1/executions", {"workflow": "x"})
    assert headers["Authorization"] == "Bearer secret"
    assert len(headers["Idempotency-Key"]) == 26


def test_looking_needs_no_key(server: Server) -> None:
    Api(server.url, "secret").get("orchestrator/status", execution="01K")
    assert server.asked[0][1] == "/api/v1/orchestrator/status?execution=01K"
    assert "Idempotency-Key" not in server.asked[0][2]


@pytest.mark.parametrize(
    ("status", "exit_code"), [(409, 1), (404, 1), (422, 2), (400, 2), (401, 1)]
)
def test_a_refusal_keeps_code_words_and_details(
    server: Server, status: int, exit_code: int
) -> None:
    error = {"code": "ambiguous", "message": "Name one.", "details": {"message": "x"}}
    server.answers = [(status, {"success": False, "error": error})]
    with pytest.raises(ApiRefused) as refused:
        Api(server.url, "secret").post("executions")
    told = refused.value
    assert (told.code, told.message, told.details) == ("ambiguous", "Name one.", {"message": "x"})
    assert (told.status, told.exit_code) == (status, exit_code)


def test_an_api_that_is_being_brought_back_is_waited_for_with_one_key(server: Server) -> None:
    away = {"success": False, "error": {"code": "unreachable", "message": "Away."}}
    server.answers = [(503, away), (503, away), OK]
    assert Api(server.url, "secret", patience=30).post("executions").data == {"n": 1}
    assert len({headers["Idempotency-Key"] for _, _, headers, _ in server.asked}) == 1
    assert len(server.asked) == 3


def test_without_patience_nothing_is_waited_for() -> None:
    with Server() as gone:
        url = gone.url
    with pytest.raises(Unreachable, match="conductor up") as unreachable:
        Api(url, "secret").post("executions")
    assert unreachable.value.exit_code == 3


@pytest.mark.parametrize("content", [b"<html>", b'{"a": 1}', b"[]"])
def test_another_program_on_the_port_is_recognized(server: Server, content: bytes) -> None:
    server.answers = [(200, content)]
    with pytest.raises(Unreachable, match="is not Conductor's API"):
        Api(server.url, "secret").get("executions")


def test_no_proxy_is_asked(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert Api(server.url, "secret").get("executions").message == "Done"


def test_without_a_stack_the_way_to_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="conductor up"):
        running_api(Settings.load(tmp_path / "home"))
    assert not (tmp_path / "home").exists()


def test_a_server_that_was_configured_is_asked_without_a_stack(
    tmp_path: Path, server: Server
) -> None:
    settings = Settings.load(tmp_path / "home", port=server.server_port, token="chosen")
    running_api(settings).get("executions")
    assert server.asked[0][2]["Authorization"] == "Bearer chosen"


def test_the_token_of_the_data_directory_is_not_told_to_whoever_has_the_port(
    tmp_path: Path, server: Server
) -> None:
    with pytest.raises(Unreachable, match="conductor up"):
        running_api(Settings.load(tmp_path / "home", port=server.server_port))
    assert server.asked == []


def test_an_api_that_is_nowhere_is_not_asked_where_it_was(server: Server) -> None:
    with pytest.raises(Unreachable, match="does not answer"):
        Api(server.url, "secret", locate=lambda: None).post("executions")
    assert server.asked == []


def test_an_api_that_moved_is_asked_where_it_is(server: Server) -> None:
    api = Api("http://127.0.0.1:1", "secret", locate=lambda: server.url)
    assert api.get("executions").message == "Done"

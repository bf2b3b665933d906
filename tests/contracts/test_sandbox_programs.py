"""What programs that talk need of the sandbox, and what they must not get, at every level."""

import socket
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workers.sandbox import Level, Limits, Sandbox, SandboxUnavailable
from workers.sandbox.conversation import Closed, Interrupted
from workers.sandbox.hosts import HostRefused


@pytest.fixture
def gateway() -> Iterator[tuple[int, Path]]:
    """A server that answers `hello` on a port of 127.0.0.1 and on a Unix socket."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "gateway")
        near = socket.create_server(("127.0.0.1", 0))
        local = socket.socket(socket.AF_UNIX)
        local.bind(str(path))
        local.listen()
        for listener in (near, local):
            threading.Thread(target=_greet, args=(listener,), daemon=True).start()
        yield near.getsockname()[1], path
        near.close()
        local.close()


def _greet(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.sendall(b"hello")
        connection.close()


def python(code: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]


def test_lines_are_heard_as_they_come_and_errors_apart(sandbox: Sandbox, cwd: Path) -> None:
    heard: list[tuple[str, bool]] = []
    command = "echo one; echo trouble >&2; while [ ! -e go ]; do sleep 0.02; done; printf two"

    def hear(line: str) -> None:
        heard.append((line, (cwd / "go").exists()))
        (cwd / "go").touch()

    result = sandbox.run(["sh", "-c", command], cwd=cwd, heard=hear, limits=Limits(seconds=20))
    assert result.exit_code == 0
    assert heard == [("one", False), ("two", True)]
    assert "trouble\n" in result.output


def test_a_long_line_is_cut_and_the_next_is_whole(sandbox: Sandbox, cwd: Path) -> None:
    heard: list[str] = []
    code = "print('x' * (9 << 20)); print('after')"
    sandbox.run(python(code), cwd=cwd, heard=heard.append)
    assert [len(heard[0]), heard[1]] == [8 << 20, "after"]


def test_a_command_is_talked_with(sandbox: Sandbox, cwd: Path) -> None:
    code = """
        import sys
        print("ready", file=sys.stderr)
        for line in sys.stdin:
            print(line.strip().upper(), flush=True)
            if line == "bye\\n":
                break
    """
    with sandbox.converse(python(code), cwd=cwd) as conversation:
        deadline = time.monotonic() + 20
        for word in ("hello", "bye"):
            conversation.send(word, deadline)
            assert conversation.line(20) == word.upper()
        with pytest.raises(Closed):
            conversation.line(20)
        assert conversation.outcome().code == 0
        with pytest.raises(Closed):
            conversation.send("anyone?", deadline)
    assert conversation.errors == "ready\n"


def test_one_that_does_not_listen_is_left_at_the_deadline(sandbox: Sandbox, cwd: Path) -> None:
    with (
        sandbox.converse(["sleep", "60"], cwd=cwd) as conversation,
        pytest.raises(TimeoutError),
    ):
        conversation.send("x" * 1_000_000, time.monotonic() + 0.3)
    assert conversation.outcome().code != 0


def test_sending_is_given_up_at_once_when_nobody_wants_it_any_more(
    sandbox: Sandbox, cwd: Path
) -> None:
    asked = iter([False, False])
    with (
        sandbox.converse(["sleep", "60"], cwd=cwd) as conversation,
        pytest.raises(Interrupted),
    ):
        deadline = time.monotonic() + 60
        conversation.send("x" * 1_000_000, deadline, lambda: next(asked, True))


def test_what_was_given_up_in_its_middle_is_a_line_of_its_own(sandbox: Sandbox, cwd: Path) -> None:
    """And what had not begun is none."""
    code = """
        import pathlib, sys, time
        while not pathlib.Path("go").exists():
            time.sleep(0.02)
        for line in sys.stdin:
            print(len(line), flush=True)
    """
    with sandbox.converse(python(code), cwd=cwd) as conversation:
        for given_up in ("x" * 1_000_000, "y" * 7):
            with pytest.raises(TimeoutError):
                conversation.send(given_up, time.monotonic() + 0.3)
        (cwd / "go").touch()
        conversation.send("after", time.monotonic() + 20)
        assert [conversation.line(20) for _ in range(2)] == ["1000001", "6"]


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_bytes_are_counted_where_no_line_ends(sandbox: Sandbox, cwd: Path, stream: str) -> None:
    code = f"import sys; sys.{stream}.write('x' * 3_000_000)"
    counted: list[int] = []
    sandbox.run(python(code), cwd=cwd, heard=lambda line: None, counted=counted.append)
    assert sum(counted) == 3_000_000
    counted.clear()
    with sandbox.converse(python(code), cwd=cwd, counted=counted.append) as conversation:
        conversation.outcome()
    assert sum(counted) == 3_000_000


def test_of_long_lines_only_so_many_wait_and_none_is_lost(sandbox: Sandbox, cwd: Path) -> None:
    code = """
        import pathlib
        for number in range(60):
            print(str(number) + "x" * (1 << 20), flush=True)
            pathlib.Path("said").write_text(str(number + 1))
    """
    said = cwd / "said"
    with sandbox.converse(python(code), cwd=cwd) as conversation:
        lines = [conversation.line(20)]
        time.sleep(3)
        assert int(said.read_text()) < 40
        lines += [conversation.line(20) for _ in range(59)]
        with pytest.raises(Closed):
            conversation.line(20)
    assert [(line or "").rstrip("x") for line in lines] == [str(number) for number in range(60)]


def test_one_that_floods_is_ended_all_the_same(sandbox: Sandbox, cwd: Path) -> None:
    with sandbox.converse(["yes"], cwd=cwd) as conversation:
        assert conversation.line(20) == "y"
    assert conversation.outcome().code != 0


def test_a_gateway_is_the_only_thing_within_reach(
    confined: Sandbox, cwd: Path, gateway: tuple[int, Path]
) -> None:
    code = """
        import socket, sys
        for port in sys.argv[1:]:
            try:
                print(socket.create_connection(("127.0.0.1", int(port)), timeout=5).recv(9))
            except OSError:
                print("denied")
    """
    with socket.create_server(("127.0.0.1", 0)) as other:
        argv = python(code, gateway[0], other.getsockname()[1])
        result = confined.run(argv, cwd=cwd, gateway=gateway)
        assert result.output == "b'hello'\ndenied\n"
        assert confined.run(argv, cwd=cwd).output == "denied\ndenied\n"


def test_nobody_can_take_the_gateways_place(
    confined: Sandbox, cwd: Path, gateway: tuple[int, Path]
) -> None:
    """What listened there would be given the next program's token."""
    code = """
        import socket, sys
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", int(sys.argv[1])))
    """
    assert confined.run(python(code, gateway[0]), cwd=cwd, gateway=gateway).exit_code == 1


def test_a_program_behind_the_relay_ends_as_it_would_alone(
    confined: Sandbox, cwd: Path, gateway: tuple[int, Path]
) -> None:
    heard: list[str] = []
    argv = ["sh", "-c", "cat; echo $0 $1; exit 3", "a b", "c"]
    result = confined.run(argv, cwd=cwd, gateway=gateway, heard=heard.append)
    assert (result.exit_code, heard) == (3, ["a b c"])
    assert result.duration < 20


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:6379", "localhost:3000", "0.0.0.0"])
def test_this_machine_is_never_an_allowed_host(confined: Sandbox, cwd: Path, host: str) -> None:
    expected = SandboxUnavailable if confined.level is Level.BUBBLEWRAP else HostRefused
    with pytest.raises(expected):
        confined.run(["true"], cwd=cwd, hosts=[host])


def test_an_allowed_host_opens_that_host_only(sandlock: Sandbox, cwd: Path) -> None:
    """Tried with an address of this machine that is not loopback, and its neighbour port."""
    address = _own_address()
    if address is None:
        pytest.skip("HOSTS NOT TRIED: this machine has no address but loopback")
    with socket.create_server((address, 0)) as allowed, socket.create_server((address, 0)) as other:
        ports = [each.getsockname()[1] for each in (allowed, other)]
        code = f"import socket, sys; socket.create_connection(('{address}', int(sys.argv[1])), 5)"
        hosts = [f"{address}:{ports[0]}"]
        codes = [sandlock.run(python(code, p), cwd=cwd, hosts=hosts).exit_code for p in ports]
    assert codes == [0, 1]


def test_every_host_is_every_one_but_this_machine(sandlock: Sandbox, cwd: Path) -> None:
    """Whatever is said for loopback; and who may reach the gateway besides may reach that."""
    code = """
        import socket, sys
        for host in ("127.0.0.1", "127.9.9.9", "0.0.0.0", "::1", "::ffff:127.0.0.1", *sys.argv[2:]):
            try:
                socket.create_connection((host, int(sys.argv[1])), 5)
                print("reached", host)
            except OSError:
                pass
    """
    address = _own_address()
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        argv = python(code, port, *([address] if address else []))
        expected = f"reached {address}\n" if address else ""
        assert sandlock.run(argv, cwd=cwd, hosts=["*"]).output == expected
        found = sandlock.run(argv, cwd=cwd, hosts=["*"], gateway=(port, cwd / "socket")).output
    assert found.splitlines()[0] == "reached 127.0.0.1"


def _own_address() -> str | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


def test_the_services_of_conductor_are_out_of_reach(
    confined: Sandbox, cwd: Path, tmp_path: Path, gateway: tuple[int, Path]
) -> None:
    """Redis and the database by their sockets and files, the API by its port, the home by name."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "conductor.db").write_text("rows")
    (home / "api_token").write_text("token")
    redis = home / "redis.sock"
    with socket.socket(socket.AF_UNIX) as local, socket.create_server(("127.0.0.1", 0)) as api:
        local.bind(str(redis))
        local.listen()
        code = """
            import socket, sys
            tries = [lambda: socket.socket(socket.AF_UNIX).connect(sys.argv[1] + "/redis.sock"),
                     lambda: socket.create_connection(("127.0.0.1", int(sys.argv[2])), 5),
                     lambda: socket.create_connection(("::1", int(sys.argv[2])), 5),
                     lambda: open(sys.argv[1] + "/conductor.db").read(),
                     lambda: open(sys.argv[1] + "/api_token").read(),
                     lambda: open("/proc/self/root" + sys.argv[1] + "/api_token").read()]
            for number, each in enumerate(tries):
                try:
                    each()
                    print("reached", number)
                except OSError:
                    pass
        """
        argv = python(code, home, api.getsockname()[1])
        assert confined.run(argv, cwd=cwd, gateway=gateway).output == ""


Wait = Callable[..., None]

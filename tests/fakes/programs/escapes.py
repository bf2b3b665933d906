"""Tries to get out of a sandbox; prints a line for every way that is open.

escapes.py TARGETS        a JSON object, see the test that runs it
"""

import ctypes
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Attack = Callable[[dict[str, Any]], object]
ATTACKS: dict[str, Attack] = {}
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWUSER, MS_BIND = 0x20000, 0x10000000, 4096
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
IO_URING_SETUP = 425


def attack(name: str) -> Callable[[Attack], Attack]:
    def register(function: Attack) -> Attack:
        ATTACKS[name] = function
        return function

    return register


def found(text: str, targets: dict[str, Any]) -> None:
    if targets["canary"] not in text:
        raise OSError("not there")


def called(result: int) -> None:
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")


def read(path: str, targets: dict[str, Any]) -> None:
    with open(path, errors="replace") as file:
        found(file.read(), targets)


for place in ("home", "ssh", "data", "token", "sibling", "temporary"):

    @attack(f"file in {place}")
    def _plain(targets: dict[str, Any], place: str = place) -> None:
        read(targets[place], targets)

    @attack(f"file in {place} through /proc/self/root")
    def _root(targets: dict[str, Any], place: str = place) -> None:
        read("/proc/self/root" + targets[place], targets)

    @attack(f"file in {place} through another's root")
    def _others_root(targets: dict[str, Any], place: str = place) -> None:
        read(f"/proc/{targets['bystander']}/root{targets[place]}", targets)

    @attack(f"file in {place} through a link")
    def _link(targets: dict[str, Any], place: str = place) -> None:
        link = f"link-{place}"
        os.symlink(targets[place], link)
        read(link, targets)

    @attack(f"file in {place} through a hard link")
    def _hard_link(targets: dict[str, Any], place: str = place) -> None:
        link = f"hard-{place}"
        os.link(targets[place], link)
        read(link, targets)

    @attack(f"file in {place} overwritten")
    def _write(targets: dict[str, Any], place: str = place) -> None:
        with open(targets[place], "r+") as file:
            file.write(targets["canary"])

    @attack(f"file in {place} moved away")
    def _remove(targets: dict[str, Any], place: str = place) -> None:
        os.rename(targets[place], targets[place] + ".gone")
        os.rename(targets[place] + ".gone", targets[place])


@attack("names in the home")
def _names(targets: dict[str, Any]) -> None:
    found("\n".join(os.listdir(os.path.dirname(targets["home"]))), targets)


@attack("the password file")
def _shadow(targets: dict[str, Any]) -> None:
    open("/etc/shadow").close()


@attack("a bind mount in namespaces of its own")
def _mount(targets: dict[str, Any]) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            if LIBC.unshare(CLONE_NEWUSER | CLONE_NEWNS) == -1:
                called(LIBC.unshare(CLONE_NEWNS))
            os.mkdir("mounted")
            source = os.path.dirname(targets["home"]).encode()
            called(LIBC.mount(source, b"mounted", None, MS_BIND, None))
            read(f"mounted/{os.path.basename(targets['home'])}", targets)
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(pid, 0)[1] != 0:
        raise OSError("refused")


@attack("secrets in the environment")
def _environment(targets: dict[str, Any]) -> None:
    found("\n".join(os.environ.values()), targets)


@attack("secrets in another's environment")
def _others_environment(targets: dict[str, Any]) -> None:
    read(f"/proc/{targets['bystander']}/environ", targets)


@attack("secrets in anybody's environment")
def _anybodys_environment(targets: dict[str, Any]) -> None:
    texts = []
    for each in Path("/proc").glob("[0-9]*/environ"):
        try:
            texts.append(each.read_text(errors="replace"))
        except OSError:
            continue
    found("\n".join(texts), targets)


@attack("another's memory")
def _memory(targets: dict[str, Any]) -> None:
    open(f"/proc/{targets['bystander']}/mem", "rb").close()


@attack("tracing another")
def _ptrace(targets: dict[str, Any]) -> None:
    called(LIBC.ptrace(PTRACE_ATTACH, targets["bystander"], None, None))
    os.waitpid(targets["bystander"], 0)
    LIBC.ptrace(PTRACE_DETACH, targets["bystander"], None, None)


@attack("a signal to another")
def _signal(targets: dict[str, Any]) -> None:
    os.kill(targets["bystander"], signal.SIGWINCH)


@attack("capabilities")
def _capabilities(targets: dict[str, Any]) -> None:
    status = Path("/proc/self/status").read_text()
    effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))
    if int(effective, 16) == 0:
        raise OSError("none")


@attack("io_uring")
def _io_uring(targets: dict[str, Any]) -> None:
    parameters = ctypes.create_string_buffer(120)
    called(LIBC.syscall(IO_URING_SETUP, 1, parameters))


def connect(family: int, address: object) -> None:
    """Whether it is permitted: an address that never answers is not waited for."""
    with socket.socket(family) as probe:
        probe.setblocking(False)
        code = probe.connect_ex(address)  # type: ignore[arg-type]
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "refused")
        if code == 0:
            return
        probe.setblocking(True)
        probe.settimeout(2)
        # Of a network of its own it may try its own loopback, where nobody listens.
        if code := probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, "refused")
        try:
            probe.getpeername()
        except OSError:
            if family == socket.AF_INET and str(address).startswith("('127."):
                raise


for service in ("redis", "postgresql", "abstract"):

    @attack(f"the socket of {service}")
    def _socket(targets: dict[str, Any], service: str = service) -> None:
        address = targets[service]
        connect(socket.AF_UNIX, address.replace("@", "\0", 1))


@attack("the API's port")
def _api(targets: dict[str, Any]) -> None:
    socket.create_connection(("127.0.0.1", targets["port"]), timeout=2).close()


@attack("the API's port by another address of this machine")
def _api_address(targets: dict[str, Any]) -> None:
    if targets["address"] is None:
        raise OSError("it has none")
    socket.create_connection((targets["address"], targets["port"]), timeout=2).close()


@attack("the network")
def _network(targets: dict[str, Any]) -> None:
    connect(socket.AF_INET, ("192.0.2.1", 443))


@attack("a datagram")
def _datagram(targets: dict[str, Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.sendto(b"out", ("192.0.2.1", 53))


@attack("raw packets")
def _raw(targets: dict[str, Any]) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()


@attack("its own interpreter overwritten")
def _programs(targets: dict[str, Any]) -> None:
    with open(os.__file__, "ab"):
        pass


@attack("a program of the worktree in another's place")
def _path(targets: dict[str, Any]) -> None:
    Path("git").write_text("#!/bin/sh\necho taken over\n")
    os.chmod("git", 0o755)
    said = subprocess.run(["git", "--version"], capture_output=True, text=True).stdout
    if "taken over" not in said:
        raise OSError("the system's own")


def main() -> None:
    targets: dict[str, Any] = json.loads(sys.argv[1])
    for name, attempt in ATTACKS.items():
        try:
            attempt(targets)
        except (OSError, KeyError, ValueError):
            continue
        print(f"POSSIBLE: {name}")
    print(f"tried: {', '.join(ATTACKS)}")


main()

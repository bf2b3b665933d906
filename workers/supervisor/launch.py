"""Starts one command at its level of confinement."""

import contextlib
import ctypes
import importlib
import os
import signal
import sys
from typing import Any, Protocol

Order = dict[str, Any]
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
PR_CAPBSET_DROP = 24
CAPABILITY_VERSION_3 = 0x20080522
TMP_BYTES = str(256 << 20)
BARE_PYTHON = (sys.executable, "-I", "-S")
# Every address but those of loopback, of no network and of the link; the last two are IPv6's.
ELSEWHERE = (
    *("1.0.0.0/8", "2.0.0.0/7", "4.0.0.0/6", "8.0.0.0/5", "16.0.0.0/4", "32.0.0.0/3"),
    *("64.0.0.0/3", "96.0.0.0/4", "112.0.0.0/5", "120.0.0.0/6", "124.0.0.0/7", "126.0.0.0/8"),
    *("128.0.0.0/3", "160.0.0.0/5", "168.0.0.0/8", "169.0.0.0/9", "169.128.0.0/10"),
    *("169.192.0.0/11", "169.224.0.0/12", "169.240.0.0/13", "169.248.0.0/14", "169.252.0.0/15"),
    *("169.255.0.0/16", "170.0.0.0/7", "172.0.0.0/6", "176.0.0.0/4", "192.0.0.0/2"),
    *("[2000::/3]", "[fc00::/7]"),
)
RELAY = os.path.join(os.path.dirname(__file__), "relay.py")


class Child(Protocol):
    """The direct child of the supervisor that holds the command."""

    pid: int
    # A signal to a guard would end everything before the command has been asked to end.
    is_guard: bool
    # How many processes belong to the confinement, not to the command.
    overhead: int

    def wait(self) -> int:
        """Wait for the end and reap: the exit code, or minus the number of the killing signal."""


class Spawned:
    """A child started directly: the command itself, or bubblewrap around it."""

    def __init__(self, argv: list[str], env: dict[str, str], *, overhead: int = 0) -> None:
        self.pid = os.posix_spawn(argv[0], argv, env, setpgroup=0, setsigmask=())
        self.is_guard = overhead > 0
        self.overhead = overhead

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Sandlocked:
    """A child under Landlock and seccomp; sandlock's own threads in this process supervise it."""

    is_guard = False
    overhead = 0

    def __init__(self, order: Order) -> None:
        sandlock = importlib.import_module("sandlock")
        _drop_capabilities()
        self._process = sandlock.Sandbox(**_sandlock_policy(order)).popen(
            order["argv"], stdin=sandlock.StdioMode.INHERIT
        )
        self.pid = self._process.pid

    def wait(self) -> int:
        result = self._process.wait()
        if result.signal > 0:
            return -int(result.signal)
        # Of what was killed it knows no signal, and says -1 for the code.
        return int(result.exit_code) if result.exit_code >= 0 else -signal.SIGKILL


def prepare(level: str, tool: str) -> None:
    """Load what the level needs, before there is an order; a failure shows when it is used."""
    if level == "sandlock":
        sys.path.append(tool)
        with contextlib.suppress(ImportError, OSError):
            importlib.import_module("sandlock")


def launch(order: Order) -> Child:
    if order["level"] == "sandlock":
        return Sandlocked(order)
    if order["level"] == "bubblewrap":
        return Spawned(_bubblewrap(order), order["env"], overhead=3 if order["gateway"] else 2)
    return Spawned(order["argv"], order["env"])


def _sandlock_policy(order: Order) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "fs_readable": [*order["readable"], "/proc", *_existing(DEVICES)],
        "fs_writable": [order["cwd"], order["private"], *order["writable"], *_existing(DEVICES)],
        "cwd": order["cwd"],
        "clean_env": True,
        "env": order["env"],
        "max_processes": order["limits"]["processes"],
    }
    if order["network"]:
        return policy | {"net_allow": ["*:*", "udp://*:*"], "net_allow_bind": ["*"]}
    allowed = [f"tcp://{host}" for host in order["hosts"]]
    if order["elsewhere"]:
        allowed += [f"{kind}://{network}:*" for network in ELSEWHERE for kind in ("tcp", "udp")]
    if (port := order["loopback_port"]) is not None:
        allowed += [f"tcp://127.0.0.1:{port}", f"tcp://[::1]:{port}"]
        policy["net_allow_bind"] = [port]
    if order["gateway"]:
        allowed.append(f"tcp://127.0.0.1:{order['gateway'][0]}")
    return policy | {"net_allow": allowed}


def _bubblewrap(order: Order) -> list[str]:
    argv = [order["tool"], "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    if order["network"] or order["loopback_port"] is not None:
        argv.append("--share-net")
    argv += ["--proc", "/proc", "--dev", "/dev", "--size", TMP_BYTES, "--tmpfs", "/tmp"]
    for path in order["readable"]:
        argv += _link_or_bind(path)
    for path in (order["private"], *order["writable"], order["cwd"]):
        argv += ["--bind", path, path]
    if order["gateway"] and "--share-net" not in argv:
        port, socket = order["gateway"]
        argv += ["--bind", socket, socket, "--chdir", order["cwd"], "--"]
        with open(RELAY) as file:
            relay = file.read()
        return [*argv, *BARE_PYTHON, "-c", relay, str(port), socket, *order["argv"]]
    return [*argv, "--chdir", order["cwd"], "--", *order["argv"]]


def _link_or_bind(path: str) -> list[str]:
    """/bin is a link into /usr on most systems; what a link leads to is bound by itself."""
    if os.path.islink(path) and path.count("/") == 1:
        return ["--symlink", os.readlink(path), path]
    return ["--ro-bind", path, path]


def _existing(paths: tuple[str, ...]) -> list[str]:
    return [path for path in paths if os.path.exists(path)]


def _drop_capabilities() -> None:
    """Root inside the sandbox is no root: without capabilities it can't lift its own limits."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    capability = 0
    while libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capset")

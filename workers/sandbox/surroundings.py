"""What every confined command finds around it: a clean environment and the system's own files."""

import os
import sys
from collections.abc import Mapping
from functools import cache
from glob import glob
from pathlib import Path

SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store")
# Of /etc only what programs need to work: no shadow passwords, no keys, no service's secrets.
CONFIGURATION = tuple(
    f"/etc/{name}"
    for name in (
        *("alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies"),
        *("debian_version", "fonts", "gai.conf", "group", "host.conf", "hostname", "hosts"),
        *("inputrc", "java", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "locale.alias"),
        *("localtime", "magic", "mime.types", "nsswitch.conf", "os-release", "passwd", "perl"),
        *("pki/ca-trust", "pki/tls/cert.pem", "pki/tls/certs", "pki/tls/openssl.cnf"),
        *("profile", "protocols", "resolv.conf", "services", "shells"),
        *("ssl/cert.pem", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone"),
    )
)


def search_path() -> str:
    """PATH for commands: the programs beside Conductor's own interpreter first."""
    return os.pathsep.join((str(Path(sys.executable).parent), *SYSTEM_PATH))


def environment(private: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """A clean environment: nothing is inherited; `private` is the command's home and scratch."""
    return {
        "PATH": search_path(),
        "HOME": str(private),
        "TMPDIR": str(private),
        "LANG": "C.UTF-8",
        # No compiled Python among the files of an attempt; what is compiled is still read.
        "PYTHONDONTWRITEBYTECODE": "1",
        # Closed to it, and git takes a closed configuration for an error.
        "GIT_CONFIG_NOSYSTEM": "1",
        **extra,
    }


@cache
def system_files() -> tuple[str, ...]:
    """What any command may read: programs, some of /etc, and this interpreter's own files."""
    # The last one: where the links of a virtual environment's interpreter end.
    interpreter = str(Path(sys.executable).resolve().parents[1])
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, interpreter}
    wanted = (*PROGRAMS, *CONFIGURATION, *sorted(glob("/etc/python3*")), *sorted(prefixes))
    return tuple(path for path in wanted if os.path.exists(path))

"""Whether a Docker client has a daemon: alone it can run nothing."""

import subprocess

PROBE_SECONDS = 10


class Silent(Exception):
    """No daemon answers; its text is what was seen instead."""


def version(client: str) -> str:
    """Of the daemon that answers this client. Raises Silent."""
    try:
        answer = subprocess.run(
            [client, "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Silent(str(error)) from error
    if answer.returncode != 0:
        raise Silent(answer.stderr.strip().rpartition("\n")[2])
    return answer.stdout.strip()

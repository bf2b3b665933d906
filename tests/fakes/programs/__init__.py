"""Stand-ins for coding-agent programs, and the settings that make connectors run them."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
CODER = FOLDER / "coder.py"
ACP_AGENT = FOLDER / "acp_agent.py"
GATEWAY_ENV = {"ANTHROPIC_BASE_URL": "{gateway}", "ANTHROPIC_API_KEY": "{token}"}


def choose(home: Path, connector: str, argv: Sequence[str], **choices: Any) -> None:
    """Let the connector run that command line, in the settings of this data directory."""
    chosen = {"program": "stand-in", "argv": list(argv), "readable": [str(FOLDER)], **choices}
    write(home, {connector: chosen})


def write(home: Path, connectors: Mapping[str, Any]) -> None:
    # JSON is YAML.
    (home / "conductor.yml").write_text(json.dumps({"connectors": connectors}))


def coder(home: Path, *, fails: bool = False, **choices: Any) -> None:
    """The small coding agent, with its model behind the gateway."""
    given = {"protocol": "messages", "env": GATEWAY_ENV, **choices}
    argv = [sys.executable, str(CODER), "{prompt}"]
    if fails:
        argv = ["sh", "-c", '"$@"; echo there is no way >&2; exit 1', "program", *argv]
    choose(home, "command", argv, **given)


def shell(home: Path, script: str, **choices: Any) -> None:
    """A program that is a shell script and asks no model."""
    choose(home, "command", ["sh", "-c", script, "program", "{prompt}"], **choices)


def acp_agent(home: Path, behaviour: str = "", **choices: Any) -> None:
    """The small ACP agent, with its model behind the gateway."""
    given = {"protocol": "messages", "env": GATEWAY_ENV, **choices}
    choose(home, "acp", [sys.executable, str(ACP_AGENT), *filter(None, [behaviour])], **given)

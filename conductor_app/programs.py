"""The coding-agent programs that Conductor knows: how each is started, what it speaks, its caps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Literal

ParserName = Literal["claude-code", "codex", "gemini", "aider", "plain"]
Protocol = Literal["messages", "responses"]
# A word of a command line, or words that are left out when what they name was not chosen.
Words = str | tuple[str, ...]
# What words and variables may name in braces.
PLACEHOLDERS: Mapping[str, str] = {
    "prompt": "What it has to do, as one word; of more than 100 kB, which file to read",
    "prompt_file": "The file with all that it has to do",
    "worktree": "The directory that it works in",
    "model": "The model's id, behind the gateway always one",
    "max_turns": "Its own limit of turns, as chosen",
    "max_usd": "Its own limit of cost, in USD, as chosen",
    "permission_mode": "As chosen, else as Conductor starts the program that it knows",
    "gateway": "The address of the model gateway; with `protocol` only",
    "token": "What the gateway admits this attempt by; with `protocol` only",
}
# Of those, what there is behind the model gateway only.
AT_GATEWAY = ("gateway", "token")
# What an ACP agent is told that may do nothing it asks for.
DENY = "deny"


@dataclass(frozen=True)
class Program:
    """A program and how it is started.

    `protocol` is what it speaks to the model gateway, which calls with the key of `upstream` (a
    connector); a program without one calls its provider itself, with its own key (`pass_env`) over
    `hosts`, so nothing but its own word limits what it spends: a soft cap.
    """

    name: str
    argv: tuple[Words, ...]
    parser: ParserName = "plain"
    install: str = ""
    protocol: Protocol | None = None
    upstream: str = ""
    # Whose models it uses, as genai-prices has them: what its tokens cost.
    provider: str = ""
    model: str | None = None
    # What it may do unasked: inside the sandbox, and where the sandbox confines nothing.
    permission_mode: str | None = None
    unconfined_mode: str | None = None
    # All that it takes for one; nothing where nobody knows.
    permission_modes: tuple[str, ...] = ()
    max_turns: int | None = None
    max_usd: Decimal | None = None
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    pass_env: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    readable: tuple[Path, ...] = ()

    @property
    def soft_cap(self) -> bool:
        """Whether it spends without asking: Conductor only counts afterwards."""
        return self.protocol is None


_CLAUDE_ENV = {
    "ANTHROPIC_BASE_URL": "{gateway}",
    "ANTHROPIC_API_KEY": "{token}",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_MAX_RETRIES": "2",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
}
_CLAUDE_TOOLS = "Read,Edit,Write,MultiEdit,NotebookEdit,Glob,Grep,Bash,TodoWrite,Task"
_CLAUDE_CODE = Program(
    name="claude-code",
    argv=(
        *("claude", "-p", "--output-format=stream-json", "--verbose"),
        *("--setting-sources=", "--strict-mcp-config", f"--allowedTools={_CLAUDE_TOOLS}"),
        ("--permission-mode={permission_mode}",),
        ("--model={model}",),
        ("--max-turns={max_turns}",),
        ("--max-budget-usd={max_usd}",),
        *("--", "{prompt}"),
    ),
    parser="claude-code",
    install="npm install -g @anthropic-ai/claude-code",
    protocol="messages",
    upstream="claude",
    provider="anthropic",
    permission_mode="dontAsk",
    permission_modes=(
        *("default", "manual", "acceptEdits", "plan", "auto", "dontAsk", "bypassPermissions"),
    ),
    env=MappingProxyType(_CLAUDE_ENV),
)
_CODEX = Program(
    name="codex",
    argv=(
        *("codex", "exec", "--json", "--skip-git-repo-check", "--ephemeral"),
        "--ignore-user-config",
        ("-s", "{permission_mode}"),
        ("-m", "{model}"),
        *("-c", 'model_provider="conductor"'),
        *("-c", 'model_providers.conductor.name="Conductor"'),
        *("-c", 'model_providers.conductor.base_url="{gateway}/v1"'),
        *("-c", 'model_providers.conductor.env_key="CONDUCTOR_GATEWAY_TOKEN"'),
        *("-c", 'model_providers.conductor.wire_api="responses"'),
        *("-c", "model_providers.conductor.request_max_retries=2"),
        *("-c", "model_providers.conductor.stream_max_retries=2"),
        *("-c", "analytics.enabled=false"),
        # The gateway can't tell beforehand what an image costs there.
        *("-c", "features.view_image=false"),
        *("--", "{prompt}"),
    ),
    parser="codex",
    install="npm install -g @openai/codex",
    protocol="responses",
    upstream="codex",
    provider="openai",
    # Its own sandbox can't be set up inside ours, nor with a home among temporary files.
    permission_mode="danger-full-access",
    permission_modes=("read-only", "workspace-write", "danger-full-access"),
    env=MappingProxyType({"CONDUCTOR_GATEWAY_TOKEN": "{token}"}),
)
_AIDER = Program(
    name="aider",
    argv=(
        *("aider", "--yes-always", "--no-git", "--no-auto-commits", "--no-check-update"),
        *("--no-show-release-notes", "--analytics-disable", "--no-pretty", "--no-stream"),
        ("--model", "anthropic/{model}"),
        *("--message-file", "{prompt_file}"),
    ),
    parser="aider",
    install="python -m pip install aider-install && aider-install",
    protocol="messages",
    upstream="claude",
    env=MappingProxyType({"ANTHROPIC_API_BASE": "{gateway}", "ANTHROPIC_API_KEY": "{token}"}),
)
_GEMINI = Program(
    name="gemini",
    argv=(
        *("gemini", "--prompt={prompt}", "--output-format=stream-json"),
        ("--approval-mode={permission_mode}",),
        ("--model={model}",),
    ),
    parser="gemini",
    install="npm install -g @google/gemini-cli",
    provider="google",
    permission_mode="yolo",
    unconfined_mode="auto_edit",
    pass_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    hosts=("generativelanguage.googleapis.com",),
)
# Of the connector `command`, by name.
COMMANDS: Mapping[str, Program] = {
    each.name: each for each in (_CLAUDE_CODE, _CODEX, _GEMINI, _AIDER)
}
_CLAUDE_ACP = Program(
    name="claude-agent-acp",
    argv=("claude-agent-acp",),
    install="npm install -g @agentclientprotocol/claude-agent-acp",
    protocol="messages",
    upstream="claude",
    env=MappingProxyType({**_CLAUDE_ENV, "ANTHROPIC_MODEL": "{model}"}),
)
_GEMINI_ACP = Program(
    name="gemini-acp",
    argv=("gemini", "--acp", ("--model={model}",)),
    install=_GEMINI.install,
    pass_env=_GEMINI.pass_env,
    hosts=_GEMINI.hosts,
)
# Of the connector `acp`, by name.
ACP_AGENTS: Mapping[str, Program] = {each.name: each for each in (_CLAUDE_ACP, _GEMINI_ACP)}
BY_CONNECTOR: Mapping[str, Mapping[str, Program]] = {"command": COMMANDS, "acp": ACP_AGENTS}
DEFAULTS: Mapping[str, str] = {"command": "claude-code", "acp": "claude-agent-acp"}

"""The parser of each program's stream, by name."""

from collections.abc import Callable, Mapping

from workers.connectors.programs.claude_code import ClaudeCode
from workers.connectors.programs.codex import Codex
from workers.connectors.programs.gemini import Gemini
from workers.connectors.programs.plain import Aider, Plain
from workers.connectors.programs.report import Parser

PARSERS: Mapping[str, Callable[[], Parser]] = {
    "claude-code": ClaudeCode,
    "codex": Codex,
    "gemini": Gemini,
    "aider": Aider,
    "plain": Plain,
}

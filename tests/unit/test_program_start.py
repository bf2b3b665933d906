"""How a program is started: its command line, its environment, and where it is found."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conductor_app import program_settings
from conductor_app.errors import InvalidSettings
from conductor_app.programs import COMMANDS, Program
from conductor_app.settings import Settings
from workers.connectors.programs import start
from workers.failures import AttemptFailed

MINE = Program("mine", ("mine", "--quiet", ("--model", "{model}"), "{prompt}"))


def test_words_that_need_what_was_not_chosen_are_left_out() -> None:
    values = {"prompt": "do it", "model": None}
    assert start.command_line(MINE, values) == ["mine", "--quiet", "do it"]
    assert start.command_line(MINE, {**values, "model": "m"})[2:4] == ["--model", "m"]


def test_a_word_alone_needs_its_value() -> None:
    with pytest.raises(AttemptFailed, match=r"needs \{model\}, and none is chosen"):
        start.command_line(replace(MINE, argv=("mine", "{model}")), {"model": None})


@pytest.mark.parametrize("prompt", ["{model} {prompt}", "$(rm -rf /) `x` ; 'y'", "--version"])
def test_a_prompt_is_one_word_and_nothing_in_it_is_filled_in(tmp_path: Path, prompt: str) -> None:
    word = start.prompt_word(prompt, tmp_path)
    assert start.command_line(MINE, {"prompt": word, "model": None})[-1].strip() == prompt
    assert not word.startswith("-")


def test_a_prompt_too_long_for_a_command_line_is_read_from_its_file(tmp_path: Path) -> None:
    word = start.prompt_word("ä" * 60_000, tmp_path / "prompt.md")
    assert str(tmp_path / "prompt.md") in word
    assert len(word) < 1_000


def test_a_key_of_its_own_is_passed_on_only_where_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MY_KEY", "k")
    monkeypatch.setenv("OTHER_KEY", "o")
    program = replace(MINE, pass_env=("MY_KEY",), env={"URL": "{gateway}", "FIXED": "1"})
    assert start.variables(program, {"gateway": None}) == {"FIXED": "1", "MY_KEY": "k"}
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(AttemptFailed, match="Set MY_KEY where the workers run") as failure:
        start.variables(program, {"gateway": None})
    assert failure.value.kind == "CREDENTIALS"


Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A program on PATH, as a file or as a link to one."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def make(place: str, text: str = "#!/bin/sh\n", linked: bool = True) -> Path:
        file = tmp_path / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
        if linked:
            (tmp_path / "bin").mkdir(exist_ok=True)
            (tmp_path / "bin" / "mine").symlink_to(file)
        return file

    return make


def test_of_a_node_program_all_packages_are_readable(install: Install, tmp_path: Path) -> None:
    node = install("node/bin/node", linked=False)
    text = "#!/usr/bin/env node\n"
    install("lib/node_modules/mine/cli.js", text)
    (tmp_path / "bin" / "node").symlink_to(node)
    found = start.find(MINE)
    assert found.file == tmp_path / "bin" / "mine"
    assert tmp_path / "lib" / "node_modules" in found.readable
    assert node in found.readable
    assert str(tmp_path / "bin") in found.path.split(":")


def test_of_a_python_program_its_environment_is_readable(install: Install, tmp_path: Path) -> None:
    """And the library of the Python that it was made with."""
    install("tool/bin/mine", f"#!{sys.executable}\n")
    (tmp_path / "tool" / "pyvenv.cfg").write_text("home = /opt/python/bin\nversion = 3.12\n")
    found = start.find(MINE)
    assert {tmp_path / "tool", Path("/opt/python")} <= set(found.readable)


def test_of_a_binary_nothing_else_is_readable(install: Install, tmp_path: Path) -> None:
    file = install("share/versions/2.1/mine", "\x7fELF")
    assert set(start.find(MINE).readable) == {file, tmp_path / "bin" / "mine"}


def test_what_is_not_there_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    program = replace(COMMANDS["codex"], argv=("no-such-codex",))
    with pytest.raises(AttemptFailed, match="`npm install -g @openai/codex`") as failure:
        start.find(program)
    assert (failure.value.kind, failure.value.retryable) == ("NOT_INSTALLED", False)


def of(home: Path, text: str, **wanted: Any) -> Program:
    (home / "conductor.yml").write_text(f"connectors: {{command: {text}}}")
    return program_settings.load(Settings.load(home)).of("command", **wanted)


def test_settings_choose_and_an_agents_win(tmp_path: Path) -> None:
    text = "{program: codex, model: one, agents: {api: {program: aider}, test: {model: two}}}"
    assert of(tmp_path, text).model == "one"
    assert of(tmp_path, text, agent="api").name == "aider"
    assert of(tmp_path, text, agent="test", model="workflows").model == "two"
    assert of(tmp_path, text, model="workflows").model == "workflows"


def test_an_agents_other_program_is_started_as_that_one_is(tmp_path: Path) -> None:
    text = "{program: mine, argv: [mine], model: one, agents: {api: {program: claude-code}}}"
    chosen = of(tmp_path, text, agent="api")
    assert (chosen.argv, chosen.model) == (COMMANDS["claude-code"].argv, None)
    same = "{program: mine, argv: [mine], agents: {api: {program: mine, max_turns: 3}}}"
    assert of(tmp_path, same, agent="api").argv == ("mine",)


def test_the_environment_is_above_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDUCTOR_COMMAND_PROGRAM", "gemini")
    monkeypatch.setenv("CONDUCTOR_COMMAND_MAX_TURNS", "7")
    chosen = of(tmp_path, "{program: codex}")
    assert (chosen.name, chosen.max_turns, chosen.soft_cap) == ("gemini", 7, True)


def test_another_program_of_the_environment_is_started_as_that_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "{program: mine, argv: [mine], model: one, agents: {api: {max_turns: 3}}}"
    monkeypatch.setenv("CONDUCTOR_COMMAND_PROGRAM", "codex")
    assert of(tmp_path, text) == COMMANDS["codex"]
    assert of(tmp_path, text, agent="api") == replace(COMMANDS["codex"], max_turns=3)
    monkeypatch.setenv("CONDUCTOR_COMMAND_PROGRAM", "mine")
    assert of(tmp_path, text).argv == ("mine",)


def test_a_preset_can_be_changed_and_keeps_the_rest(tmp_path: Path) -> None:
    chosen = of(tmp_path, "{program: claude-code, protocol: none, env: {X: y}}")
    assert chosen.soft_cap
    assert chosen.env["X"] == "y"
    assert chosen.env["ANTHROPIC_BASE_URL"] == "{gateway}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{program: clod-code}", "Did you mean `claude-code`"),
        ("{program: mine}", "say how yours is started, with `argv`"),
        ("{max_turns: none}", "max_turns"),
        ("{prosram: codex}", "Did you mean `program`"),
        (
            "{agents: {api: {silence: 3, agents: {}}}}",
            r"there is no setting `silence`.*agents\.api: `agents` is a setting of the connector "
            "and not of one agent",
        ),
        ("{hosts: [127.0.0.1]}", r"hosts\.0 is '127\.0\.0\.1': it is this machine"),
        ("{agents: {api: {hosts: ['localhost:80']}}}", r"agents\.api\.hosts\.0 is 'localhost:80'"),
        ("{hosts: ['https://example.com']}", "Write `name` or `name:port`"),
        (
            "{program: mine, argv: [mine, '{promt_file}']}",
            r"connectors\.command: in `argv` .*`\{promt_file\}`. Did you mean `\{prompt_file\}`\?",
        ),
        ("{agents: {api: {argv: [a, [-x, '{zzz}']]}}}", r"agents\.api: .*\{zzz\}.*Known: \{prompt"),
        ("{env: {URL: '{gatewey}/v1'}}", r"in `env` .*`\{gatewey\}`. Did you mean `\{gateway\}`"),
        (
            "{program: mine, argv: [mine], env: {URL: '{gateway}'}}",
            r"`env` of mine names \{gateway\}, and without `protocol` it has no gateway",
        ),
        ("{program: mine, argv: [mine, [-k, '{token}']]}", r"`argv` of mine names \{token\}"),
        ("{protocol: none, env: {URL: '{gateway}'}}", r"of claude-code names \{gateway\}"),
        (
            "{permission_mode: acceptedits}",
            "for claude-code there is no permission_mode `acceptedits`. Did you mean `acceptEdits`",
        ),
        ("{program: codex, permission_mode: yes-please}", "Known: read-only, workspace-write"),
    ],
)
def test_wrong_settings_say_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidSettings, match=said):
        of(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "{program: gemini, permission_mode: whatever-it-knows}",
        "{program: mine, argv: [mine, '{permission_mode}'], permission_mode: mine}",
        # Of a version that knows more: what is written out is nobody's to judge.
        "{argv: [claude, --permission-mode=new], permission_mode: new}",
    ],
)
def test_a_permission_mode_of_what_nobody_knows_is_its_own_matter(
    tmp_path: Path, text: str
) -> None:
    assert of(tmp_path, text).permission_mode is not None


def test_braces_around_anything_else_are_left_as_they_are(tmp_path: Path) -> None:
    words = ["{}", "${name}", '{"a": "b"}', "{ print }", "{{.Names}}", "{A}"]
    chosen = of(tmp_path, json.dumps({"program": "mine", "argv": ["mine", *words]}))
    assert start.command_line(chosen, {}) == ["mine", *words]


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("PORGRAM", "CONDUCTOR_COMMAND_PORGRAM: there is no setting `porgram`.*`program`"),
        ("MAX_TURNS", "CONDUCTOR_COMMAND_MAX_TURNS: max_turns is 'x'"),
        ("ARGV", r"CONDUCTOR_COMMAND_ARGV: .* written in conductor\.yml"),
    ],
)
def test_a_variable_that_is_wrong_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, said: str
) -> None:
    monkeypatch.setenv(f"CONDUCTOR_COMMAND_{variable}", "x")
    with pytest.raises(InvalidSettings, match=said):
        of(tmp_path, "{}")


@pytest.mark.parametrize(
    ("text", "right"), [("{permission_mode: deny}", True), ("{permission_mode: dney}", False)]
)
def test_what_an_acp_agent_may_do_is_not_guessed(tmp_path: Path, text: str, right: bool) -> None:
    """Whatever is not `deny` would allow all that it asks for."""
    (tmp_path / "conductor.yml").write_text(f"connectors: {{acp: {text}}}")
    settings = program_settings.load(Settings.load(tmp_path))
    if right:
        assert settings.of("acp").permission_mode == "deny"
        return
    with pytest.raises(InvalidSettings, match=r"no permission_mode `dney`\. Did you mean `deny`"):
        settings.of("acp")

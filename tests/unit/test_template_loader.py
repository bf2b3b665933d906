"""Templates from YAML: everything that is wrong, at its line and column, in one go."""

from pathlib import Path

import pytest

from conductor_app import catalog
from conductor_app.errors import InvalidWorkflow, NotFound
from conductor_app.workflows import loader
from conductor_app.workflows.loader import LocatedProblem, Registered

GAPS = "phases are numbered from 0 without gaps"
DATA = Path(__file__).parent / "data"
SMALL = """\
name: small
title: Small
phases:
  - number: 0
    name: Only
    tasks:
      - {key: a, title: A, agent: models, prompt: Do A}
      - {key: b, title: B, agent: api, prompt: Do B}
"""


def problems(text: str, registered: Registered = loader.BUILT_IN) -> list[LocatedProblem]:
    with pytest.raises(InvalidWorkflow) as caught:
        loader.parse(text, "t.yml", registered)
    found: list[LocatedProblem] = caught.value.details["problems"]
    return found


def sentences(text: str) -> list[str]:
    return [str(problem) for problem in problems(text)]


def test_a_broken_template_has_all_its_problems_reported_at_once() -> None:
    path = DATA / "broken.yml"
    found = {(p.line, p.column, p.message, p.suggestion) for p in loader.check(path)}
    expected = {
        (3, 1, "unknown field `drivr`", "driver"),
        (12, 31, "agent `quality` is required, but has no task in phase 0", None),
        (16, 9, "there is no agent `modles`", "models"),
        (17, 9, "there is no input `titel`", "title"),
        (18, 9, "tasks wait for each other: 0/base-types -> 0/endpoints -> 0/base-types", None),
        (24, 9, "there is no milestone of phase 0 `healthh`", "health"),
        (32, 28, "there is no task `later-on`", None),
        (34, 9, "nothing can complete milestone `health`: no task of phase 0 names it", None),
        (35, 9, "nothing can complete milestone `nobody`: no task of phase 0 names it", None),
        (37, 27, "agent `realtime` is required, but has no task in phase 0", None),
        (38, 5, f"phase `Second` has number 2 where 1 follows; {GAPS}", None),
    }
    assert expected <= found
    assert any(p.line == 27 and p.suggestion == "http" for p in loader.check(path))
    assert any(p.line == 25 and "timeout" in p.message for p in loader.check(path))


def test_problems_come_in_the_order_of_the_text_and_name_their_file() -> None:
    path = DATA / "broken.yml"
    found = loader.check(path)
    assert [p.line for p in found] == sorted(p.line for p in found)
    assert {p.file for p in found} == {str(path)}


def test_a_valid_template_loads_with_its_warnings() -> None:
    loaded = loader.parse(SMALL + "services:\n  api: {run: serve}\n", "small.yml")
    assert loaded.workflow.name == "small"
    assert [(w.severity, w.line, w.message) for w in loaded.warnings] == [
        ("warning", 10, "service `api` is never used")
    ]


def test_an_input_is_of_use_to_an_agent_in_python() -> None:
    given = "inputs:\n  style: {type: string}\n"
    [warning] = loader.parse(SMALL + given, "small.yml").warnings
    assert warning.message == "input `style` is never used"
    agent = "agents:\n  api: {function: 'mine:Agent'}\n"
    assert not loader.parse(SMALL + given + agent, "small.yml").warnings


def test_the_sentence_says_the_place_and_what_was_meant() -> None:
    [sentence] = sentences(SMALL.replace("agent: api", "agent: apii"))
    assert sentence == "t.yml:8:28: error: there is no agent `apii` (did you mean `api`?)"


@pytest.mark.parametrize(
    ("change", "line", "words"),
    [
        (("title: Small", "title: [Small"), 3, "expected"),
        (("title: Small", "title: a: b"), 2, "needs quotes"),
        (("title: Small", "title: !!python/object:os.system x"), 2, "tags such as"),
        (("title: Small", "title: Small\ntitle: Again"), 3, "written twice"),
        (("title: Small", "\ttitle: Small"), 2, "tab"),
        (("title: Small", "title: *nothing"), 2, "has no anchor"),
        (("title: Small", "<<: {title: Small}"), 2, "merge keys"),
        (("title: Small", "title: Small\n---\nname: b"), 3, ""),
        (("number: 0", "number: zero"), 4, "`number` must be a whole number"),
        (("key: a", "key: Not A Slug"), 7, "small letters, digits and single hyphens"),
        (("agent: models, ", ""), 7, "`agent` is missing"),
        (("prompt: Do A", "prompt: Do A, produces: [../x]"), 7, "leaves the project"),
        (
            ("prompt: Do A", "prompt: Do A, retry: {backoff: linar}"),
            7,
            "`backoff` can't be `linar`",
        ),
        (("prompt: Do A", "prompt: Do A, needs: [1.5]"), 7, "item 1 of `needs` must be a text"),
        (("prompt: Do A", "prompt: Do A, needs: b"), 7, "`needs` must be a list"),
    ],
)
def test_what_can_be_wrong_with_one_line(change: tuple[str, str], line: int, words: str) -> None:
    found = problems(SMALL.replace(*change))
    assert any(p.line == line and words in p.message for p in found), found


def test_a_list_with_bad_items_is_not_called_empty() -> None:
    assert sentences("name: x\ntitle: X\nphases: [1]\n") == [
        "t.yml:3:10: error: item 1 of `phases` must be a mapping"
    ]
    assert sentences("name: x\ntitle: X\nphases: []\n") == [
        "t.yml:3:1: error: `phases` must not be empty"
    ]


def test_unknown_fields_are_corrected_wherever_they_stand() -> None:
    check = "{name: c, kind: http, service: api, requests: [{path: /, statuss: 201}]}"
    text = SMALL.replace("prompt: Do A", f"promt: Do A, checks: [{check}]")
    text += "services:\n  api: {run: serve, ready: {pth: /live}}\n"
    text += "agents:\n  models: {priorty: 3}\n"
    suggested = {(p.message, p.suggestion) for p in problems(text)}
    assert suggested >= {
        ("unknown field `promt`", "prompt"),
        ("unknown field `statuss`", "status"),
        ("unknown field `pth`", "path"),
        ("unknown field `priorty`", "priority"),
    }


def test_words_that_older_yaml_took_for_booleans_are_words() -> None:
    text = SMALL.replace("prompt: Do A", "prompt: yes, retry: {on: [TIMEOUT]}")
    task = loader.parse(text, "t.yml").workflow.task("0/a")
    assert (task.prompt, task.retry.on) == ("yes", ("TIMEOUT",))


def test_aliases_share_values_and_cannot_blow_up() -> None:
    text = SMALL.replace("Do A", "&words Do A").replace("Do B", "*words")
    assert loader.parse(text, "t.yml").workflow.task("0/b").prompt == "Do A"
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
    )
    [problem] = problems(bomb)
    assert "aliases written out" in problem.message
    [problem] = problems("a: &a [*a]\n")
    assert "has no anchor `&a` that ended" in problem.message


def test_depth_and_size_are_bounded() -> None:
    [problem] = problems("a: " + "[" * 100_000)
    assert "nested deeper" in problem.message
    [problem] = problems("a: " + "x" * 4_000_001)
    assert "larger than" in problem.message


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "just words\n"])
def test_what_is_not_a_mapping_is_said_to_be_none(text: str) -> None:
    [problem] = problems(text)
    assert "a template is a mapping" in problem.message


def test_a_file_that_is_not_text_is_one_located_problem(tmp_path: Path) -> None:
    path = tmp_path / "latin.yml"
    path.write_bytes(b"name: caf\n  \xe9\n")
    [problem] = loader.check(path)
    assert (problem.line, problem.column) == (2, 3)
    with pytest.raises(InvalidWorkflow, match="not UTF-8"):
        loader.load(path)


def test_a_control_character_has_its_place() -> None:
    [problem] = problems(SMALL.replace("Small\n", "Sm\x07ll\n"))
    assert problem.line == 2


def test_names_and_paths_are_found_or_the_nearest_is_named() -> None:
    assert "project-conductor" in loader.builtin_names()
    with pytest.raises(NotFound, match="Did you mean `project-conductor`"):
        loader.load("project-conducter")


def test_versions_depend_on_the_text_and_not_on_line_ends() -> None:
    plain = loader.parse(SMALL, "a.yml")
    windows = loader.parse("\ufeff" + SMALL.replace("\n", "\r\n") + "\r\n\r\n", "b.yml")
    assert plain.version == windows.version == loader.version_of(SMALL)
    assert loader.parse(SMALL.replace("Do A", "Do it"), "a.yml").version != plain.version


def test_a_kept_version_is_parsed_once() -> None:
    loaded = loader.parse(SMALL, "a.yml")
    again = loader.parse_version(loaded.version, loaded.text)
    assert again == loaded.workflow
    assert loader.parse_version(loaded.version, loaded.text) is again
    with pytest.raises(InvalidWorkflow, match="another version of Conductor"):
        loader.parse_version("0" * 64, "name: [")


def test_what_is_registered_elsewhere_is_only_warned_about() -> None:
    text = SMALL + "agents:\n  models: {connector: repaly}\n"
    [warning] = loader.parse(text, "t.yml").warnings
    assert (warning.severity, warning.suggestion) == ("warning", "replay")
    assert "replay, and refuses to start this" in warning.message
    assert loader.parse(text, "t.yml", Registered(catalog.AGENTS)).warnings == []


def test_every_built_in_workflow_is_valid() -> None:
    for name in loader.builtin_names():
        errors = [p for p in loader.check(name) if p.severity == "error"]
        assert not errors, "\n".join(map(str, errors))

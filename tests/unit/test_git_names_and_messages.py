"""Names that git is given, places it is sent to, and messages that it keeps."""

from pathlib import Path

import pytest

from conductor_app.domain.location import InvalidLocation
from workers.git import names
from workers.git.errors import InvalidName
from workers.git.messages import compose
from workers.git.program import without_secrets
from workers.workspace import Repository


@pytest.mark.parametrize("name", ["main", "conductor/01J8", "a.b-c_d/e+f", "v1.0"])
def test_ordinary_names_are_written_in_full(name: str) -> None:
    assert names.branch_ref(name) == f"refs/heads/{name}"
    assert names.tag_ref(name) == f"refs/tags/{name}"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-u",
        "--upload-pack=touch",
        "a..b",
        "a b",
        "a//b",
        "a/.b",
        "a/",
        "a.",
        "a.lock",
        "a.lock/b",
        "a@{1}",
        "a\nb",
        "a\0b",
        "a~1",
        "a:b",
        "../../etc",
        "ä",
    ],
)
def test_names_that_could_be_misread_are_refused(name: str) -> None:
    for make in (names.branch_ref, names.tag_ref, names.attempt_ref, names.kept_ref):
        with pytest.raises(InvalidName):
            make(name)


def test_only_hidden_refs_are_published() -> None:
    ref = names.attempt_ref("01J8")
    assert names.checked_hidden(ref) == "refs/conductor/attempts/01J8"
    for other in ("refs/heads/main", "refs/conductor/-u", "refs/conductor/a/../../heads/main"):
        with pytest.raises(InvalidName):
            names.checked_hidden(other)


@pytest.mark.parametrize("place", ["--upload-pack=touch /tmp/x", "ext::sh -c id", "ftp://x/a"])
def test_no_repository_is_opened_at_what_git_would_execute(place: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidLocation):
        Repository.open(place, tmp_path)


def test_trailers_are_a_paragraph_of_their_own() -> None:
    text = compose(
        "Add the API\n\nWith words.\n", {"Conductor-Task": "0/api", "Conductor-Job": "7"}
    )
    assert text == "Add the API\n\nWith words.\n\nConductor-Task: 0/api\nConductor-Job: 7\n"
    assert compose("Add the API", {}) == "Add the API\n"
    assert compose(" \n", {}) == "Work without a description\n"


def test_passwords_in_urls_are_left_out() -> None:
    said = "fatal: could not read from https://me:geheim@example.org/a.git, nor x@example.org"
    assert without_secrets(said) == (
        "fatal: could not read from https://***@example.org/a.git, nor x@example.org"
    )


def test_a_value_can_not_begin_a_trailer_of_its_own() -> None:
    text = compose("Add", {"Conductor-Task": "0/api\nConductor-Job: 7"})
    assert text.splitlines()[-1] == "Conductor-Task: 0/api Conductor-Job: 7"

"""The search for secrets finds what is hidden, wherever it is."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.fakes import secrecy

CANARY = 'canary "in" a/place'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "home" / "logs").mkdir(parents=True)
    (tmp_path / "work" / ".conductor").mkdir(parents=True)
    subprocess.run(["git", "init", "--quiet", str(tmp_path / "work")], check=True)
    return tmp_path


def search(place: Path) -> list[str]:
    url = f"sqlite:///{place / 'rows.db'}"
    return secrecy.leaks(place / "home", url, place / "work", [CANARY])


def test_where_nothing_is_nothing_is_found(place: Path) -> None:
    (place / "home" / "api.token").write_text(CANARY)
    (place / "home" / "logs" / "api.log").write_text("a canary sang")
    assert not search(place)


@pytest.mark.parametrize("name", ["home/logs/worker.log", "home/a", "work/.conductor/errors.log"])
@pytest.mark.parametrize("told", [CANARY, 'canary \\"in\\"', "canary%20%22in%22", "Y2FuYXJ5ICJpbi"])
def test_files(place: Path, name: str, told: str) -> None:
    wholes = [form for form in secrecy._forms(CANARY) if form.startswith(told)]
    (place / name).write_text(f"x{wholes[0]}y")
    assert search(place)


def test_rows_of_every_table(place: Path) -> None:
    with create_engine(f"sqlite:///{place / 'rows.db'}").begin() as connection:
        connection.execute(text("create table words (id integer, said text)"))
        connection.execute(text("insert into words values (1, :said)"), {"said": CANARY})
    assert search(place)


def test_objects_that_no_ref_names(place: Path) -> None:
    command = ["git", "-C", str(place / "work"), "hash-object", "-w", "--stdin"]
    subprocess.run(command, input=CANARY.encode(), check=True, capture_output=True)
    assert search(place)

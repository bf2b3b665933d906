"""Secret files: one secret for everybody who asks, however many ask at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conductor_app.errors import EnvironmentProblem
from conductor_app.secretfile import read_or_create


def test_many_at_once_get_the_same_secret(tmp_path: Path) -> None:
    for round in range(20):
        path = tmp_path / f"secret-{round}"
        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(read_or_create, [path] * 8))) == 1
    assert len(list(tmp_path.iterdir())) == 20, "drafts are removed"


def test_an_empty_file_is_never_taken_for_a_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    with pytest.raises(EnvironmentProblem, match="is empty"):
        read_or_create(tmp_path / "secret")


def test_a_secret_written_by_a_person_is_kept(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mine\n")
    assert read_or_create(tmp_path / "secret") == "mine"

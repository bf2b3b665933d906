"""I12: no secret in anything that Conductor leaves behind, searched for byte by byte."""

import base64
import json
import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import MetaData, create_engine, select

from conductor_app.places import Places

# What is there to hold secrets, readable by its owner alone.
KEEPERS = ("api.token", "secret.key", "redis.password", "conductor.yml", "run", "redis")


def leaks(
    home: Path, database_url: str, repository: Path | None, canaries: Iterable[str]
) -> list[str]:
    """Where which canary was found; nothing is as it should be."""
    forms = {form: each for each in canaries for form in _forms(each)}
    assert forms, "without canaries nothing can be found"
    places = [*_files(home), *_rows(database_url)]
    if repository is not None:
        places += [*_objects(repository), *_read(repository / ".conductor")]
    return [
        f"{form[:20]}... of {forms[form][:12]}... in {place}"
        for place, text in places
        for form in forms
        if form.encode() in text
    ]


def found_in(text: str, canaries: Iterable[str]) -> list[str]:
    """The canaries in a text, such as what a command has printed."""
    return [each for each in canaries for form in _forms(each) if form in text]


def _forms(secret: str) -> set[str]:
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], encoded}


def _files(home: Path) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(home.iterdir()):
        if entry.name not in KEEPERS:
            yield from _read(entry)


def _read(place: Path) -> Iterator[tuple[str, bytes]]:
    # What is still at work removes files and folders meanwhile, which this walk is not hurt by.
    walk = [] if place.is_file() else os.walk(place)
    beneath = [Path(folder, name) for folder, folders, files in walk for name in folders + files]
    for path in sorted(beneath) or [place]:
        yield str(path), str(path).encode()
        with suppress(FileNotFoundError):
            if path.is_file() and not path.is_symlink():
                yield str(path), path.read_bytes()


def _rows(database_url: str) -> Iterator[tuple[str, bytes]]:
    engine = create_engine(database_url)
    tables = MetaData()
    try:
        tables.reflect(engine)
        with engine.connect() as connection:
            for table in tables.sorted_tables:
                for row in connection.execute(select(table)):
                    text = "\n".join(
                        each if isinstance(each, str) else json.dumps(each, default=str)
                        for each in row
                    )
                    yield f"table {table.name}", text.encode("utf-8", "replace")
    finally:
        engine.dispose()


def _objects(repository: Path) -> Iterator[tuple[str, bytes]]:
    """Everything in the object database, whether something refers to it or not, and the refs."""
    listed = subprocess.run(
        ["git", "-C", str(repository), "cat-file", "--batch-all-objects", "--batch"],
        capture_output=True,
        check=True,
    )
    yield f"objects of {repository}", listed.stdout
    git_dir = repository / ".git" if (repository / ".git").is_dir() else repository
    for name in ("refs", "logs", "packed-refs", "worktrees"):
        yield from _read(git_dir / name)


def secrets_of(home: Path) -> list[str]:
    """What a data directory's own secret files hold."""
    places = Places(home)
    files = (places.api_token, places.secret_key, places.redis_password)
    return [file.read_text().strip() for file in files if file.exists()]

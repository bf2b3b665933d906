"""The example of docs/workflows.md and docs/agents.md, installed and run as the pages say."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from conductor_app.cli.demo_repository import create_demo_repository
from tests.docs import pages

CONDUCTOR = [sys.executable, "-m", "conductor_app.cli.main"]
WORKFLOWS, AGENTS = pages.ROOT / "docs/workflows.md", pages.ROOT / "docs/agents.md"


def installed(folder: Path) -> Path:
    """The example's package as pip would leave it, in a folder for PYTHONPATH."""
    module = pages.blocks(AGENTS, "python")[0].text
    project = tomllib.loads(pages.blocks(AGENTS, "toml")[0].text)
    (name,) = project["tool"]["setuptools"]["py-modules"]
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (folder / f"{name}.py").write_text(module)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    with (about / "entry_points.txt").open("w") as entries:
        for group, names in project["project"]["entry-points"].items():
            entries.write(f"[{group}]\n")
            entries.writelines(f"{each} = {place}\n" for each, place in names.items())
    return folder


def test_the_example_runs_to_its_end(home: Path, tmp_path: Path) -> None:
    packages = installed(tmp_path / "packages")
    template = tmp_path / "release.yml"
    template.write_text(pages.blocks(WORKFLOWS, "yaml")[0].text)
    repository = tmp_path / "project"
    create_demo_repository(repository)
    order = ["run", str(template), "--project", str(repository), "--input", "version=1.4.0"]
    ran = subprocess.run(
        [*CONDUCTOR, *order, "--json"],
        env={**os.environ, "PYTHONPATH": f"{pages.ROOT}:{packages}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    branch = json.loads(ran.stdout)["data"]["execution"]["branch"]
    shown = subprocess.run(
        ["git", "-C", str(repository), "show", f"{branch}:CHANGES.md", f"{branch}:WORDS.txt"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("# 1.4.0\n")
    assert "CHANGES.md" in shown.stdout

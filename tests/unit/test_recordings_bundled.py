"""The recordings of project-conductor; tests/acceptance/test_run_newcomer.py plays them all."""

from conductor_app import catalog, recordings
from conductor_app.workflows import loader

NAME = "project-conductor"
RECORDED = recordings.recorded_attempts(NAME)
RECORDED_PHASES = (0, 1)


def test_every_task_of_the_recorded_phases_is_recorded() -> None:
    plan = loader.load(NAME).workflow.plan(catalog.AGENTS)
    assert {task.key for task in plan if task.phase in RECORDED_PHASES} == set(RECORDED)


def test_the_bundled_workflow_has_no_problems() -> None:
    assert loader.check(NAME) == []


def test_every_recording_says_that_people_wrote_it() -> None:
    for task, attempts in RECORDED.items():
        for attempt in attempts:
            file = recordings.recording_file(NAME, task, attempt)
            header = recordings.read_recording(file).header
            assert (header.author, header.note) == ("people", "written by people, not by a model")

"""What a data directory needs before anything can run on it."""

from conductor_app.settings import Settings
from conductor_app.stack import datadir
from conductor_app.store import migrations


def make_ready(settings: Settings) -> None:
    """Make the data directory and its database where there is none yet, as for a first run.

    A schema that is there stays as it is: others may be at work with it. So does a database server,
    where making it is somebody's task of its own. Raises DataDirectoryProblem, NoPlace.
    """
    datadir.prepare(settings.home)
    migrations.make(settings.database_url)

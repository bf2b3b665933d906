"""The Celery application of the workers, as `celery --app workers.app` finds it."""

from conductor_app import bootstrap
from conductor_app.settings import Settings
from workers import messages

messages.guard_redis()
app = bootstrap.celery_app(Settings.load())
app.conf.update(
    imports=("workers.tasks",),
    worker_pool="threads",
    worker_consumer=f"{messages.__name__}:{messages.Consumer.__name__}",
)

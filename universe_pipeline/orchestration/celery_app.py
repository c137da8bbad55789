"""The app that `universe worker` gives to Celery: it executes a run as its only task.

Celery reads `app`, which is made then: importing the module needs no broker, and changes nothing.
"""

from functools import cache

from celery import Celery

from universe_pipeline.orchestration.celery_launcher import app_of, required_broker


def __getattr__(name: str) -> Celery:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _app()


@cache
def _app() -> Celery:
    from dagster_celery.tasks import (  # adds a handler to the log
        create_execute_job_task,  # pyright: ignore[reportUnknownVariableType]
    )

    app = app_of(required_broker())
    create_execute_job_task(app)
    return app

"""The app that `universe worker` gives to Celery: it executes a run as its only task."""

from dagster_celery.tasks import (
    create_execute_job_task,  # pyright: ignore[reportUnknownVariableType]
)

from universe_pipeline.orchestration.celery_launcher import app_of, required_broker

app = app_of(required_broker())
execute_run = create_execute_job_task(app)

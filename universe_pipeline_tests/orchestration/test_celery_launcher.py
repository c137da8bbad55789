"""The launcher of `universe worker`, without a broker; the fault suite runs it with one."""

import sys
from collections.abc import Callable, Generator
from ssl import CERT_NONE, CERT_REQUIRED, VerifyMode
from typing import Any

import dagster as dg
import pytest
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from universe_pipeline.domain.errors import SettingsError, UsageError
from universe_pipeline.orchestration.celery_launcher import UniverseCeleryLauncher, app_of
from universe_pipeline.orchestration.execution.instance import is_of_one_host, open_instance
from universe_pipeline.settings import load_settings
from universe_pipeline_tests.support.command_in_process import Command

BROKER = "redis://:sesame@127.0.0.1:1/0"


@dg.job
def empty_job() -> None:
    """Of no op."""


@pytest.fixture
def instance(
    command: Command, as_user: Callable[[dict[str, str]], None]
) -> Generator[dg.DagsterInstance]:
    """The instance of a host on which `init --celery` ran."""
    command("init", "--celery")
    as_user({"UNIVERSE_BROKER_URL": BROKER})
    with open_instance(load_settings()) as instance:
        yield instance


def test_the_launcher_has_the_broker_of_the_settings_and_no_file_has_it(
    instance: dg.DagsterInstance,
) -> None:
    launcher = instance.run_launcher

    assert isinstance(launcher, UniverseCeleryLauncher)
    assert launcher.celery.conf.broker_url == BROKER
    assert "sesame" not in str(instance.get_ref())
    assert not launcher.supports_check_run_worker_health
    assert not launcher.supports_resume_run


def test_without_a_broker_the_setting_is_named(
    command: Command, as_user: Callable[[dict[str, str]], None]
) -> None:
    command("init", "--celery")
    as_user({})

    with pytest.raises(SettingsError, match="UNIVERSE_BROKER_URL is not set"):
        _ = open_instance(load_settings()).run_launcher


def test_without_the_extra_the_services_do_not_start(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "universe_pipeline.orchestration.celery_launcher", None)

    with pytest.raises(UsageError, match="Install the extra celery or kubernetes"):
        is_of_one_host(instance)


def test_a_run_of_a_command_is_not_terminated(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(empty_job)

    assert not instance.run_launcher.terminate(run.run_id)
    assert not instance.run_launcher.terminate("unknown")
    assert instance.get_run_by_id(run.run_id) == run


@pytest.mark.parametrize(
    ("query", "verified"), [("", CERT_REQUIRED), ("?ssl_cert_reqs=none", CERT_NONE)]
)
def test_a_brokers_certificate_is_verified_unless_its_address_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, query: str, verified: VerifyMode
) -> None:
    monkeypatch.setenv("UNIVERSE_BROKER_URL", f"rediss://:sesame@127.0.0.1:1/0{query}")

    app: Any = app_of(load_settings().broker_url or "")  # untyped

    assert app.connection().ssl == {"ssl_cert_reqs": verified}
    assert app.backend.connparams["ssl_cert_reqs"] == verified


def test_a_run_that_has_ended_is_not_terminated(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(
        empty_job, tags={DAGSTER_CELERY_TASK_ID_TAG: "1"}, status=dg.DagsterRunStatus.SUCCESS
    )

    assert not instance.run_launcher.terminate(run.run_id)
    assert instance.get_run_by_id(run.run_id) == run


def test_a_worker_holds_the_run_at_work_alone() -> None:
    app: Any = app_of(BROKER)  # untyped
    settings = app.conf

    assert settings.task_acks_late
    assert settings.worker_prefetch_multiplier == settings.worker_concurrency == 1
    assert settings.broker_transport_options["visibility_timeout"] == 120

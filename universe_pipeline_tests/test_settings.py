"""Settings: defaults, sources, and every wrong one reported at once."""

import os
from pathlib import Path

import pytest

from universe_pipeline.domain.errors import SettingsError
from universe_pipeline.domain.thresholds import Thresholds
from universe_pipeline.settings import Settings, load_settings, no_key

NAMES = [
    "MASSIVE_API_KEY",
    "DAGSTER_HOME",
    "LOG_LEVEL",
    *(name.upper() for name in Settings.model_fields),
]


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def refusal() -> list[str]:
    """The lines in which the settings are refused."""
    with pytest.raises(SettingsError) as refused:
        load_settings()
    return str(refused.value).splitlines()


def test_the_defaults_are_those_of_the_documentation() -> None:
    found = load_settings()

    assert found.polygon_api_key is None
    assert found.polygon_base_url == "https://api.massive.com"
    assert found.polygon_rate_limit == 5
    assert found.polygon_max_per_second == 90
    assert found.universe_concurrency == 50
    assert found.universe_batch_size is None
    assert found.universe_database_url is None
    assert str(found.universe_start_date) == "2003-09-10"
    assert found.universe_types == ("CS",)
    assert found.universe_sessions_per_run is None
    assert found.universe_revisit_sessions == 3
    assert found.universe_accept_vendor is False
    assert found.log_level == "INFO"
    assert found.thresholds == Thresholds(
        rows_error=0.1, rows_warn=0.03, repeated=0.01, vwap=0.02, jump=0.5, stale=5,
        benchmarks=("SPY", "AAPL", "MSFT", "BRK.A"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("account", "home"), [(0, "/var/lib/universe_pipeline"), (1000, "/u/ann/.universe_pipeline")]
)
def test_the_home_depends_on_who_runs_it(
    monkeypatch: pytest.MonkeyPatch, account: int, home: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: account)
    monkeypatch.setenv("HOME", "/u/ann")

    found = load_settings()

    assert str(found.universe_home) == home
    assert str(found.effective_dagster_home) == f"{home}/dagster"


def test_folders_may_be_relative_or_begin_with_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/u/ann")
    monkeypatch.setenv("UNIVERSE_HOME", "here")
    monkeypatch.setenv("DAGSTER_HOME", "~/dagster")

    found = load_settings()

    assert found.universe_home == tmp_path / "here"
    assert str(found.effective_dagster_home) == "/u/ann/dagster"


def test_a_file_in_the_working_folder_is_read_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("POLYGON_RATE_LIMIT=7\nUNIVERSE_TYPES=CS, ADRC\nOTHERS=x\n")
    monkeypatch.setenv("POLYGON_RATE_LIMIT", "9")

    found = load_settings()

    assert found.polygon_rate_limit == 9
    assert found.universe_types == ("CS", "ADRC")


def test_a_wrong_value_is_shown_with_the_file_in_which_it_stands(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POLYGON_RATE_LIMIT=fast\n")

    (line,) = refusal()

    assert line.startswith(f"POLYGON_RATE_LIMIT='fast' in {tmp_path}/.env is not usable: ")


def test_an_empty_variable_does_not_hide_where_a_wrong_value_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("POLYGON_RATE_LIMIT=fast\n")
    monkeypatch.setenv("POLYGON_RATE_LIMIT", "")

    (line,) = refusal()

    assert line.startswith(f"POLYGON_RATE_LIMIT='fast' in {tmp_path}/.env is not usable: ")


def test_a_missing_key_is_said_with_the_folder_in_which_the_file_was_looked_for(
    tmp_path: Path,
) -> None:
    file = tmp_path / ".env"

    without = no_key()
    file.write_text("POLYGON_RATE_LIMIT=7\n")

    assert f"not set in the environment, and there is no {file}: put" in without
    assert f"not set in the environment or in {file}: put" in no_key()


def test_the_key_may_go_by_the_vendors_new_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASSIVE_API_KEY", "new-name")

    assert load_settings().require_api_key() == "new-name"


def test_a_wrong_key_is_not_shown_under_either_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASSIVE_API_KEY", "a secret")

    (line,) = refusal()

    assert "secret" not in line
    assert line.endswith("bearer header only")


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_key_is_none(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", blank)

    assert load_settings().polygon_api_key is None


def test_of_both_names_of_the_key_the_first_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASSIVE_API_KEY", "new-name")
    monkeypatch.setenv("POLYGON_API_KEY", "old-name")

    assert load_settings().require_api_key() == "old-name"


def test_secrets_are_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYGON_API_KEY", "key-that-must-not-leak")
    monkeypatch.setenv("UNIVERSE_DATABASE_URL", "postgresql://me:must-not-leak@db/bars")
    monkeypatch.setenv("UNIVERSE_ALERT_URL", "https://hooks.example.com/must-not-leak")
    monkeypatch.setenv("UNIVERSE_ALERT_MAIL", "smtps://me:must-not-leak@m.example/?to=a@b.example")
    monkeypatch.setenv("UNIVERSE_HEARTBEAT_URL", "http://127.0.0.1:8080/must-not-leak")
    monkeypatch.setenv("UNIVERSE_BROKER_URL", "redis://:must-not-leak@db:6379/0")

    found = load_settings()

    assert "must-not-leak" not in f"{found!r} {found} {found.model_dump()}"
    assert found.database_url == "postgresql://me:must-not-leak@db/bars"
    assert found.broker_url == "redis://:must-not-leak@db:6379/0"


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")

    found = load_settings()

    assert (found.polygon_rate_limit, found.database_url, found.polygon_api_key) == (5, None, None)


def test_every_wrong_setting_is_reported_in_a_line_of_its_own_without_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wrong = {
        "POLYGON_RATE_LIMIT": "fast",
        "POLYGON_BASE_URL": "http://example.com",
        "UNIVERSE_DATABASE_URL": "mysql://me:secret@x/y",
        "UNIVERSE_BROKER_URL": "amqp://me:secret@x/y",
        "UNIVERSE_START_DATE": "1999-01-04",
        "LOG_LEVEL": "LOUD",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)

    lines = refusal()

    assert sorted(line.split("=")[0] for line in lines) == sorted(wrong)
    assert "secret" not in "".join(lines)
    assert any(
        line.startswith("POLYGON_RATE_LIMIT='fast' in the environment is not") for line in lines
    )


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("POLYGON_RATE_LIMIT", "-1", "0 = unpaced"),
        ("POLYGON_RATE_LIMIT", "5.5", "0 = unpaced"),
        ("POLYGON_BASE_URL", "api.massive.com", "https://"),
        ("POLYGON_BASE_URL", "https://me:secret@api.massive.com", "https://"),
        ("POLYGON_BASE_URL", "https://api.massive.com?apiKey=secret", "https://"),
        ("POLYGON_BASE_URL", "https://api.massive.com:abc", "https://"),
        ("POLYGON_BASE_URL", "https://api.massive.com:0", "https://"),
        ("POLYGON_BASE_URL", "https://api massive.com", "https://"),
        ("POLYGON_API_KEY", "a secret", "bearer"),
        ("POLYGON_API_KEY", "secret ", "bearer"),
        ("UNIVERSE_CONCURRENCY", "0", "most requests in flight"),
        ("UNIVERSE_BATCH_SIZE", "0", "most rows"),
        ("UNIVERSE_START_DATE", "2003-09-09", "2003-09-10"),
        ("UNIVERSE_START_DATE", "2090-01-02", "2003-09-10"),
        ("UNIVERSE_START_DATE", "yesterday", "2003-09-10"),
        ("UNIVERSE_SESSIONS_PER_RUN", "0", "unset = all"),
        ("UNIVERSE_BROKER_URL", "redis://:secret@host:99999/0", "redis://"),
        ("UNIVERSE_BROKER_URL", "redis://:℀secret@host/0", "redis://"),
        ("UNIVERSE_LOCATION", "a location: here", "code location"),
        ("UNIVERSE_REVISIT_SESSIONS", "-1", "trailing sessions"),
        ("UNIVERSE_TYPES", " , ", "CS,ADRC"),
        ("UNIVERSE_QUALITY_ROWS_ERROR", "0", "like 0.1"),
        ("UNIVERSE_QUALITY_JUMP", "nan", "like 0.5"),
        ("UNIVERSE_QUALITY_STALE", "20", "equal closes"),
        ("UNIVERSE_QUALITY_BENCHMARKS", " , ", "SPY,AAPL"),
        ("UNIVERSE_ACCEPT_VENDOR", "perhaps", "1 ="),
        ("UNIVERSE_ALERT_URL", "http://hooks.example.com/secret", "https://"),
        ("UNIVERSE_ALERT_URL", "https://me:secret@hooks.example.com/", "https://"),
        ("UNIVERSE_ALERT_URL", "hooks.example.com/secret", "https://"),
        ("UNIVERSE_HEARTBEAT_URL", "https://[secret", "https://"),
        ("UNIVERSE_HEARTBEAT_URL", "https://hooks.example.com:0/secret", "https://"),
        ("UNIVERSE_ALERT_MAIL", "smtps://me:secret@mail.example.com", "?to="),
        ("UNIVERSE_ALERT_MAIL", "smtps://me:℀secret@host/?to=a@b.example", "?to="),
        ("UNIVERSE_ALERT_MAIL", "smtp://me:secret@mail.example.com/?to=a@b.example", "smtps://"),
        ("UNIVERSE_ALERT_MAIL", "smtps://me:secret@mail.example.com/?to=a@b&cc=c@d", "smtps://"),
        ("LOG_LEVEL", "VERBOSE", "DEBUG, INFO"),
    ],
)
def test_a_wrong_value_is_reported_with_its_name_and_what_is_accepted(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, accepted: str
) -> None:
    monkeypatch.setenv(variable, value)

    (line,) = refusal()

    assert line.startswith(f"{variable}=")
    assert accepted in line.partition("Accepted: ")[2]
    assert "secret" not in line


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:1", "https://vendor.example.com/api"]
)
def test_plain_http_is_for_loopback(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("POLYGON_BASE_URL", url)

    assert load_settings().polygon_base_url == url


@pytest.mark.parametrize("level", ["debug", "Debug", " DEBUG "])
def test_the_log_level_may_be_written_in_any_case(
    monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)

    assert load_settings().log_level == "DEBUG"


def test_either_scheme_of_a_database_url_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNIVERSE_DATABASE_URL", "postgres://me@db/bars")

    assert load_settings().database_url == "postgresql://me@db/bars"


def test_a_byte_order_mark_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("POLYGON_RATE_LIMIT=7\n", encoding="utf-8-sig")

    assert load_settings().polygon_rate_limit == 7


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("# clé\nUNIVERSE_TYPES=CS\n".encode("latin-1"), "line 1 of {} is not UTF-8"),
        (b"LOG_LEVEL=INFO\nUNIVERSE_TYPES=\xff\n", "line 2 of {} is not UTF-8"),
        ("POLYGON_API_KEY=secret\n".encode("utf-16"), "{} is UTF-16"),
        ("POLYGON_API_KEY=secret\n".encode("utf-16-le"), "{} is UTF-16"),
        (b"UNIVERSE_TYPES=CS\nPOLYGON_API_KEY secret\n", "line 2 of {} is not usable"),
        (b"POLYGON_API_KEY\n", "line 1 of {} is not usable"),
        (b'POLYGON_API_KEY="secret\nUNIVERSE_TYPES=CS\n', "line 1 of {} is not usable"),
    ],
)
def test_a_file_that_cannot_be_read_as_meant_is_refused_in_a_line(
    tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / ".env"
    file.write_bytes(content)

    (line,) = refusal()

    assert line.startswith(says.format(file))
    assert "secret" not in line


def test_a_folder_or_a_link_to_nothing_is_no_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.mkdir()
    assert refusal()[0].startswith(f"{file} is a folder")

    file.rmdir()
    file.symlink_to("nothing")
    assert refusal()[0].startswith(f"{file} is a link to nothing")

    file.unlink()
    file.symlink_to("/dev/null")
    assert load_settings().polygon_api_key is None


def test_a_file_of_another_account_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    (tmp_path / ".env").touch()
    monkeypatch.setattr(Path, "read_bytes", forbidden)  # root may read every file

    assert refusal() == [
        f"{tmp_path}/.env cannot be read (Permission denied): let your account read it"
    ]


def test_a_working_folder_that_was_removed_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert refusal() == ["the working folder was removed: change into another"]


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("POLYGON_RATE_LIMT", "POLYGON_RATE_LIMIT"),
        ("POLYGON_APIKEY", "POLYGON_API_KEY"),
        ("POLGON_API_KEY", "POLYGON_API_KEY"),
        ("UNIVERS_HOME", "UNIVERSE_HOME"),
        ("UNIVERSE_DATABASE", "UNIVERSE_DATABASE_URL"),
        ("UNIVERSE_CONCURENCY", "UNIVERSE_CONCURRENCY"),
        ("MASIVE_API_KEY", "MASSIVE_API_KEY"),
        ("PLOYGON_API_KEY", "POLYGON_API_KEY"),
        ("UNVIERSE_HOME", "UNIVERSE_HOME"),
    ],
)
def test_a_slip_in_a_name_is_named_with_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slip: str, meant: str
) -> None:
    monkeypatch.setenv(slip, "secret")
    assert refusal() == [f"{slip} in the environment is not a setting: did you mean {meant}?"]

    monkeypatch.delenv(slip)
    (tmp_path / ".env").write_text(f"{slip}=secret\nLOG_LEVLE=DEBUG\n")
    assert refusal() == [
        f"{slip} in {tmp_path}/.env is not a setting: did you mean {meant}?",
        f"LOG_LEVLE in {tmp_path}/.env is not a setting: did you mean LOG_LEVEL?",
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MASSIVE_RATE_LIMIT", "did you mean POLYGON_RATE_LIMIT?"),
        ("UNIVERSE_DB_URL", "did you mean UNIVERSE_DATABASE_URL?"),
        ("POLYGON_TOKENS_ABC", "docs/settings.md lists the settings"),
        ("UNIVERSE_COLOURS", ""),
    ],
)
def test_a_name_that_only_begins_as_ours_do_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "secret")

    load_settings()

    (line,) = caplog.messages
    assert line.startswith(f"{name} in the environment is not a setting and has no effect: {hint}")


def test_what_kubernetes_says_of_a_service_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service = {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT_GRPC": "4000",
        "PORT": "tcp://10.0.0.1:4000",
        "PORT_4000_TCP_ADDR": "10.0.0.1",
    }
    for name, value in service.items():
        monkeypatch.setenv(f"UNIVERSE_PIPELINE_{name}", value)
    monkeypatch.setenv("UNIVERSE_PIPELINE_RATE", "5")

    load_settings()

    assert [line.partition(" ")[0] for line in caplog.messages] == ["UNIVERSE_PIPELINE_RATE"]


def test_names_of_other_programs_and_of_both_spellings_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("POLYGONSCAN_API_KEY", "theirs")
    monkeypatch.setenv("POLYGON_API_KEYS", "theirs")
    monkeypatch.setenv("POLYGON_API_KEY", "ours")

    assert load_settings().require_api_key() == "ours"
    assert [line.partition(" ")[0] for line in caplog.messages] == ["POLYGON_API_KEYS"]

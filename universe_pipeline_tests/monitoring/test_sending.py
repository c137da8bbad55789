"""Alerts and heartbeats, sent to a real webhook and a real mail server on loopback."""

import logging
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from psycopg.types.json import Json

from universe_pipeline.adapters.postgres.connection import Connection, Database
from universe_pipeline.domain.alerts import Condition, Kind
from universe_pipeline.domain.quality.rules import Severity
from universe_pipeline.monitoring import sending
from universe_pipeline.monitoring.sending import LOG, WayOut, beat, by_mail, by_url, send_due
from universe_pipeline_tests.support.receivers import (
    PASSWORD,
    USER,
    MailServer,
    Webhook,
    mail_server,
    webhook,
)
from universe_pipeline_tests.support.serving import free_port

AT = datetime(2024, 7, 10, 13, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATE = Condition(Kind.SESSION_LATE, "session 2024-07-09 is late <b>@all</b>", "universe daily")
STUCK = Condition(Kind.JOB_STUCK, "it is stuck", "end it", "j", severity=Severity.WARN)
FOUND, PAGE = "found 2024-07-10 13:00 UTC", "https://d.example.com/"

Tick = Callable[..., int]


@pytest.fixture
def hook() -> Generator[Webhook]:
    with webhook() as hook:
        yield hook


@pytest.fixture
def mailing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[MailServer]:
    with mail_server(tmp_path) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.authority))
        yield server


@pytest.fixture
def tick(connection: Connection) -> Tick:
    """One pass at a moment, with these conditions."""

    def at(now: datetime, found: Sequence[Condition], *ways: WayOut) -> int:
        sending.reconcile(connection, lambda _: found, now)
        return send_due(connection, ways, now, "https://d.example.com")

    return at


def rows(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT key, kind, severity, opened_at, closed_at, sent_at FROM alerts ORDER BY id"
    ).fetchall()


def heads(hook: Webhook) -> list[str]:
    return [text.splitlines()[0] for text in hook.texts]


def test_an_alert_is_sent_once_reminds_daily_and_ends_once(
    tick: Tick, hook: Webhook, connection: Connection
) -> None:
    way = by_url(hook.url)
    for hour in range(3 * 24):
        tick(AT + hour * timedelta(hours=1), [LATE], way)
    for minute in (0, 1, 2):
        tick(AT + timedelta(days=3) + minute * MINUTE, [], way)

    text = f"ERROR session_late: {LATE.text.translate(sending.HARMLESS)}"
    assert "<" not in text
    assert heads(hook) == [
        f"universe: {text}",
        f"universe: still: {text}",
        f"universe: still: {text}",
        f"universe: resolved: {text}",
    ]
    assert rows(connection) == [
        ("session_late", "session_late", "ERROR", AT, *2 * (AT + timedelta(days=3),))
    ]


def test_an_alert_that_gets_worse_is_sent_again_and_one_that_comes_back_is_a_new_one(
    tick: Tick, hook: Webhook, connection: Connection
) -> None:
    way = by_url(hook.url)
    worse = Condition(Kind.JOB_STUCK, "2 are", "end it", "j", severity=Severity.WARN, level=2)
    for minute, found in enumerate(([STUCK], [worse], [worse], [], [STUCK])):
        tick(AT + minute * MINUTE, found, way)

    assert heads(hook) == [
        "universe: WARN job_stuck j: it is stuck",
        "universe: worse: WARN job_stuck j: 2 are",
        "universe: resolved: WARN job_stuck j: 2 are",
        "universe: WARN job_stuck j: it is stuck",
    ]
    assert len(rows(connection)) == 2


def test_a_mail_has_the_text_for_every_recipient(tick: Tick, mailing: MailServer) -> None:
    login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
    way = by_mail(f"smtps://{login}@127.0.0.1:{mailing.port}/?to=a@example.com,b@example.com")

    assert tick(AT, [LATE], way) == 1

    (mail,) = mailing.mails
    assert mailing.recipients == [["a@example.com", "b@example.com"]]
    assert mail["Subject"] == "universe: ERROR session_late"
    assert mail["From"] == USER
    assert "repair: universe daily" in mail.get_content().splitlines()


def test_a_recipient_that_is_refused_stops_no_mail_to_the_others(
    tick: Tick, mailing: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
    way = by_mail(f"smtps://{login}@127.0.0.1:{mailing.port}/?to=gone@example.com,b@example.com")

    for minute in range(3):
        tick(AT + minute * timedelta(hours=1), [LATE, STUCK], way)

    assert mailing.recipients == [["b@example.com"]] * 2
    assert caplog.text.count("the server refuses 1 of its 2 recipients") == 2


def test_a_password_that_smtp_cannot_send_stops_no_other_way(
    tick: Tick, mailing: MailServer, hook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    way = by_mail(f"smtps://me:ä-secret@127.0.0.1:{mailing.port}/?to=a@example.com")

    assert tick(AT, [LATE], way, by_url(hook.url)) == 1
    assert "ASCII only" in caplog.text
    assert "secret" not in caplog.text


def test_a_way_that_fails_stops_no_other_and_is_tried_again_without_its_secret_in_the_log(
    tick: Tick,
    hook: Webhook,
    mailing: MailServer,
    caplog: pytest.LogCaptureFixture,
    connection: Connection,
) -> None:
    caplog.set_level(logging.DEBUG)
    hook.status = 503
    wrong = by_mail(f"smtps://quant:wrong-secret@127.0.0.1:{mailing.port}/?to=a@example.com")
    absent = by_url(f"http://127.0.0.1:{free_port()}/absent-secret")
    ways = (LOG, wrong, by_url(hook.url))

    assert tick(AT, [LATE, STUCK], *ways) == 2
    assert tick(AT + MINUTE / 2, [LATE, STUCK], *ways) == 0
    hook.status = 200
    assert tick(AT + MINUTE, [LATE, STUCK], *ways) == 2
    tick(AT + 2 * MINUTE, [LATE, STUCK], absent)

    assert len(hook.requests) == 3
    lines = [each.getMessage() for each in caplog.records if each.name == sending.logger.name]
    assert [line for line in lines if "was sent" in line] == [
        "no alert was sent by mail, which is tried again: the server answers 535",
        "no alert was sent by url, which is tried again: HTTP 503",
        "no alert was sent by mail, which is tried again: the server answers 535",
    ]
    assert lines[:2] == [
        f"ERROR session_late: {LATE.text}; {FOUND}; repair: universe daily; {PAGE}",
        f"WARN job_stuck j: it is stuck; {FOUND}; repair: end it; {PAGE}",
    ]
    everything = caplog.text + str(connection.execute("TABLE alert_deliveries").fetchall())
    assert not [secret for secret in ("secret", "T0/B0") if secret in everything]


def test_an_alert_that_ended_before_a_way_could_send_it_is_not_sent(
    tick: Tick, hook: Webhook
) -> None:
    hook.status = 503
    tick(AT, [LATE], by_url(hook.url))
    hook.status = 200

    assert tick(AT + MINUTE, [], by_url(hook.url)) == 0


def test_hosts_that_look_at_the_same_time_send_once(
    tick: Tick, hook: Webhook, database: Database
) -> None:
    tick(AT, [LATE, STUCK])

    def look(_: int) -> int:
        with database.connect() as connection:
            return send_due(connection, [by_url(hook.url)], AT, None)

    with ThreadPoolExecutor(6) as hosts:
        sent = sum(hosts.map(look, range(6)))

    assert sent == len(hook.requests) == 2


def test_after_a_crash_a_message_is_sent_a_second_time_and_no_more(
    tick: Tick, hook: Webhook, connection: Connection
) -> None:
    def crash(*_: object) -> None:
        by_url(hook.url).send(*_)  # pyright: ignore[reportArgumentType]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tick(AT, [LATE], WayOut("url", crash))
    way = by_url(hook.url)
    assert tick(AT + MINUTE, [LATE], way) == 0
    connection.execute("UPDATE alert_deliveries SET leased_until = now() - interval '1 second'")

    assert tick(AT + 6 * MINUTE, [LATE], way) == 1
    assert tick(AT + 7 * MINUTE, [LATE], way) == 0
    assert len(hook.requests) == 2


EVENING = datetime(2024, 7, 9, 22, 0, tzinfo=UTC)
SESSION = date(2024, 7, 9)


def load(connection: Connection, status: str = "loaded") -> None:
    connection.execute(
        "INSERT INTO session_loads (date, status, final, fetched_at) VALUES (%s, %s, false, %s)",
        (SESSION, status, EVENING),
    )


def judge(connection: Connection, offenders: int, at: datetime = EVENING) -> None:
    example = {"date": "2024-07-09", "symbol": "AAPL", "detail": "high 1 < low 2"}
    connection.execute(
        "INSERT INTO rule_results (judged_at, occasion, rule, severity, first_date, last_date,"
        " offenders, examples) VALUES"
        " (%s, 'verification', 'ohlc_order', 'ERROR', %s, %s, %s, %s)",
        (at, SESSION, SESSION, offenders, Json([example][:offenders])),
    )


def test_a_good_evening_is_reported_once(connection: Connection, hook: Webhook) -> None:
    load(connection)
    assert beat(connection, hook.url, EVENING) is None  # not judged yet
    judge(connection, 1)
    assert beat(connection, hook.url, EVENING) is None
    judge(connection, 0, EVENING + MINUTE)
    hook.status = 500
    assert beat(connection, hook.url, EVENING + MINUTE) is None
    hook.status = 200
    assert beat(connection, hook.url, EVENING + 1.5 * MINUTE) is None  # it rests

    assert beat(connection, hook.url, EVENING + 2 * MINUTE) == SESSION
    assert beat(connection, hook.url, EVENING + timedelta(hours=20)) is None
    assert [(method, body) for method, _, body in hook.requests] == [("GET", b"")] * 2


def test_an_evening_without_its_session_is_not_reported(
    connection: Connection, hook: Webhook
) -> None:
    load(connection, "pending")
    judge(connection, 0)

    assert beat(connection, hook.url, EVENING) is None
    assert hook.requests == []

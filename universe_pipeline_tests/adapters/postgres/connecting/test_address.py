"""Addresses of a database: every form of libpq's is read alike by both drivers, or refused."""

from pathlib import Path

import psycopg2.extensions
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from universe_pipeline.adapters.postgres.connecting.address import parse


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:secret@db.example:5433/bars", "me@db.example:5433/bars"),
        ("postgres://me:s%40%2Fcret@db.example/bars", "me@db.example/bars"),
        ("postgresql+psycopg2://me:secret@db.example/bars", "me@db.example/bars"),
        ("postgresql+psycopg://me:secret@db.example/bars", "me@db.example/bars"),
        ("postgresql://me:what?se#c[re]t@db.example/bars", "me@db.example/bars"),
        ("postgresql://me:a:secret@db.example/bars", "me@db.example/bars"),
        ("postgresql://db.example/bars?user=me&password=secret", "me@db.example/bars"),
        ("postgresql:///bars?user=me@azure&host=db.example", "me@azure@db.example/bars"),
        ("host=db.example dbname=bars user=me password=secret", "me@db.example/bars"),
        (r"host=db.example dbname='my bars' password='the secret'", "@db.example/my bars"),
        ("postgresql://me:secret@/bars?host=/var/run/pg", "me@/var/run/pg/bars"),
        ("postgresql://me:secret@%2Fvar%2Frun%2Fpg/bars", "me@/var/run/pg/bars"),
        ("postgresql://me@[::1]:5433/bars", "me@[::1]:5433/bars"),
        ("postgresql://me@a:1,b:2/bars", "me@a:1,b:2/bars"),
        ("postgresql://me@a,b/bars?port=77,77", "me@a:77,b:77/bars"),
        ("postgresql://me@a/bars?sslpassword=secret&sslmode=require", "me@a/bars"),
        ("postgresql://me@/bars?hostaddr=10.0.0.1", "me@10.0.0.1/bars"),
        ("  postgresql://me@a/bars\n", "me@a/bars"),
        ("postgresql://", "@localhost/"),
    ],
)
def test_an_address_is_shown_without_secrets_and_written_for_every_driver(text: str, shown: str):
    address = parse(text)

    assert address.shown == shown
    assert "secret" not in repr(address)
    dialect = PGDialect_psycopg2(dbapi=psycopg2)
    _, of_sqlalchemy = dialect.create_connect_args(make_url(address.url))
    parameters = dict(address.parameters)
    assert conninfo_to_dict(address.url) == parameters
    assert psycopg2.extensions.parse_dsn(address.url) == parameters
    assert {name: str(value) for name, value in of_sqlalchemy.items()} == parameters


def test_one_port_is_that_of_all_hosts():
    address = parse("postgresql://me@a,b/bars?port=77")

    assert parse(address.url).shown == address.shown == "me@a:77,b:77/bars"


REFUSED = {
    "sesame": "neither a postgresql:// address nor",
    "host=db password='sesame": "neither a postgresql:// address nor",
    "host=db passwort=sesame": "a parameter that libpq does not know",
    "mysql://me:sesame@x/y": "not a postgresql:// address",
    "postgresql+asyncpg://me:sesame@x/y": "not a postgresql:// address",
    "jdbc:postgresql://me:sesame@x/y": "neither a postgresql:// address nor",
    "postgresql://me:100%sesame@x/y": "% as %25",
    "postgresql://me:a@sesame@x/y": "@ as %40",
    "postgresql://me:a/sesame@x/y": "/ as %2F",
    "postgresql://me:a?b/sesame@x/y": "? as %3F",
    "postgresql://me:sesame/y": "port is not a number",
    "postgresql://[sesame:1/y": "it cannot be read",
    "postgresql://x/y?pgbouncer=true": "its parameter pgbouncer: remove it",
    "postgresql://x/y?schema=sesame": "its parameter schema: remove it",
    "postgresql://x/y?sesame=1": "a parameter that libpq does not know",
    "postgresql://x/y?min_protocol_version=3.2": "parameter min_protocol_version: remove it",
    "postgresql://x/y?oauth_scope=sesame": "parameter oauth_scope: remove it",
    "postgresql://x/y?replication=database": "parameter replication is for other programs",
    "postgresql://x:0/y": "port is not a number",
    "postgresql://x:65536/y": "port is not a number",
    "host=x port=sesame": "port is not a number",
    "postgresql://x:1,y:2,z:3/y?port=4,5": "one port for all hosts",
    "postgresql://x/y?sslmode=sesame": "refuses the value of its parameter sslmode",
    "postgresql://x/y?target_session_attrs=sesame": "its parameter target_session_attrs",
    "postgresql://x/y?gssencmode=sesame": "its parameter gssencmode",
    "postgresql://x/y?connect_timeout=sesame": "its parameter connect_timeout is not a number",
    "postgresql://x/y?service=sesame": "its service is not in the service file",
    "postgresql://x/y?service=a&sslpassword=sesame": "sslpassword must stand in the service file",
    "postgresql://x/y?sslpassword=%20sesame": "sslpassword begins or ends with a space",
    "host='the sesame'": "its host cannot be one",
    "postgresql://me:\udcff@x/y": "it cannot be read",  # pragma: allowlist secret
}


@pytest.mark.parametrize("text", REFUSED)
def test_an_address_that_not_every_driver_can_use_is_refused_without_quoting_it(text: str):
    with pytest.raises(ValueError, match=r"\w") as refused:
        parse(text)

    said = str(refused.value)
    assert REFUSED[text] in said
    assert "sesame" not in said
    assert "\n" not in said


def test_programs_are_given_secrets_by_their_environment_and_a_service_file():
    address = parse("postgresql://me:pass%20word@h/d?sslpassword=open%20sesame")

    argument, environment = address.for_program("-c a=b")

    assert argument == (
        b"keepalives_idle=15 keepalives_interval=5 keepalives_count=3 tcp_user_timeout=30000"
        b" user=me dbname=d host=h service=universe options='-c a=b'"
    )
    assert environment["PGPASSWORD"] == b"pass word"
    service = Path(str(environment["PGSERVICEFILE"])).read_text()
    assert service == "[universe]\nsslpassword=open sesame\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("postgresql://a,b/d", "read-write"),
        ("postgresql://a,b/d?target_session_attrs=any", "any"),
        ("postgresql://a/d", None),
    ],
)
def test_of_several_hosts_the_one_that_takes_writes_is_wanted(text: str, wanted: str | None):
    session = conninfo_to_dict(parse(text).for_session("universe", 10))

    assert session.get("target_session_attrs") == wanted


def test_what_the_address_says_about_a_lost_server_wins():
    session = conninfo_to_dict(parse("postgresql://a/d?keepalives_idle=99").for_session("me", 10))

    assert (session["keepalives_idle"], session["keepalives_count"]) == ("99", "3")
    assert session["application_name"] == "me"

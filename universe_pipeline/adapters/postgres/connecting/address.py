"""The address of a database, in every form that libpq takes, read and written in one place.

No message quotes an address: it holds a password, and in an unreadable one any part may be that.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo, ConnStatus, PGconn

from universe_pipeline.domain.foreign_text import visible

UNREADABLE = "UNIVERSE_DATABASE_URL (not a readable postgresql:// address)"

NOTICING = {
    # After 15 s of silence three probes, 5 s apart; 30 s for what was sent: a server that has
    # vanished (power, cable) is noticed.
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""Of libpq, for our connections; the server is given the same. What the address says wins."""

_SCHEME = re.compile(r"postgres(?:ql)?(?:\+psycopg2?)?://", re.IGNORECASE)
_ANY_SCHEME = re.compile(r"\s*[\w+.-]+://")

_KNOWN_TO_LIBPQ_15 = frozenset(
    {
        "user", "password", "passfile", "channel_binding", "connect_timeout", "dbname", "host",
        "hostaddr", "port", "service", "client_encoding", "options", "application_name",
        "fallback_application_name", "keepalives", "keepalives_idle", "keepalives_interval",
        "keepalives_count", "tcp_user_timeout", "sslmode", "sslcompression", "sslcert", "sslkey",
        "sslpassword", "sslrootcert", "sslcrl", "sslcrldir", "sslsni", "requirepeer", "gssencmode",
        "ssl_min_protocol_version", "ssl_max_protocol_version", "krbsrvname", "gsslib",
        "target_session_attrs",
    }
)  # fmt: skip

_NUMBERS = frozenset({*NOTICING, "connect_timeout", "keepalives"})

_OF_OTHER_PROGRAMS = (
    "pgbouncer", "schema", "connection_limit", "pool_timeout", "pool_size", "pool_mode",
    "socket_timeout", "statement_cache_size", "prepareThreshold", "sslaccept", "sslidentity",
    "currentSchema", "search_path", "async_fallback", "timeout", "prepared_statements",
    "min_protocol_version", "max_protocol_version", "require_auth", "sslcertmode",
    "load_balance_hosts", "gssdelegation", "sslnegotiation", "sslkeylogfile", "scram_client_key",
    "scram_server_key", "oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope",
    "servicefile", "replication",
)  # fmt: skip
"""Parameters that people give. Any other name may be a piece of a mistaken password."""

_HOW_TO_WRITE = (
    "in a user, a password and a name, write % as %25, @ as %40, / as %2F, : as %3A, ? as %3F and "
    "a space as %20"
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is, and how to log in: libpq's connection parameters by their names."""

    parameters: Mapping[str, str] = field(repr=False)

    @property
    def shown(self) -> str:
        """The address as `user@host:port/name`, without any secret."""
        if service := self.parameters.get("service"):
            return visible(f"service {service}")
        user, name = self.parameters.get("user", ""), self.parameters.get("dbname", "")
        return visible(f"{user}@{self._shown_hosts()}/{name}")

    def _shown_hosts(self) -> str:
        hosts = self.parameters.get("host") or self.parameters.get("hostaddr") or "localhost"
        ports = self.parameters.get("port", "").split(",")
        listed = hosts.split(",")
        every = ports * len(listed) if len(ports) == 1 else ports
        return ",".join(map(_host_and_port, listed, every))

    @property
    def url(self) -> str:
        """The address as a URL that libpq, psycopg, psycopg2 and SQLAlchemy read alike."""
        rest = dict(self.parameters)
        login = quote(rest.pop("user", ""), safe="")
        if password := rest.pop("password", ""):
            login = f"{login}:{quote(password, safe='')}"
        place = _take_authority(rest)
        name = rest.get("dbname", "")
        if quote(name, safe="") == name:
            rest.pop("dbname", None)
        else:  # SQLAlchemy decodes the query, and not the path
            name = ""
        at = "@" if login else ""
        query = f"?{urlencode(rest, quote_via=quote, safe='/')}" if rest else ""
        return f"postgresql://{login}{at}{place}/{name}{query}"

    @property
    def options(self) -> str:
        """What the address says of the server's settings, as a server's command line does."""
        return self.parameters.get("options", "")

    def of_role(self, user: str, password: str) -> "Address":
        """The same database, with the login of another role."""
        return Address({**self.parameters, "user": user, "password": password})

    def for_session(self, application: str, connect_seconds: int) -> str:
        """What both drivers connect by, as libpq's key=value text.

        Of several hosts one that can be written to is taken, unless the address says otherwise.

        Args:
            application: the name of the connection.
            connect_seconds: how long it may take to connect.
        """
        default = {**NOTICING, "connect_timeout": str(connect_seconds)}
        if "," in self.parameters.get("host", ""):
            default["target_session_attrs"] = "read-write"
        ours = {"application_name": application, "client_encoding": "UTF8"}
        return make_conninfo("", **{**default, **self.parameters, **ours})

    def for_program(self, options: str = "") -> tuple[bytes, dict[str, str | bytes]]:
        """What psql, pg_dump and pg_restore take as an argument, and their environment.

        Every account may read a process's arguments; only its owner may read its environment.
        libpq has no variable for secrets other than the password: those are in a service file.

        Args:
            options: of the server, for this program.

        Raises:
            ValueError: a secret stands in the way of the address's own service file.
        """
        rest = {**NOTICING, **self.parameters}
        environment: dict[str, str | bytes] = dict(os.environ)
        if password := rest.pop("password", ""):
            environment["PGPASSWORD"] = password.encode()  # in no other encoding than psycopg's
        if secrets := {name: rest.pop(name) for name in _secret_names() & rest.keys()}:
            environment["PGSERVICEFILE"] = _service_file(secrets)
            rest["service"] = _OUR_SERVICE
        if options:
            rest["options"] = f"{self.options} {options}".strip()
        return make_conninfo("", **rest).encode(), environment


def _host_and_port(host: str, port: str) -> str:
    bracketed = f"[{host}]" if ":" in host and not host.startswith(("/", "@")) else host
    return f"{bracketed}:{port}" if port else bracketed


def _take_authority(rest: dict[str, str]) -> str:
    """One host of a network, and one port, taken out of `rest`; more of them stay in the query."""
    hosts, ports = rest.get("host", ""), rest.get("port", "")
    if "," in hosts:
        rest["port"] = ports if "," in ports else ",".join([ports] * len(hosts.split(",")))
        return ""
    rest.pop("port", None)
    if not re.fullmatch(r"[\w.:-]*", hosts, re.ASCII):
        return f":{ports}" if ports else ""
    rest.pop("host", None)
    return _host_and_port(hosts, ports)


@lru_cache(maxsize=16)
def parse(text: str) -> Address:
    """The address that `text` writes as a URL or as libpq's key=value pairs.

    Raises:
        ValueError: libpq, or either driver, cannot use it; the text says what to change.
    """
    address = Address(_parameters(text))
    _require_known_to_psycopg2(address)
    _require_hosts_and_ports(address.parameters)
    _require_files(address.parameters)
    _require_numbers(address.parameters)
    _require_usable_values(address.parameters)
    return address


def _parameters(text: str) -> dict[str, str]:
    written = text.strip()
    as_url = _SCHEME.match(written)
    if as_url:
        written = f"postgresql://{written[as_url.end() :]}"
        _require_one_login(written)
    elif _ANY_SCHEME.match(written):
        raise ValueError("it is not a postgresql:// address")
    try:
        found: dict[str, Any] = conninfo_to_dict(written)
    except (psycopg.ProgrammingError, UnicodeError) as unreadable:
        raise ValueError(_what_is_wrong(str(unreadable), is_url=bool(as_url))) from None
    return {name: str(value) for name, value in found.items() if value is not None}


def _require_one_login(url: str) -> None:
    """Otherwise a password passes for a host, a port or a name, and is shown as that.

    libpq looks for the login up to the first @ or /, whichever comes first.
    """
    before_query = url.partition("://")[2]
    login, found, rest = before_query.partition("@")
    if found and "/" in login:
        is_of_query = "?" in login and "=" in login.partition("?")[2]
        if not is_of_query:
            raise ValueError(f"it cannot be read: {_HOW_TO_WRITE}")
    elif "@" in rest.partition("?")[0]:
        raise ValueError(f"it cannot be read: {_HOW_TO_WRITE}")


def _what_is_wrong(said: str, *, is_url: bool) -> str:
    for name in _OF_OTHER_PROGRAMS:
        if f'"{name}"' in said:
            return f"libpq does not know its parameter {name}: remove it"
    if "connection option" in said or "URI query parameter" in said:
        return "it has a parameter that libpq does not know: check the names after the ?"
    return (
        f"it cannot be read: {_HOW_TO_WRITE}"
        if is_url
        else "it is neither a postgresql:// address nor libpq's key=value pairs"
    )


def _require_known_to_psycopg2(address: Address) -> None:
    """Dagster's driver has a libpq of its own, which may be an older one."""
    newer = address.parameters.keys() - _KNOWN_TO_LIBPQ_15
    if "replication" in newer:
        raise ValueError("its parameter replication is for other programs: remove it")
    if not newer:
        return
    from psycopg2.extensions import parse_dsn

    for name in sorted(newer):
        try:
            parse_dsn(f"{name}=''")
        except Exception:  # noqa: BLE001  # psycopg2's own errors; what they say is not needed
            raise ValueError(
                f"psycopg2, which Dagster uses, does not know its parameter {name}: remove it"
            ) from None


def _require_hosts_and_ports(parameters: Mapping[str, str]) -> None:
    hosts = (parameters.get("host") or parameters.get("hostaddr") or "").split(",")
    ports = parameters.get("port", "").split(",")
    if len(ports) not in (1, len(hosts)):
        raise ValueError("it needs one port for all hosts, or one for each")
    if not all(port == "" or _is_port(port) for port in ports):
        raise ValueError("its port is not a number from 1 to 65535")
    if any(re.search(r"[\s\x00-\x1f]|.@", host) for host in hosts if not host.startswith("/")):
        raise ValueError(f"its host cannot be one: {_HOW_TO_WRITE}")


def _is_port(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,5}", text) is not None and int(text) in range(1, 1 << 16)


def _require_numbers(parameters: Mapping[str, str]) -> None:
    for name in _NUMBERS & parameters.keys():
        if not re.fullmatch(r"-?[0-9]{1,9}", parameters[name]):
            raise ValueError(f"its parameter {name} is not a number")


def _require_files(parameters: Mapping[str, str]) -> None:
    """Secrets of programs go into a service file of ours: `Address.for_program`."""
    secrets = {name: parameters[name] for name in _secret_names() & parameters.keys()}
    if secrets and "service" in parameters:
        raise ValueError(f"with a service, {min(secrets)} must stand in the service file")
    if any(value != value.strip() or re.search(r"[\r\n]", value) for value in secrets.values()):
        raise ValueError(f"its {min(secrets)} begins or ends with a space, or has several lines")


_NOWHERE = "/nowhere/universe-looks-only-at-the-values"


def _require_usable_values(parameters: Mapping[str, str]) -> None:
    """Let libpq look at the values as it does before it connects; the host is one that is not."""
    elsewhere = {**parameters, "host": _NOWHERE, "hostaddr": "", "port": "1"}
    attempt = PGconn.connect_start(make_conninfo("", **elsewhere).encode())
    said = attempt.error_message.decode(errors="replace")
    bad = attempt.status == ConnStatus.BAD and _NOWHERE not in said
    attempt.finish()
    if not bad:
        return
    if "service" in parameters and "service" in said:
        raise ValueError("its service is not in the service file that libpq reads")
    named = sorted((name for name in parameters if name in said), key=len)
    what = f"its parameter {named[-1]}" if named else "one of its parameters"
    raise ValueError(f"libpq refuses the value of {what}")


_OUR_SERVICE = "universe"


@lru_cache(maxsize=1)
def _secret_names() -> frozenset[str]:
    """The parameters that libpq itself would hide, but for the password."""
    options = Conninfo.get_defaults()
    hidden = {option.keyword.decode() for option in options if option.dispchar == b"*"}
    return frozenset(hidden | {"scram_client_key", "scram_server_key"}) - {"password"}


def _service_file(secrets: Mapping[str, str]) -> str:
    """A service file in memory, which only processes of this account can open.

    Raises:
        ValueError: the operating system has none.
    """
    if not hasattr(os, "memfd_create"):
        raise ValueError(f"{min(secrets)} must stand in a service file (libpq's service=NAME)")
    lines = "".join(f"{name}={value}\n" for name, value in secrets.items())
    file = os.memfd_create("pg_service", 0)  # stays open where psql takes this process over
    os.write(file, f"[{_OUR_SERVICE}]\n{lines}".encode())
    return f"/proc/{os.getpid()}/fd/{file}"

"""The only reader of the environment and of a `.env` in the working folder (environment wins)."""

import logging
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, cast
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from universe_pipeline.adapters import env_file
from universe_pipeline.domain.addresses import is_loopback, is_visible
from universe_pipeline.domain.errors import SettingsError
from universe_pipeline.domain.foreign_text import visible
from universe_pipeline.domain.sessions import FIRST_SESSION
from universe_pipeline.domain.thresholds import Thresholds

logger = logging.getLogger(__name__)

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LogFormat = Literal["text", "json"]

ENV_FILE = ".env"
"""In the working folder. `.env.example` lists what may stand there."""


_DEFAULTS = Thresholds()


def _default_home() -> Path:
    if os.geteuid() == 0:
        # The embedded server drops root's rights, and could not live below /root.
        return Path("/var/lib/universe_pipeline")
    return Path.home() / ".universe_pipeline"


def _blank_is_unset(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _not_utf8(folder: Path) -> str:
    """The folder's name, made visible, if neither PostgreSQL nor Dagster could take it."""
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        return visible(folder)
    return ""


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _words(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _has_possible_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _parts_of_secret(text: str) -> SplitResult:
    """The parts of an address, which errors do not show: those of `urlsplit` repeat a password."""
    try:
        return urlsplit(text)
    except ValueError:
        raise ValueError("not an address") from None


def _verified(broker: SplitResult) -> SplitResult:
    """A broker whose certificate is verified with TLS, which Celery takes from the URL alone."""
    if broker.scheme != "rediss" or "ssl_cert_reqs" in parse_qs(broker.query):
        return broker
    before = f"{broker.query}&" if broker.query else ""
    return broker._replace(query=f"{before}ssl_cert_reqs=required")


def _require_address(text: str, encrypted: str, plain: str) -> SplitResult:
    """The parts of a secret address, which errors do not show."""
    parts = _parts_of_secret(text if is_visible(text) else "")
    if not parts.hostname or not _has_possible_port(parts):
        raise ValueError("not an address")
    if parts.scheme == plain and not is_loopback(parts.hostname):
        raise ValueError(f"plain {plain} is for loopback only: use {encrypted}")
    if parts.scheme not in (encrypted, plain):
        raise ValueError(f"it does not begin with {encrypted}://")
    if encrypted == "https" and (parts.username or parts.fragment):
        raise ValueError("only scheme, host, port, path and query belong there")
    return parts


class Settings(BaseSettings):
    """Everything the user can set, by the names that docs/settings.md lists.

    Read them by `load_settings`, which reports every wrong one at once.
    """

    model_config = SettingsConfigDict(
        env_file=ENV_FILE,
        env_file_encoding="utf-8-sig",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    polygon_api_key: Annotated[SecretStr | None, BeforeValidator(_blank_is_unset)] = Field(
        default=None,
        validation_alias=AliasChoices("POLYGON_API_KEY", "MASSIVE_API_KEY"),
        description="the vendor's API key; sent as a bearer header only",
    )
    polygon_base_url: str = Field(
        default="https://api.massive.com",
        description="the vendor's address: https://…, or http://… on loopback",
    )
    polygon_rate_limit: int = Field(
        default=5,
        ge=0,
        le=100_000,
        description="requests a minute over all processes that share the database; 0 = unpaced",
    )
    polygon_max_per_second: int = Field(
        default=90,
        ge=1,
        le=10_000,
        description="most requests a second of one process, paced or not",
    )
    universe_concurrency: int = Field(
        default=50, ge=1, le=1_000, description="most requests in flight in one process"
    )
    universe_batch_size: int | None = Field(
        default=None, ge=1, description="most rows in one encoded buffer; unset = a session"
    )
    universe_database_url: Annotated[SecretStr | None, BeforeValidator(_blank_is_unset)] = Field(
        default=None,
        description="postgresql://… of an own server (15 or newer); unset = embedded PostgreSQL",
    )
    universe_home: Path = Field(
        default_factory=_default_home,
        validate_default=True,
        description="folder of the embedded server's data, logs and the checkpoint document",
    )
    universe_port: int | None = Field(
        default=None,
        ge=1024,
        le=65535,
        description="loopback port on which the embedded server also answers; unset = none",
    )
    dagster_home: Path | None = Field(
        default=None, description="Dagster's own folder; unset = UNIVERSE_HOME/dagster"
    )
    universe_start_date: date = Field(
        default=FIRST_SESSION, description=f"first session partition, from {FIRST_SESSION} on"
    )
    universe_types: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = Field(
        default=("CS",), min_length=1, description="vendor type codes of the universe, like CS,ADRC"
    )
    universe_sessions_per_run: int | None = Field(
        default=None, ge=1, description="most sessions in one run of a backfill; unset = all"
    )
    universe_revisit_sessions: int = Field(
        default=3, ge=0, le=60, description="trailing sessions that a daily update fetches again"
    )
    universe_quality_rows_error: float = Field(
        default=_DEFAULTS.rows_error,
        gt=0,
        le=1,
        description="share by which a session's rows may differ from the usual, like 0.1",
    )
    universe_quality_rows_warn: float = Field(
        default=_DEFAULTS.rows_warn,
        gt=0,
        le=1,
        description="warning threshold of the same share, like 0.03",
    )
    universe_quality_repeated: float = Field(
        default=_DEFAULTS.repeated,
        gt=0,
        le=1,
        description="share of bars that may be those of the session before, like 0.01",
    )
    universe_quality_benchmarks: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)] = (
        Field(
            default=_DEFAULTS.benchmarks,
            min_length=1,
            description="symbols that every session must have, like SPY,AAPL",
        )
    )
    universe_quality_vwap: float = Field(
        default=_DEFAULTS.vwap,
        gt=0,
        description="share by which vwap may lie outside low and high, like 0.02",
    )
    universe_quality_jump: float = Field(
        default=_DEFAULTS.jump,
        gt=0,
        description="share by which a close may move without a split, like 0.5",
    )
    universe_quality_stale: int = Field(
        default=_DEFAULTS.stale, ge=2, le=19, description="equal closes in a row that are reported"
    )
    universe_accept_vendor: bool = Field(
        default=False, description="1 = accept a database that another vendor filled"
    )
    universe_broker_url: Annotated[SecretStr | None, BeforeValidator(_blank_is_unset)] = Field(
        default=None,
        description="redis://… or rediss://…: the broker of `universe worker`; unset = none",
    )
    universe_location: str = Field(
        default="universe_pipeline",
        pattern=r"^[\w.-]+$",
        description="name of the code location, to which runs of commands belong",
    )
    universe_page_origin: Annotated[str | None, BeforeValidator(_blank_is_unset)] = Field(
        default=None,
        description="where a proxy with a login serves the Dagster UI, like https://d.example.com",
    )
    universe_alert_url: Annotated[SecretStr | None, BeforeValidator(_blank_is_unset)] = Field(
        default=None,
        description='webhook that takes alerts as {"text": …}: https://…, or http:// on loopback',
    )
    universe_alert_mail: Annotated[SecretStr | None, BeforeValidator(_blank_is_unset)] = Field(
        default=None,
        description="mailbox that sends alerts: smtps://user:password@host/?to=a@example.com",
    )
    universe_heartbeat_url: Annotated[SecretStr | None, BeforeValidator(_blank_is_unset)] = Field(
        default=None,
        description="address that is called after each good evening: https://…",
    )
    log_level: Annotated[LogLevel, BeforeValidator(_upper)] = Field(
        default="INFO", description="DEBUG, INFO, WARNING, ERROR or CRITICAL"
    )
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] = Field(
        default="text", description="text, or json: one object a line"
    )

    @field_validator("polygon_api_key")
    @classmethod
    def _fits_into_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_visible(value.get_secret_value()):
            raise ValueError("it holds spaces or special characters, as no key does")
        return value

    @field_validator("polygon_base_url")
    @classmethod
    def _https_or_loopback(cls, value: str) -> str:
        parts = urlsplit(value.strip())
        if not is_visible(value.strip()) or not _has_possible_port(parts):
            raise ValueError("not an address")
        if not parts.hostname or parts.scheme not in ("http", "https"):
            raise ValueError("not an http(s) address")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("only scheme, host, port and path belong there")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("plain http is for loopback only: use https")
        return value.strip().rstrip("/")

    @field_validator("universe_page_origin")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value.strip().lower().rstrip("/"))
        is_origin = parts.scheme in ("http", "https") and parts.hostname and not parts.username
        if not is_origin or parts.path or parts.query or not _has_possible_port(parts):
            raise ValueError("only scheme, host and port belong there")
        return parts.geturl()

    @field_validator("universe_alert_url", "universe_heartbeat_url")
    @classmethod
    def _secret_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _require_address(value.get_secret_value(), "https", "http")
        return value

    @field_validator("universe_alert_mail")
    @classmethod
    def _mailbox(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        parts = _require_address(value.get_secret_value(), "smtps", "smtp")
        asked = parse_qs(parts.query)
        if not any("@" in one for one in asked.get("to", [])):
            raise ValueError("?to=… names no mail address")
        if asked.keys() - {"to", "from"}:
            raise ValueError("only ?to=… and &from=… are known")
        return value

    @field_validator("universe_database_url")
    @classmethod
    def _postgres_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        # psycopg is not needed to read the settings of an embedded database.
        from universe_pipeline.adapters.postgres.connecting.address import parse

        return SecretStr(parse(value.get_secret_value()).url)

    @field_validator("universe_broker_url")
    @classmethod
    def _redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        parts = _parts_of_secret(value.get_secret_value().strip())
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise ValueError("not a Redis address")
        if not _has_possible_port(parts):
            raise ValueError("its port is not possible")
        return SecretStr(_verified(parts).geturl())

    @field_validator("universe_start_date")
    @classmethod
    def _vendor_has_bars(cls, value: date) -> date:
        if not FIRST_SESSION <= value <= datetime.now(UTC).date():
            raise ValueError(f"the vendor's bars reach from {FIRST_SESSION} to today")
        return value

    @field_validator("universe_home", "dagster_home")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        folder = value.expanduser().absolute()
        if shown := _not_utf8(folder):
            raise ValueError(f"the folder {shown} is not UTF-8 text, choose another")
        return folder

    @property
    def database_url(self) -> str | None:
        """The own server's URL with its password, or None for the embedded PostgreSQL."""
        secret = self.universe_database_url
        return None if secret is None else secret.get_secret_value()

    @property
    def heartbeat_url(self) -> str | None:
        """The secret address that is called after a good evening, or None."""
        secret = self.universe_heartbeat_url
        return None if secret is None else secret.get_secret_value()

    @property
    def broker_url(self) -> str | None:
        """The broker's URL with its password, or None where there is none."""
        secret = self.universe_broker_url
        return None if secret is None else secret.get_secret_value()

    @property
    def thresholds(self) -> Thresholds:
        """The figures that decide whether a rule is broken."""
        return Thresholds(
            rows_error=self.universe_quality_rows_error,
            rows_warn=self.universe_quality_rows_warn,
            repeated=self.universe_quality_repeated,
            benchmarks=self.universe_quality_benchmarks,
            vwap=self.universe_quality_vwap,
            jump=self.universe_quality_jump,
            stale=self.universe_quality_stale,
        )

    @property
    def effective_dagster_home(self) -> Path:
        """Where Dagster's instance file lives."""
        return self.dagster_home or self.universe_home / "dagster"

    def require_api_key(self) -> str:
        """The vendor's key.

        Raises:
            SettingsError: there is none.
        """
        if self.polygon_api_key is None:
            raise SettingsError([no_key()])
        return self.polygon_api_key.get_secret_value()


def no_key() -> str:
    """What to say where a key is needed: where it was looked for, and what to do."""
    file = Path(ENV_FILE).absolute()
    looked = f" or in {file}" if file.is_file() else f", and there is no {file}"
    return (
        f"POLYGON_API_KEY is not set in the environment{looked}: put the vendor's API key into "
        "either, or try `universe demo`, which needs none"
    )


SECRETS = frozenset(
    {
        "polygon_api_key",
        "universe_broker_url",
        "universe_database_url",
        "universe_alert_url",
        "universe_alert_mail",
        "universe_heartbeat_url",
    }
)

NAMES = (*(name.upper() for name in Settings.model_fields), "MASSIVE_API_KEY")

_PREFIXES = ("POLYGON_", "MASSIVE_", "UNIVERSE_")
"""Of our names: another name that begins so is taken for a setting that has no effect."""

_HEADS = frozenset(prefix[:3] for prefix in _PREFIXES)
_TAILS = frozenset(name.partition("_")[2] for name in NAMES)
_LISTED = "docs/settings.md lists the settings"


def load_settings() -> Settings:
    """Read the settings; a name that is none of them and begins as they do is logged.

    Raises:
        SettingsError: one line for every wrong variable: its name, what was given (never a
            secret) and what is accepted; likewise for a `.env` that cannot be read, and for a name
            that is one of ours but for a slip.
    """
    file = _env_file()
    written = env_file.read(file)
    problems = [*written.problems]
    if not problems:
        problems += _slips(written.names, file)
        try:
            chosen = Settings()
        except ValidationError as invalid:
            problems += _wrong_values(invalid)
        else:
            if not problems:
                return chosen
    raise SettingsError(problems)


def _env_file() -> Path:
    try:
        return Path(ENV_FILE).absolute()
    except FileNotFoundError:
        raise SettingsError(["the working folder was removed: change into another"]) from None


def _wrong_values(invalid: ValidationError) -> Iterator[str]:
    given = _given_values()
    for error in invalid.errors(include_url=False, include_context=False):
        variable = str(error["loc"][0]).upper()
        name = "polygon_api_key" if variable == "MASSIVE_API_KEY" else variable.lower()
        accepted = Settings.model_fields[name].description
        value, source = given.get(variable, ("", "the environment"))
        why = error["msg"].removeprefix("Value error, ")
        what = f"{variable}={_shown(name, value)} in {source}"
        yield f"{what} is not usable: {why}. Accepted: {accepted}"


def _slips(in_file: tuple[str, ...], file: Path) -> Iterator[str]:
    """A line for each name that is a slip of one of ours; what only begins as they do is logged."""
    given = {name.upper() for name in (*os.environ, *in_file)}
    services = _of_services()
    outside = [
        name
        for name, value in os.environ.items()
        if value and _may_be_ours(name.upper()) and not name.startswith(services)
    ]
    sources = (("the environment", outside), (str(file), in_file))
    unknown = [(one, at) for at, names in sources for one in names if one.upper() not in NAMES]
    if not unknown:
        return
    from universe_pipeline.domain.spelling import ALIKE, SLIP, likeliest

    for name, source in unknown:
        meant, likeness = likeliest(name.upper(), NAMES)
        what, hint = f"{name} in {source} is not a setting", f"did you mean {meant}?"
        if likeness >= SLIP and meant not in given:
            yield f"{what}: {hint}"
        elif name.upper().startswith(_PREFIXES):
            logger.warning("%s and has no effect: %s", what, hint if likeness >= ALIKE else _LISTED)


def _of_services() -> tuple[str, ...]:
    """How variables begin that Kubernetes sets in each pod for each Service of the namespace."""
    names = [name.removesuffix("HOST") for name in os.environ if name.endswith("_SERVICE_HOST")]
    return (*names, *(name.removesuffix("SERVICE_") + "PORT" for name in names))


def _may_be_ours(name: str) -> bool:
    """Whether it is worth the time to compare: it begins or ends as one of ours does."""
    return name[:3] in _HEADS or name.partition("_")[2] in _TAILS


def _shown(name: str, value: str) -> str:
    """What was given, unless it is a secret or an address that may hold one."""
    may_hold_one = "://" in value and ("@" in value or "?" in value)
    return "(hidden)" if name in SECRETS or may_hold_one else repr(value)


def _given_values() -> dict[str, tuple[str, str]]:
    """Each variable's value and where it comes from, as pydantic reads them: no empty ones."""
    from dotenv import dotenv_values

    file = str(Path(ENV_FILE).absolute())
    in_file = {name.upper(): (value, file) for name, value in dotenv_values(file).items() if value}
    outside = os.environ.items()
    return in_file | {name.upper(): (value, "the environment") for name, value in outside if value}


@cache
def process_settings() -> Settings:
    """The settings, read once: for what Dagster makes itself, without arguments.

    Raises:
        SettingsError: as `load_settings`.
    """
    return load_settings()


def environment_of(chosen: Settings) -> dict[str, str]:
    """The environment variables that make another process have the settings `chosen`."""
    given: dict[str, str] = {}
    for name, value in chosen:
        variable = name.upper()
        if isinstance(value, SecretStr):
            given[variable] = value.get_secret_value()
        elif isinstance(value, tuple):
            given[variable] = ",".join(cast("tuple[str, ...]", value))
        elif isinstance(value, bool):
            given[variable] = str(int(value))
        else:
            given[variable] = "" if value is None else str(value)
    return given

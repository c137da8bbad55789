"""Every deliberate error of the product.

    UniverseError
    ├── UsageError                    the caller can correct it (exit code 2)
    │   ├── SettingsError             one or more settings have unusable values
    │   ├── NotASessionError          the day is not an NYSE session
    │   ├── SessionNotClosedError     the session has not closed yet
    │   ├── RangeError                the range is reversed or holds no session
    │   └── SchemaTooOldError         the database must be migrated before it can be read
    ├── DataError                     a read cannot be answered: base of all that `read` raises
    │   ├── UnknownSymbol             no list and no bar has the symbol, or no security the id
    │   ├── AmbiguousSymbol           several securities bore the symbol in the range
    │   ├── NotLoaded                 sessions or lists that the read needs are not stored
    │   ├── NoDividends               total return needs dividends that are stored and judged
    │   └── Unavailable               the database cannot be reached or read
    ├── DatabaseError                 the database cannot do its part
    │   ├── DatabaseUnreachableError  no server answers at the address
    │   ├── DatabaseLostError         it answered, and failed in the middle of the work
    │   ├── LockLostError             another process took over what this one worked on
    │   ├── EmbeddedServerError       the embedded PostgreSQL cannot run here
    │   ├── SchemaTooNewError         a newer release migrated this database
    │   └── WrongVendorError          the database was filled from another vendor
    ├── NotSentError                  a way out of alerts did not take a message
    └── VendorError                   the vendor's answer cannot be used
        ├── RetryableError            a later retry may help
        │   └── CollapsedError        too few of the stored rows to replace them
        └── PermanentError            a retry is useless until a person acts
            └── AccessError           the key or the plan forbids it: stops a whole job

A VendorError knows its `kind`, one of `FailureKind`, which is what `data_fetch_errors.kind` holds.
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum


class FailureKind(StrEnum):
    """The closed list of ways in which a request can fail: `data_fetch_errors.kind`."""

    TIMEOUT = "timeout"
    """The vendor did not answer in time."""
    CONNECTION = "connection"
    """The connection was refused, reset or could not be made."""
    CUT_BODY = "cut_body"
    """The body ended before its announced end, or its compression is broken."""
    RATE_LIMITED = "rate_limited"
    """HTTP 429 until the client gave up (half an hour)."""
    SERVER_ERROR = "server_error"
    """HTTP 5xx."""
    NOT_JSON = "not_json"
    """HTTP 200 with something other than JSON, such as a proxy's HTML page."""
    MALFORMED_JSON = "malformed_json"
    """HTTP 200 with JSON that does not parse."""
    ERROR_STATUS = "error_status"
    """HTTP 200 whose `status` is neither OK nor DELAYED."""
    UNEXPECTED_SHAPE = "unexpected_shape"
    """JSON that is not the documented document, or an unexpected HTTP status."""
    COUNT_MISMATCH = "count_mismatch"
    """`resultsCount` differs from the rows of the answer."""
    WRONG_ADJUSTMENT = "wrong_adjustment"
    """Adjusted bars where raw ones were asked for."""
    WRONG_SESSION = "wrong_session"
    """Too many bars whose time is not of the sessions that were asked for."""
    EMPTY = "empty"
    """No row on a day that is a session."""
    COLLAPSED = "collapsed"
    """Too few of the rows that are stored, or usual, or of a list: `domain.completeness`."""
    PAGING = "paging"
    """Pages that repeat or never end."""
    TOO_LARGE = "too_large"
    """A body larger than any answer can be."""
    LEAKED_KEY = "leaked_key"
    """The answer repeats the API key."""
    UNAUTHORIZED = "unauthorized"
    """HTTP 401 in the vendor's JSON: no key, or one that the vendor does not know."""
    NOT_ENTITLED = "not_entitled"
    """HTTP 403 in the vendor's JSON: the plan does not include this data."""
    OUTSIDE_PLAN = "outside_plan"
    """HTTP 403 in the vendor's JSON: the plan does not reach back that far."""
    BAD_REQUEST = "bad_request"
    """HTTP 400 or another 4xx in the vendor's JSON."""
    NOT_FOUND = "not_found"
    """HTTP 404 in the vendor's JSON."""
    NOT_THE_VENDOR = "not_the_vendor"
    """HTTP 4xx with another body than the vendor's JSON, such as a firewall's page."""
    FOREIGN_URL = "foreign_url"
    """A redirect or `next_url` to a host that must not see the key."""


ACCESS_KINDS = (FailureKind.UNAUTHORIZED, FailureKind.NOT_ENTITLED)
"""What concerns a whole job, not the session or list that happened to be asked for."""


class UniverseError(Exception):
    """Base of every deliberate error; its text is written for the person who reads it."""


class NotSentError(UniverseError):
    """A way out of alerts did not take a message; the text holds no part of its address."""


class UsageError(UniverseError):
    """The caller asked for something impossible and can correct it."""


class SettingsError(UsageError):
    """Some settings have unusable values: all of them at once, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class NotASessionError(UsageError):
    """`day` is not an NYSE session; `before` and `after` are the sessions around it."""

    def __init__(self, day: date, before: date, after: date) -> None:
        self.day, self.before, self.after = day, before, after
        super().__init__(
            f"{day} is no NYSE session (weekend or holiday); "
            f"the sessions around it are {before} and {after}"
        )


class SessionNotClosedError(UsageError):
    """`session` closes at `closes_at`, which has not come yet."""

    def __init__(self, session: date, closes_at: datetime, newest: date) -> None:
        self.session, self.closes_at, self.newest = session, closes_at, newest
        super().__init__(
            f"the session {session} has not closed (it closes at {closes_at:%Y-%m-%d %H:%M %Z}); "
            f"the newest closed one is {newest}"
        )


class RangeError(UsageError):
    """A range of days that is reversed, outside the calendar, or without a session."""


class DataError(UniverseError):
    """A read cannot be answered from what is stored; one line says why and what to do."""


class UnknownSymbol(DataError):  # noqa: N818  # a public name, like the next four
    """No list and no bar has the symbol, or no security the id."""


class AmbiguousSymbol(DataError):  # noqa: N818
    """Several securities bore the symbol in the range; the text names their ids."""


class NotLoaded(DataError):  # noqa: N818
    """Sessions or lists that the read needs are not stored; the text names the command."""


class NoDividends(DataError):  # noqa: N818
    """Total return is asked for, and no dividends are stored, or none was judged yet."""


class Unavailable(DataError):  # noqa: N818
    """The database cannot be reached, or this release cannot read it."""


class DatabaseError(UniverseError):
    """The database cannot do its part."""


class DatabaseUnreachableError(DatabaseError):
    """No server answers at `address` (which never holds a password)."""

    def __init__(self, address: str, reason: str, what_to_do: str | None = None) -> None:
        self.address, self.reason = address, reason
        usual = (
            "Start it, or correct UNIVERSE_DATABASE_URL (unset, it means the embedded PostgreSQL)"
        )
        super().__init__(f"cannot reach the database at {address}: {reason}. {what_to_do or usual}")


class DatabaseLostError(DatabaseError):
    """The database at `address` failed in the middle of the work."""

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(
            f"the database at {address} failed: {reason}; what was committed is kept, "
            "and `universe resume` goes on"
        )


class LockLostError(DatabaseError):
    """The connection that held the lock of `what` was lost, and `holder` has taken the lock."""

    def __init__(self, what: str, holder: str) -> None:
        self.what, self.holder = what, holder
        super().__init__(
            f"the lock of {what} was lost, and another process has taken it: {holder}; this one "
            "stops, what it had committed is kept, and the other goes on"
        )


class EmbeddedServerError(DatabaseError):
    """The embedded PostgreSQL cannot run here; the text says why and what to do."""


class SchemaTooOldError(UsageError):
    """An earlier release migrated the database, and a command that only reads met it."""

    def __init__(self, found: str, needed: str) -> None:
        self.found, self.needed = found, needed
        super().__init__(
            f"the database has schema {found} of an earlier release, and this release reads "
            f"{needed}: run `universe up`, or any command that loads, to migrate it"
        )


class SchemaTooNewError(DatabaseError):
    """The database was migrated by a newer release than this one."""

    def __init__(self, found: str) -> None:
        self.found = found
        super().__init__(
            f"the database was migrated by a newer release (schema {found}); "
            "install that release or a newer one"
        )


class WrongVendorError(DatabaseError):
    """The database was filled from `stored`, and the settings now name `asked`."""

    def __init__(self, stored: str, asked: str) -> None:
        self.stored, self.asked = stored, asked
        super().__init__(
            f"this database was filled from {stored}, but POLYGON_BASE_URL names {asked}: use "
            "another database, or set UNIVERSE_ACCEPT_VENDOR=1 if both are the same data"
        )


class VendorError(UniverseError):
    """The vendor's answer cannot be used.

    Attributes:
        kind: the way in which it failed.
        endpoint: the path that was asked, without its query (never holds the key).
        http_status: the HTTP status, where there was one.
        message: what the vendor or the transport said.
        attempts: requests made, retries included.
    """

    retryable: bool

    def __init__(
        self,
        kind: FailureKind,
        endpoint: str,
        message: str,
        *,
        http_status: int | None = None,
        attempts: int = 1,
    ) -> None:
        self.kind, self.endpoint, self.message = kind, endpoint, message
        self.http_status, self.attempts = http_status, attempts
        super().__init__(kind, endpoint, message)

    def __str__(self) -> str:
        status = f", HTTP {self.http_status}" if self.http_status is not None else ""
        return f"{self.endpoint}: {self.message} ({self.kind.value}{status})"


class RetryableError(VendorError):
    """Asking again later may help."""

    retryable = True


class CollapsedError(RetryableError):
    """An answer with far fewer rows than are already stored replaces nothing."""


class PermanentError(VendorError):
    """A retry is useless until a person acts."""

    retryable = False


class AccessError(PermanentError):
    """The key or the plan forbids it (401, 403 not entitled): a whole job stops on it."""

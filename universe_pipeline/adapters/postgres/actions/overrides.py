"""`action_overrides`: what the owner says of an action; an earlier word becomes a revision."""

from dataclasses import dataclass
from datetime import date

import psycopg


@dataclass(frozen=True, slots=True)
class Override:
    """An action as the owner says it is, or (without values) that there is none."""

    kind: str
    symbol: str
    day: date
    reason: str
    made_by: str
    split_from: float | None = None
    split_to: float | None = None
    cash: float | None = None

    @property
    def is_removal(self) -> bool:
        """Whether the action does not count."""
        return self.cash is None and self.split_to is None


def listed_kinds(connection: psycopg.Connection, symbol: str, day: date) -> list[str]:
    """The kinds of actions of that symbol and day that count: the vendor's, and added ones."""
    rows = connection.execute(
        """
        SELECT kind FROM (
            SELECT 'split' AS kind FROM splits
            WHERE (symbol, execution_date) = (%(symbol)s, %(day)s)
            UNION
            SELECT 'dividend' FROM dividends WHERE (symbol, ex_date) = (%(symbol)s, %(day)s)
            UNION
            SELECT kind FROM action_overrides
            WHERE (symbol, action_date) = (%(symbol)s, %(day)s) AND NOT removed
        ) listed
        WHERE NOT EXISTS (
            SELECT FROM action_overrides o
            WHERE (o.kind, o.symbol, o.action_date) = (listed.kind, %(symbol)s, %(day)s)
              AND removed)
        ORDER BY kind DESC
        """,
        {"symbol": symbol, "day": day},
    )
    return [row[0] for row in rows]


def override(connection: psycopg.Connection, given: Override) -> None:
    """Make it the owner's word about the action, and keep an earlier one."""
    key = (given.kind, given.symbol, given.day)
    with connection.transaction():
        connection.execute(
            "INSERT INTO action_override_revisions SELECT o.*, now() FROM action_overrides o"
            " WHERE (kind, symbol, action_date) = (%s, %s, %s)",
            key,
        )
        connection.execute(
            """
            INSERT INTO action_overrides VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, now())
            ON CONFLICT (kind, symbol, action_date) DO UPDATE SET
                split_from = excluded.split_from, split_to = excluded.split_to,
                cash = excluded.cash, removed = excluded.removed, reason = excluded.reason,
                made_by = excluded.made_by, made_at = excluded.made_at
            """,
            (
                *key,
                given.split_from,
                given.split_to,
                given.cash,
                given.is_removal,
                given.reason,
                given.made_by,
            ),
        )

"""Splits: a whole list of two endpoints, the older one asked where the newer one is not there."""

from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import TypeAlias

from universe_pipeline.adapters.polygon.client import OLDER_SPLITS, SPLITS, PolygonClient
from universe_pipeline.adapters.postgres.connection import Connection
from universe_pipeline.adapters.postgres.locks import SPLITS_LOCK
from universe_pipeline.adapters.postgres.reference.splits import SPLIT_TABLES, newest_splits
from universe_pipeline.adapters.postgres.reference.whole_lists import (
    ListSnapshot,
    newest_list,
    swap_list,
)
from universe_pipeline.domain.completeness import Shortage
from universe_pipeline.domain.datasets import Dataset
from universe_pipeline.domain.errors import PermanentError
from universe_pipeline.domain.reference_lists import Before, Listed
from universe_pipeline.domain.splits import SPLIT_LIST, validate
from universe_pipeline.loading.whole_lists import (
    OnPage,
    Refreshed,
    WholeList,
    listed,
    refresh,
    shortage_of,
)

LEAST_FRACTION_OF_OLDER = 0.5
"""The first time that the list replaces one of the older endpoint, which has mutual funds, too."""

RefreshedSplits: TypeAlias = Refreshed[Listed, ListSnapshot]

_NOT_THERE = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)


def _ask(client: PolygonClient, _: Connection, on_page: OnPage, at: datetime) -> Listed:
    try:
        return _listed(client, on_page, at, older=False)
    except PermanentError as refusal:  # a proxy's 403 or 404 is retryable, and says nothing
        if refusal.http_status not in _NOT_THERE:
            raise
    return _listed(client, on_page, at, older=True)


def _listed(client: PolygonClient, on_page: OnPage, at: datetime, *, older: bool) -> Listed:
    endpoint = OLDER_SPLITS if older else SPLITS
    return listed(client.splits(older=older), SPLIT_LIST, validate, endpoint, at, on_page)


def _shortage(connection: Connection, answer: Listed) -> Shortage | None:
    return shortage_of(connection, SPLIT_TABLES, answer, _before(connection, answer))


def _before(connection: Connection, answer: Listed) -> Before | None:
    newest = newest_splits(connection)
    alike = newest_list(connection, SPLIT_TABLES, SPLITS) if answer.endpoint == SPLITS else newest
    compared = alike or newest
    if newest is None or compared is None:
        return None
    least = SPLIT_LIST.least_fraction if alike else LEAST_FRACTION_OF_OLDER
    return Before(compared.rows, least, is_same_list=newest.endpoint == answer.endpoint)


WHOLE_SPLITS = WholeList(
    Dataset.SPLITS,
    SPLITS_LOCK,
    newest=newest_splits,
    ask=_ask,
    shortage=_shortage,
    swap=lambda connection, answer, run_id: swap_list(connection, SPLIT_TABLES, answer, run_id),
)

refresh_splits = partial(refresh, WHOLE_SPLITS)
"""`refresh` of the splits."""

"""Pages of the lists that are asked for whole."""

from dataclasses import dataclass
from typing import Generic, TypeVar

import polars as pl

Rejected = TypeVar("Rejected")


@dataclass(frozen=True, slots=True)
class ListPage(Generic[Rejected]):
    """One page of a list."""

    frame: pl.DataFrame
    """The usable rows, in the answer's order."""
    rejected: tuple[Rejected, ...] = ()
    next_url: str | None = None

    @property
    def rows(self) -> int:
        """Rows that came, usable or not."""
        return self.frame.height + len(self.rejected)

"""The configuration of assets that ask for a list at most once a day."""

import dagster as dg
from pydantic import Field


class Refresh(dg.Config):
    """Whether to ask for the list; without configuration if what is stored is a day old."""

    force_refresh: bool = Field(
        default=False,
        description="Ask the vendor even when what is stored is younger than 24 hours.",
    )

"""Failures of runs, in words; Dagster must not repeat what the client has already retried."""

import dagster as dg

from universe_pipeline.domain.errors import UniverseError, VendorError


def stop(message: str, error: UniverseError | None = None) -> dg.Failure:
    """A failure that ends its step for good: retries are the client's business, not Dagster's."""
    metadata: dict[str, str | int] = {}
    if isinstance(error, VendorError):
        metadata = {
            "kind": error.kind.value,
            "endpoint": error.endpoint,
            "attempts": error.attempts,
        }
        if error.http_status is not None:
            metadata["http_status"] = error.http_status
    return dg.Failure(message, metadata=metadata, allow_retries=False)

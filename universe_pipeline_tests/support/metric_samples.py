"""Metrics as Prometheus' own parser reads them."""

from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

Samples: TypeAlias = dict[tuple[str, tuple[str, ...]], float]
"""Numbers by name and label values."""


def parsed(text: bytes) -> Samples:
    """The samples of a page of metrics."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }

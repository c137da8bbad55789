"""The closed list of datasets, against the page that documents it."""

import re
from pathlib import Path

from universe_pipeline.domain.datasets import NEEDED_BY_LOADS, Dataset

VENDOR = Path(__file__).parents[2] / "docs" / "vendor.md"


def test_the_datasets_are_those_of_the_docs():
    _, _, section = VENDOR.read_text().partition("## Datasets\n")
    documented = re.findall(r"^\| `(\w+)` \|", section.partition("\n## ")[0], re.MULTILINE)

    assert documented == list(Dataset)


def test_only_splits_and_dividends_can_be_lacking_from_a_plan_that_loads():
    assert set(Dataset) - set(NEEDED_BY_LOADS) == {Dataset.SPLITS, Dataset.DIVIDENDS}

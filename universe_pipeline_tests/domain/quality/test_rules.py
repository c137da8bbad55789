"""The list of rules is closed, and the documentation is the same list."""

import re
from pathlib import Path

from universe_pipeline.domain.quality.rows import ROW_RULES
from universe_pipeline.domain.quality.rules import RULES, Level, Severity

DOCUMENT = (Path(__file__).parents[3] / "docs/quality.md").read_text()


def test_every_rule_is_documented_as_it_is():
    commands = dict(re.findall(r"^\| (\w+) \| `(universe .+?)` \|$", DOCUMENT, re.MULTILINE))
    rows = re.findall(
        r"^\| `(\w+)` \| (ERROR|WARN|INFO) \| (.+?) \| (.+?) \|$", DOCUMENT, re.MULTILINE
    )

    documented = [
        (
            name,
            severity,
            meaning,
            " or ".join(commands.get(word, word) for word in words.split(" or ")),
        )
        for name, severity, meaning, words in rows
    ]
    assert documented == [(each.name, each.severity, each.meaning, each.repair) for each in RULES]


def test_names_are_unique():
    assert len({each.name for each in RULES}) == len(RULES)


def test_what_rejects_a_row_is_an_error_where_it_is_stored():
    errors = {
        each.name for each in RULES if each.level is Level.ROW and each.severity is Severity.ERROR
    }

    assert errors == {rule.name for rule in ROW_RULES}


def test_three_rules_keep_a_session_from_readers():
    assert [each.name for each in RULES if each.quarantines] == [
        "session_has_a_plausible_row_count",
        "session_differs_from_the_one_before",
        "session_has_the_benchmark_symbols",
    ]
    assert all(
        each.severity is Severity.ERROR and each.degrades for each in RULES if each.quarantines
    )

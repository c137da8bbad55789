"""The line of a failed check, which the UI renders as Markdown: the vendor's words stay words."""

from datetime import UTC, date, datetime

from universe_pipeline.adapters.postgres.quality.standing import StandingRule
from universe_pipeline.domain.quality import rules
from universe_pipeline.domain.quality.findings import Finding, Violation
from universe_pipeline.orchestration.checks.evaluation import OF_BARS, verdict

SYMBOL = "![](//x.y/z)<b>"


def test_the_line_of_a_check_fetches_no_picture_of_a_symbol():
    offender = Violation(date(2024, 6, 25), SYMBOL, "high < low")
    finding = Finding(rules.OHLC_ORDER, 1, (offender,))
    judged = datetime(2024, 6, 24, tzinfo=UTC)
    before = {rules.OHLC_ORDER.name: StandingRule(rules.OHLC_ORDER.name, "ERROR", judged, count=2)}

    shown = verdict(OF_BARS[0], {rules.OHLC_ORDER: finding}, before).description

    assert shown == (
        "2024-06-25 \\!\\[\\](\\/\\/x.y\\/z)\\<b\\>: high \\< low; 2 found before still stand"
    )

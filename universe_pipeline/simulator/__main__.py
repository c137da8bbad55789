"""`python -m universe_pipeline.simulator`: the simulated vendor as a process of its own.

Writes its address on one line to stdout when it is ready; SIGTERM or ctrl-C ends it.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from datetime import date
from types import FrameType
from typing import NoReturn

from universe_pipeline.simulator.faults import Fault, fault_from_text
from universe_pipeline.simulator.server import SimulatedVendor
from universe_pipeline.simulator.world import DEFAULT_SYMBOLS, FEWEST_SYMBOLS, MOST_SYMBOLS

_HIGHEST_PORT = 65_535
_MOST_REQUESTS = 1_000_000


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        self.exit(2, f"simulator: {message}\n")


class _Options(argparse.Namespace):
    port: int
    symbols: int
    api_key: str | None
    plan_start: date | None
    rate_limit: int
    planted_until: date | None
    restless: bool
    fault: list[Fault]


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal comes.

    Returns:
        The exit code: 0, or 2 when the port cannot be had (wrong options exit 2 by themselves).
    """
    options = _parser().parse_args(arguments, _Options())
    try:
        vendor = SimulatedVendor(
            symbols=options.symbols,
            port=options.port,
            api_key=options.api_key,
            plan_start=options.plan_start,
            rate_limit=options.rate_limit,
            planted_until=options.planted_until,
            restless=options.restless,
        )
    except OSError as taken:
        sys.stderr.write(f"simulator: cannot listen on port {options.port}: {taken.strerror}\n")
        return 2
    vendor.faults.extend(options.fault)
    ended = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with vendor:
        sys.stdout.write(f"{vendor.base_url}\n")
        sys.stdout.flush()
        ended.wait()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m universe_pipeline.simulator",
        description="A stand-in for the vendor: real HTTP on loopback, invented numbers.",
    )
    add = parser.add_argument
    add("--port", type=_number(0, _HIGHEST_PORT), default=0, help="0 (default): a free one")
    add(
        "--symbols",
        type=_number(FEWEST_SYMBOLS, MOST_SYMBOLS),
        default=DEFAULT_SYMBOLS,
        help="rows of both reference lists together (default: %(default)s)",
    )
    add("--api-key", help="the only key that is known (default: any, but one is needed)")
    add("--plan-start", type=_day, metavar="YYYY-MM-DD", help="earlier days are outside the plan")
    add(
        "--rate-limit",
        type=_number(0, _MOST_REQUESTS),
        default=0,
        help="requests in any 60 seconds; 0 (default): no limit",
    )
    add(
        "--planted-until",
        type=_day,
        metavar="YYYY-MM-DD",
        help="lists that err in known ways in the 60 sessions up to that day (simulator/truth.py)",
    )
    add(
        "--restless",
        action="store_true",
        help="prices that jump, thin names that trade seldom, and warrants at cents",
    )
    add(
        "--fault",
        type=_fault,
        action="append",
        default=[],
        metavar="KIND[:FIELD=VALUE,...]",
        help="a fault, like 429:endpoint=grouped,times=3,retry_after=1 or "
        "missing:tickers=AAPL+MSFT; may be given again (kinds and fields: simulator/faults.py)",
    )
    return parser


def _number(least: int, most: int) -> Callable[[str], int]:
    def parsed(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} to {most}")
        return int(text)

    return parsed


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day like 2024-01-31") from None


def _fault(text: str) -> Fault:
    try:
        return fault_from_text(text)
    except ValueError as unusable:
        raise argparse.ArgumentTypeError(f"{text!r} is no fault: {unusable}") from None


if __name__ == "__main__":
    sys.exit(main())

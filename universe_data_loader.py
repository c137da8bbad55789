"""The flags of the stand-alone loader that this project succeeds, forwarded to `universe`."""

import argparse
import sys

from universe_pipeline.cli.app import main

PASSED_ON = {
    "discover": ("force_refresh",),
    "historical": ("start", "end", "symbols", "batch_size"),
    "daily": ("date",),
    "verify": ("sample_size", "start", "end"),
    "resume": (),
}
"""For each mode the options that mean something there."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    mode = parser.add_mutually_exclusive_group(required=True)
    for name in PASSED_ON:
        mode.add_argument(f"--{name}", action="store_true", help=f"as `universe {name}`")
    mode.add_argument(
        "--clear-checkpoint", metavar="JOB", help="as `universe clear-checkpoint JOB`"
    )
    for option in ("start", "end", "date"):
        parser.add_argument(f"--{option}", metavar="YYYY-MM-DD")
    parser.add_argument("--symbols", metavar="A,B")
    parser.add_argument("--sample-size", metavar="N")
    parser.add_argument("--batch-size", metavar="N")
    parser.add_argument("--force-refresh", action="store_true")
    return parser


def forwarded(arguments: list[str]) -> list[str]:
    """The arguments of `universe` that mean the same."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    if given["clear_checkpoint"] is not None:
        return ["clear-checkpoint", given["clear_checkpoint"]]
    mode = next(name for name in PASSED_ON if given[name])
    options = {
        name: value
        for name, value in given.items()
        if value not in (None, False) and name not in PASSED_ON
    }
    for stray in options.keys() - set(PASSED_ON[mode]):
        parser.error(f"--{stray.replace('_', '-')} means nothing with --{mode}")
    command = [mode]
    for name, value in options.items():
        command.append(f"--{name.replace('_', '-')}")
        if value is not True:
            command.append(value)
    return command


if __name__ == "__main__":
    main(forwarded(sys.argv[1:]))

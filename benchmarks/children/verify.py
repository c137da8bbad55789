"""`universe verify` in this process: `python -m benchmarks.children.verify`."""

import time

from benchmarks.children.output import peak_mb, print_figures
from universe_pipeline.cli.verify import verify
from universe_pipeline.settings import load_settings


def main() -> None:
    """Judge everything as the command does."""
    started = time.perf_counter()
    code = verify(load_settings(), (None, None), 0, as_json=False, every_rule=False)
    wall, peak = time.perf_counter() - started, peak_mb()
    assert code == 0, code
    print_figures(wall=wall, peak_mb=peak)


if __name__ == "__main__":
    main()

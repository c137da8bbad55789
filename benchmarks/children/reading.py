"""A year read in this process: `python -m benchmarks.children.reading URL FIRST LAST`."""

import sys

from benchmarks.children.output import peak_mb, print_figures
from universe_pipeline import read


def main() -> None:
    """Print how much memory the read took, over what a read of no bars takes, and the frame's."""
    url, first, last = sys.argv[1:]
    with read.connect(url) as data:
        data.bars([], start=first, end=last, adjustment="total_return")
        before = peak_mb()
        frame = data.bars(start=first, end=last, adjustment="total_return")
        peak = peak_mb() - before
    print_figures(peak_mb=peak, frame_mb=frame.estimated_size() / 1e6)


if __name__ == "__main__":
    main()

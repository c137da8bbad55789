"""What is measured in a process of its own, without what others left in memory.

Each is run as `python -m benchmarks.children.<name>` in a `Stage`'s environment, and prints its
figures as one line of JSON, the last one on stdout.
"""

from universe_pipeline.adapters.machine import tune_for_loading

tune_for_loading()  # as the product's own entry points do, before any library for loading comes in

"""What is measured in a process of its own, without what others left in memory.

Each is run as `python -m benchmarks.children.<name>` in a `Stage`'s environment, and prints its
figures as one line of JSON, the last one on stdout.
"""

"""What else people load such bars with, each a program of its own.

They run in `.venv-bench`, where nothing of the product is, as
`python -m benchmarks.peers.<name> VENDOR DATABASE DAY...`, and print their seconds as JSON. Each
loads sessions one after another into a new table with the key (date, symbol), as its
documentation shows; imports and connecting are not counted.
"""

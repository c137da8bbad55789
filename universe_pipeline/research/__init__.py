"""What is derived from stored bars while they are read, for notebooks and other programs.

    reader      the object that `read.connect` gives
    arguments   what a reader may ask for
    sessions    bars of all symbols, session by session
    histories   bars of chosen symbols, each over many sessions
    lists       reference lists and coverage as frames

It knows neither Dagster nor the vendor, and writes nothing.
"""

"""What the product costs, compared with the least that it could cost: `make bench`.

Everything runs on loopback: the embedded PostgreSQL, a vendor that serves prepared answers, and
what is measured, each a process of its own. No time stands alone: the parts that load are
interleaved with the floor, a plain COPY of rows that are encoded already, and judged by ratios.

    __main__    the command: which parts, how large, where the results go
    scale       how large everything is
    stage       server, template database, vendor, child processes
    answers     the simulator's bodies, rendered and packed once
    vendor      the process that serves them
    race        ways to load the same sessions, interleaved with the floor
    figures     what came out, and what was asked for
    children/   what is measured in a process of its own
"""

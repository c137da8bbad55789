"""A stand-in for the vendor: real HTTP/1.1 on loopback, in the vendor's documented shapes.

The demo and the tests talk to it with the real client, in-process or as a process of its own:

    with SimulatedVendor(symbols=300) as vendor:                    # server.py
        vendor.faults.add("429", endpoint="grouped", times=2, retry_after=1)
        ... requests to vendor.base_url, with any key ...
        assert vendor.count("grouped") == 3

    python -m universe_pipeline.simulator --port 8080 --symbols 14000

It answers `/v3/reference/tickers`, its `/types` and `/{ticker}`, ticker events, the newer and the
deprecated lists of splits and of dividends, the grouped daily bars of a session and the daily range
of a ticker, as traded or adjusted for the splits up to its clock's day. All answers are invented
and follow from the URL, the options of the world and the clock alone; only tickers and names of
some well-known securities are borrowed, and some of their splits and dividends. The ids of
dividends are the exception: as the vendor's, they differ in each pull. It is stricter than the
vendor: it refuses an unknown query parameter with 400, because the vendor would silently answer
another question.

    listings, population    all listings of a world, well-known and invented
    planted, truth          listings and actions about which the lists err, and what is true
    world                   the reference lists of a day
    splits                  the splits of each listing, and what a share became
    dividends               who pays what and when, and what that does to prices
    noise, prices, market   the bars, computed for any day without the days before
    reference, split_lists, dividend_lists, aggregates
                            the endpoints
    faults, effects         what goes wrong on request; hostile has rows for it
    wire, server            HTTP

Faults on request, for other processes (never logged or counted, and they need no key):

    POST   /_simulator/faults    a JSON list like [{"kind": "500", "times": 2}], of objects with
                                 the fields of `faults.Fault`; 400 with the reason otherwise
    DELETE /_simulator/faults    removes all faults
    GET    /_simulator/requests  {"tickers": 28, "grouped": 252, ...}: requests by endpoint,
                                 "unknown" for paths that are none of the vendor's
"""

"""The vendor, Polygon.io (now Massive): one client, its answers decoded.

From the outside in:

    client     what can be asked: pace, retries, pages
    bars       grouped and range answers -> frames of bars; rows decodes their rows
    reference  tickers and ticker types -> frames of symbols
    envelope   what every answer has around its rows
    refusals   what an HTTP status other than 200 means
    http       one request and its reply, on sockets with a deadline; body unpacks it
    retry      how long to be patient; pacing says when a request may be sent
    traffic    how many requests may be in flight
    origins    which addresses may see the key; key hides it
"""

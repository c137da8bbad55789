"""The plain table of bars that floor, peers and reference layout store into."""

BARS = """
    date         date NOT NULL,
    symbol       text COLLATE "C" NOT NULL,
    open         double precision NOT NULL,
    high         double precision NOT NULL,
    low          double precision NOT NULL,
    close        double precision NOT NULL,
    volume       double precision NOT NULL,
    vwap         double precision,
    transactions bigint
"""
COLUMNS = "date, symbol, open, high, low, close, volume, vwap, transactions"

KEYED = f"CREATE TABLE bars ({BARS}, PRIMARY KEY (date, symbol))"

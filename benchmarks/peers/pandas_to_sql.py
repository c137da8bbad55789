"""The vendor's client, and pandas' to_sql."""

from datetime import date

from benchmarks.peers.measuring import answers, foreign, measure, row
from benchmarks.table import COLUMNS

pandas, sqlalchemy = foreign("pandas"), foreign("sqlalchemy")


def load(vendor: str, database: str, days: list[date]) -> None:
    """A frame a session, appended with the defaults."""
    engine = sqlalchemy.create_engine(database.replace("postgresql:", "postgresql+psycopg:", 1))
    for day, bars in answers(vendor, days):
        frame = pandas.DataFrame([row(day, bar) for bar in bars], columns=COLUMNS.split(", "))
        frame.to_sql("bars", engine, if_exists="append", index=False)


if __name__ == "__main__":
    measure(load)

"""A tour for researchers, on the demo's database: a marimo notebook, and a script that runs it.

docs/research.md says how to open it.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="A tour for researchers")

with app.setup:
    from datetime import date

    import marimo as mo
    import polars as pl

    from universe_pipeline import read


@app.cell
def _():
    mo.md("""
    # A tour for researchers

    It reads the database of `make demo`: a simulated vendor, whose lists err in ways that real
    lists do. Prices are invented. Change any cell; the cells that depend on it run again.

    `docs/research.md` explains every call, `docs/adjustment.md` what adjusting does, and
    `docs/identity.md` which security a symbol means.
    """)
    return


@app.cell
def _():
    data = read.connect()
    return (data,)


@app.cell
def _(data: read.Reader):
    coverage = data.coverage()
    first: date = coverage.select(pl.col("first_date").min()).item()
    last: date = coverage.select(pl.col("last_date").max()).item()
    loaded = pl.DataFrame(
        [
            ("bars", coverage["bar_count"].sum(), "symbol and session"),
            ("symbols with bars", coverage.height, "symbol"),
            ("securities", data.listings()["security_id"].n_unique(), "security"),
            ("splits", data.splits().height, "split, announced ones included"),
            ("dividends", data.dividends().height, "dividend, announced ones included"),
        ],
        schema=["what", "count", "one for each"],
        orient="row",
    )
    mo.vstack([mo.md(f"## What is loaded\n\nNew York sessions from {first} to {last}."), loaded])
    return first, last


@app.cell
def _(data: read.Reader, first: date, last: date):
    members = data.universe_on(first)
    survivors = members.join(data.universe_on(last), on="security_id", how="semi")
    gone = members.join(survivors, on="security_id", how="anti")
    mo.vstack(
        [
            mo.md(f"""
            ## The universe as it was

            On {first} it had {members.height:,} common stocks. By {last}, {gone.height} of them
            are gone: these. A list of today's stocks lacks them. `valid_to` is the first day on
            which the listing no longer holds.
            """),
            gone.drop("security_id"),
        ]
    )
    return members, survivors


@app.cell
def _(data: read.Reader, last: date):
    renamed = pl.concat([data.listings("FIGOL"), data.listings("FIGNE")]).unique()
    followed = data.bars("FIGNE", end=last, columns=["close", "volume"])
    changed: date = renamed.filter(pl.col("symbol") == "FIGNE")["valid_from"].item()
    mo.vstack(
        [
            mo.md(f"## A renamed ticker\n\nFIGOL became FIGNE on {changed}."),
            renamed.sort("valid_from"),
            mo.md("""
            The two listings have one `security_id`: asked for FIGNE, you also get the bars of
            FIGOL. Today's lists do not hold FIGOL, so the demo asks for some of past days, as
            `universe listings --anchors` does (`docs/identity.md`).

            The bars of FIGNE; `close` in USD a share as traded, `volume` in shares.
            """),
            followed,
        ]
    )
    return


@app.cell
def _(data: read.Reader):
    holders = data.listings("TWOHD").sort("valid_from")
    of_each = [
        data.bars(security_id, columns=["close", "volume"])
        for security_id in holders["security_id"].to_list()
    ]
    mo.vstack(
        [
            mo.md("""
            ## A reused ticker

            TWOHD is two companies, one after the other. A `security_id` means one of them;
            a symbol means its holder on `end`. `close` in USD a share as traded, `volume` in
            shares.
            """),
            holders,
            *of_each,
        ]
    )
    return


@app.cell
def _(data: read.Reader, last: date):
    traded = data.bars("ADJUS", end=last, columns=["close"])
    of_splits = data.bars("ADJUS", end=last, columns=["close"], adjustment="splits")
    of_all = data.bars(
        "ADJUS", end=last, columns=["close"], adjustment="total_return", factors=True
    )
    three_ways = traded.with_columns(
        splits=of_splits["close"],
        total_return=of_all["close"],
        price_factor=of_all["price_factor"],
    )
    mo.vstack(
        [
            mo.md("""
            ## One price, three ways

            ADJUS pays 0.77 USD a share, and later splits: four new shares for an old one.
            `close` is in USD a share as traded; `splits` and `total_return` are in USD a share of
            today. `price_factor` has no unit: `total_return = close * price_factor`. It changes on
            the ex-date and on the day of the split, and is 1 since.
            """),
            data.dividends().filter(pl.col("symbol") == "ADJUS"),
            data.splits().filter(pl.col("symbol") == "ADJUS"),
            three_ways,
        ]
    )
    return


@app.cell
def _(data: read.Reader, first: date, last: date):
    def growth(adjustment: read.Adjustment) -> pl.Series:
        closes = data.closes("USUAL", start=first, end=last, adjustment=adjustment)
        return closes.select(pl.col("USUAL") / pl.col("USUAL").first()).to_series()

    days = data.closes("USUAL", start=first, end=last)["date"]
    series = pl.DataFrame(
        {"date": days, "price": growth("splits"), "total_return": growth("total_return")}
    )
    chart = series.unpivot(index="date", value_name="USD").plot.line(
        x="date", y="USD", color="variable"
    )
    mo.vstack(
        [
            mo.md("""
            ## A total-return series

            What one USD of USUAL's first close has become, in USD: by its price alone, and with
            its dividend reinvested on the ex-date.
            """),
            chart,
            series,
        ]
    )
    return


@app.cell
def _(data: read.Reader, first: date, last: date, members: pl.DataFrame, survivors: pl.DataFrame):
    def momentum(universe: pl.DataFrame) -> pl.DataFrame:
        """The gain of each security up to its last close."""
        closes = data.closes(
            universe["security_id"].to_list(),
            start=first,
            end=last,
            adjustment="total_return",
            as_of=last,
        )
        held = pl.exclude("date").forward_fill().last() / pl.exclude("date").first() - 1
        wide = closes.select(held)
        return wide.transpose(include_header=True, header_name="security", column_names=["gain"])

    of_members = momentum(members)
    means = pl.DataFrame(
        {
            "universe": [f"of {first}", f"of {first}, survivors of {last} only"],
            "securities": [members.height, survivors.height],
            "mean gain": [of_members["gain"].mean(), momentum(survivors)["gain"].mean()],
        }
    )
    mo.vstack(
        [
            mo.md(f"""
            ## Momentum without survivorship bias

            The gain from {first} to {last}, with dividends reinvested, as a fraction: 0.1 is 10 %.
            A stock that has left counts up to its last close; what its holders were paid
            afterwards is not in the data. `as_of` keeps later actions out.

            Look at both ends of the list first. MISSI split, and the list of splits lacks it;
            for RATIO it holds two ratios on one day. Neither loss is real.
            """),
            means,
            of_members.sort("gain", descending=True, nulls_last=True),
        ]
    )
    return


@app.cell
def _(data: read.Reader):
    listings = data.listings()
    unknown = listings.filter(pl.col("evidence") == "unknown")
    mo.vstack(
        [
            mo.md(f"""
            ## What `unknown` means

            `evidence` says what ties a listing to its security. `unknown` is a result and never a
            guess: these {unknown.height} listings have bars, and no list says whose they are. Each
            is a security of its own. Without a type it is not in the universe; choose whether
            your study leaves such listings out (`docs/identity.md`).
            """),
            listings["evidence"].value_counts(sort=True, name="listings"),
            unknown,
        ]
    )
    return


if __name__ == "__main__":
    app.run()

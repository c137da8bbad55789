"""The report: one page that shows what is loaded, and what the rules found.

    report     makes it, and writes the file
    page       the HTML, by `templates/`
    rendering  charts as SVG
    charts     Vega-Lite, by Altair; `calendar` is one of them, `axes` what they share
    frames     the figures behind the charts, `tables` the rows of the tables
    reading    one look at the database

Nothing here asks the vendor or writes to the database. The drawing libraries are slow to import, so
callers import `report` only when they make one.
"""

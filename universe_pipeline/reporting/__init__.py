"""The report: one page that shows what is loaded, and what the rules say of it.

    report     makes it, and writes the file
    page       the HTML, by `templates/`
    rendering  charts as SVG
    charts     Vega-Lite, by Altair; `calendar` is one of them, `axes` what they share
    frames     the figures behind the charts, `tables` the rows of the tables
    reading    one look at the database

Nothing here asks the vendor or writes to the database. What draws is slow to import: whoever makes
a report imports it when it is asked for.
"""

"""The report: figures, tables and the page, each held against counts made by hand."""

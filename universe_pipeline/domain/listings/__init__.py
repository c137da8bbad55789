"""Which security a symbol meant on which day: from bars, lists and the owner's word alone.

Bars give the days (`segments`), lists give the identity (`evidence`), `judging` ties both together,
and `numbering` keeps each security's permanent id. All of it is pure.
"""

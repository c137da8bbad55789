"""What a discovery found odd about the reference lists, in lines."""

from collections.abc import Iterator

from universe_pipeline.adapters.postgres.reference.symbols import AbsentField, Snapshot
from universe_pipeline.adapters.postgres.reference.whole_lists import ListSnapshot
from universe_pipeline.domain.foreign_text import visible


def about_symbols(snapshot: Snapshot) -> Iterator[str]:
    """Name what was kept because the lists lack it, and count what cannot be used."""
    if snapshot.absent_fields:
        kept = "; ".join(map(described, snapshot.absent_fields))
        yield f"kept what the lists lack: {kept}"
    if snapshot.rejected:
        yield (
            f"{snapshot.rejected:,} rows of the lists cannot be used; their symbols stay as they "
            "were: see table rejected_symbols"
        )


def about_splits(snapshot: ListSnapshot) -> Iterator[str]:
    """Count what cannot be used."""
    if snapshot.rejected:
        yield (
            f"{snapshot.rejected:,} rows of the list of splits are not stored: see table "
            "rejected_splits"
        )


def described(field: AbsentField) -> str:
    """A column and the symbols whose value the lists lack, like "type of 1 (MSFT)"."""
    shown = visible(", ".join(field.symbols)) + (" …" if field.count > len(field.symbols) else "")
    return f"{field.column} of {field.count:,} ({shown})"

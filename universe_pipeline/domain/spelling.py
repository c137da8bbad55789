"""Which symbol, or which setting, was meant by one that does not exist."""

from collections.abc import Sequence
from difflib import SequenceMatcher, get_close_matches
from string import ascii_uppercase, digits

NEAREST = 3
"""Symbols that are suggested for one that does not exist."""


def nearest(symbol: str, listed: Sequence[str]) -> list[str]:
    """The symbols that were meant, perhaps: up to three, the most likely first.

    Those that differ by case and punctuation alone (`brk-b`, BRK.B); otherwise those that one slip
    of a finger turns into `symbol`; otherwise those that look like it.

    Args:
        symbol: one that does not exist.
        listed: the symbols that do, in the order in which they are preferred.
    """
    shape = _shape(symbol)
    shapes = {known: _shape(known) for known in listed}
    alike = [known for known in listed if shapes[known] == shape]
    slips = _slips(shape)
    near = alike or sorted(
        (known for known in listed if shapes[known] in slips),
        key=lambda known: abs(len(shapes[known]) - len(shape)),
    )
    if not near:
        close = get_close_matches(shape, dict.fromkeys(shapes.values()), NEAREST, cutoff=0.7)
        near = [known for known in listed if shapes[known] in close]
    return near[:NEAREST]


SLIP = 0.885
"""Likeness from which a name is another one with a slip of the finger: POLYGON_RATE_LIMT.

Names of other programs are less alike: POLYGONSCAN_API_KEY has 0.882.
"""

ALIKE = 0.7
"""Likeness from which a name is worth a suggestion."""


def likeliest(name: str, known: Sequence[str]) -> tuple[str, float]:
    """The one of `known` that is most like `name`, and its likeness from 0 to 1.

    One that differs by its first word alone (MASSIVE_RATE_LIMIT) is worth a suggestion.
    """
    likeness = {one: _likeness(name, one) for one in known}
    if max(likeness.values()) < SLIP:
        ending = name.partition("_")[2]
        likeness |= {one: ALIKE for one in known if ending and one.partition("_")[2] == ending}
    best = max(likeness, key=likeness.__getitem__)
    return best, likeness[best]


def _likeness(name: str, other: str) -> float:
    return SequenceMatcher(None, name, other).ratio()


def _shape(symbol: str) -> str:
    return "".join(filter(str.isalnum, symbol)).upper()


def _slips(shape: str) -> set[str]:
    """What one wrong, missing, added or swapped character makes of `shape`."""
    cuts = [(shape[:place], shape[place:]) for place in range(len(shape) + 1)]
    letters = ascii_uppercase + digits
    wrong = {a + letter + b[1:] for a, b in cuts if b for letter in letters}
    added = {a + letter + b for a, b in cuts for letter in letters}
    missing = {a + b[1:] for a, b in cuts if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
    return (wrong | added | missing | swapped) - {shape, ""}

"""The columns of a frame of bars."""

from dataclasses import dataclass

FACTORS = ("price_factor", "volume_factor")


@dataclass(frozen=True, slots=True)
class Shape:
    """The columns next to date and symbol."""

    shown: tuple[str, ...]
    """In their order."""
    is_adjusted: bool = False

    @property
    def packed(self) -> tuple[str, ...]:
        """Those that the server packs."""
        return tuple(name for name in self.shown if name not in (*FACTORS, "security_id"))

    @property
    def needs_securities(self) -> bool:
        """Whether the security of every bar must be known."""
        return self.is_adjusted or "security_id" in self.shown

"""Repeatable randomness and smooth curves that give the same bits on every machine.

Only integer operations and + - * / are used: their results are fixed by IEEE 754, while sin and exp
may differ in the last bit between processors.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Seeds = npt.NDArray[np.uint64]

_STEP = 0x9E3779B97F4A7C15
_ALL_BITS = 0xFFFFFFFFFFFFFFFF


def seed_of(text: str) -> int:
    """A 64-bit seed for `text`."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def seeds(numbers: npt.NDArray[np.int64]) -> Seeds:
    """A well-mixed 64-bit seed for each number."""
    return _mixed(numbers.astype(np.uint64) * np.uint64(_STEP))


def uniform(seed: Seeds, salt: int) -> Floats:
    """Numbers in [0, 1), one a seed; each `salt` gives an independent row of them."""
    bits = _mixed(seed + np.uint64(salt * _STEP & _ALL_BITS))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def wave(phase: Floats) -> Floats:
    """A smooth curve in [-1, 1] with period 1: the sine's parabolic cousin."""
    x = phase - np.floor(phase)
    return 16.0 * (0.5 - x) * (0.5 - np.abs(0.5 - x))


def growth(rate: Floats) -> Floats:
    """Close to exp(rate), and as symmetric about 0, for |rate| < 1."""
    return (2.0 + rate) / (2.0 - rate)


def _mixed(bits: Seeds) -> Seeds:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))

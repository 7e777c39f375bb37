"""What one request for titles asks."""

from __future__ import annotations

import msgspec

MOST = 100  # titles in one answer
DEEPEST = 1000  # titles passed over


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """How many titles from where on, which ones, and by which placement's rules.

    `include` restricts to its ids, if there are any; of `genre` any will do; None leaves it to the placement. `new` is
    how many titles that came up since the night are offered beside them.
    """

    n: int = 10
    offset: int = 0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    genre: tuple[str, ...] = ()
    max_rating: str | None = None
    country: str | None = None
    diversity: float | None = None
    seen: bool = False
    explain: bool = False
    placement: str | None = None
    new: int = 0

    @property
    def depth(self) -> int:
        """How long a list it takes."""
        return self.offset + self.n

    @property
    def is_plain(self) -> bool:
        """Whether it asks for nothing but a number of titles."""
        return self == Wish(n=self.n)


class WishError(ValueError):
    """A request names something that there is not; the message says what there is."""

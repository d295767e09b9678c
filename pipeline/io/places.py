"""Places in a file: it takes any row, so every row's place is its own key."""

from collections.abc import AsyncIterator, Sequence

from pipeline.core.rows import Place, Rejection, RowKey


class OwnPlaces:
    """Every row has a place."""

    async def of(self, keys: Sequence[RowKey]) -> Sequence[Place | Rejection]:
        """Return the place of each key: the key itself."""
        return [Place(key.key, key.title) for key in keys]

    async def problems(self) -> AsyncIterator[Rejection]:
        """Give nothing: no key is missing, ambiguous or twice used."""
        problems: tuple[Rejection, ...] = ()
        for problem in problems:
            yield problem

"""A value that comes later."""

from typing import Generic, TypeVar

import anyio

Value = TypeVar("Value")


class Promised(Generic[Value]):
    """Keeps those who ask waiting until the value is there."""

    def __init__(self) -> None:
        self._there = anyio.Event()
        self._value: list[Value] = []

    def keep(self, value: Value) -> None:
        """Give the value to all who wait, and to all who come later."""
        self._value.append(value)
        self._there.set()

    async def value(self) -> Value:
        """Return the value, once it is there."""
        if not self._value:
            await self._there.wait()
        return self._value[0]

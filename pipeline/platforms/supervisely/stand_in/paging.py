"""Lists: filtered, sorted, and given page by page, by number or by token."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from pipeline.platforms.supervisely.stand_in.answers import Json, invalid

Item = TypeVar("Item")

PER_PAGE = 500
"""Items of a page where no number is asked for."""
TOKEN_PER_PAGE = 20_000
"""The same where pages are asked for by token."""


class Filter(msgspec.Struct):
    """A condition on one field."""

    field: str
    value: Any
    operator: str = "="


class Asked(msgspec.Struct, kw_only=True):
    """What every list can be asked."""

    filter: list[Filter] = []
    filters: list[Json] | None = None
    sort: str = "id"
    sort_order: str = "asc"
    page: int = 1
    per_page: int | None = None
    pagination_mode: str | None = None
    after: str | int | None = None
    fields: list[str] | None = None
    extra_fields: list[str] | None = msgspec.field(default=None, name="extraFields")


_SAME = {"title": "name", "imageId": "entityId"}
"""Fields that are told under other names than they are asked by."""

Field = Callable[[Item, str], Any]
"""Gives the value of a field of an item. Raises KeyError where it has no such field."""


class Paged:
    """Makes pages of at most `cap` items, whatever is asked for."""

    def __init__(self, cap: int) -> None:
        self._cap = cap

    def of(
        self, items: Sequence[Item], asked: Asked, field: Field[Item], told: Callable[[Item], Json]
    ) -> Json:
        """Return the page that is asked for. `items` are in the order of their ids.

        Raises:
            Refused: the list has no such field, operator, order or page.
        """
        if asked.filters:
            raise invalid('"filters" is not supported by this server')
        try:
            for condition in asked.filter:
                test = _test(condition)
                items = [item for item in items if test(field(item, condition.field))]
            if asked.pagination_mode == "token":
                return self._after(items, asked, field, told)
            if asked.sort != "id":
                items = sorted(items, key=lambda item: _order(field(item, asked.sort)))
        except KeyError as error:
            raise invalid(f'"{error.args[0]}" is not a field of this list') from error
        if asked.sort_order not in {"asc", "desc"}:
            raise invalid('"sort_order" must be one of [asc, desc]')
        if asked.sort_order == "desc":
            items = items[::-1]
        size = self._size(asked, PER_PAGE)
        if asked.page < 1:
            raise invalid('"page" must be greater than or equal to 1')
        page = items[(asked.page - 1) * size : asked.page * size]
        pages = -(-len(items) // size)
        return {
            "total": len(items),
            "perPage": size,
            "pagesCount": pages,
            "entities": [_chosen(told(item), asked) for item in page],
        }

    def _after(
        self, items: Sequence[Item], asked: Asked, field: Field[Item], told: Callable[[Item], Json]
    ) -> Json:
        total, size = len(items), self._size(asked, TOKEN_PER_PAGE)
        if asked.after is not None:
            last = int(asked.after)
            items = [item for item in items if field(item, "id") > last]
        page = items[:size]
        more = len(items) > size
        return {
            "total": total,
            "perPage": size,
            "pagesCount": -(-total // size),
            "after": str(field(page[-1], "id")) if more else None,
            "entities": [_chosen(told(item), asked) for item in page],
        }

    def _size(self, asked: Asked, usual: int) -> int:
        size = usual if asked.per_page is None else asked.per_page
        if size < 1:
            raise invalid('"per_page" must be greater than or equal to 1')
        return min(size, self._cap)


def _order(value: Any) -> tuple[bool, Any]:  # noqa: ANN401 - of one kind, or None
    return value is not None, value


def _test(condition: Filter) -> Callable[[Any], bool]:
    value = condition.value
    match condition.operator:
        case "=" | "eq":
            return lambda found: bool(found == value)
        case "!=":
            return lambda found: bool(found != value)
        case "in":
            if not isinstance(value, list):
                raise invalid('"value" must be an array')
            among = set(value)
            return lambda found: found in among
        case "<" | "<=" | ">" | ">=":
            return lambda found: _compared(condition.operator, found, value)
    raise invalid(f'"operator" {condition.operator!r} is not known')


def _compared(operator: str, found: Any, value: Any) -> bool:  # noqa: ANN401 - of one kind, or they do not compare
    if operator.startswith("<"):
        return bool(found < value or (operator == "<=" and found == value))
    return bool(found > value or (operator == ">=" and found == value))


def _chosen(told: Json, asked: Asked) -> Json:
    """Keep the fields that are asked for. Custom data come only when they are."""
    if asked.fields:
        wanted = {*asked.fields, *(asked.extra_fields or ()), "id"}
        wanted |= {_SAME[key] for key in wanted & _SAME.keys()}
        return {key: value for key, value in told.items() if key in wanted}
    if "customData" in told and "customData" not in (asked.extra_fields or ()):
        return {key: value for key, value in told.items() if key != "customData"}
    return told


def known(told: Mapping[str, Any], field: str) -> Any:  # noqa: ANN401 - JSON
    """Return a field of what is told of an item; names go by `title`, too."""
    return told["name" if field == "title" and "title" not in told else field]

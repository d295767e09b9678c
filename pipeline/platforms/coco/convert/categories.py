"""COCO's categories to the ontology and back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.core.geometry import Shape
from pipeline.core.ontology import ClassDef, Ontology, SkeletonTemplate, TemplateNode
from pipeline.platforms.coco.wire import PERSON_EDGES, PERSON_ID, PERSON_POINTS, Id, Json

RAW = "coco"
"""The key of `raw` in an ontology and its classes under which COCO's own JSON is kept."""


@dataclass(frozen=True, slots=True)
class Category:
    """One category. `points` names its keypoints; `edges` are pairs of these names."""

    id: Id
    name: str
    points: tuple[str, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()
    raw: Json | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Categories:
    """The categories of a file. `given` is false for results, which come without any."""

    by_id: Mapping[str, Category]
    given: bool = True

    def find(self, number: object, *, points: bool) -> Category:
        """Return the category of an annotation; `points` says whether it has keypoints.

        Without categories the class is the id, and keypoints are those of COCO's person. Raises ValueError
        for an id that is not among the categories.
        """
        if not isinstance(number, int | str):
            raise ValueError(f"category_id is {number!r}; expected the id of a category")  # noqa: TRY004 - of a file
        if self.given:
            found = self.by_id.get(str(number))
            if found is None:
                raise ValueError(f"category_id {number!r} is not among the {len(self.by_id)} categories")
            return found
        if points and number == PERSON_ID:
            return PERSON
        return Category(number, str(number), PERSON_POINTS if points else (), PERSON.edges if points else ())


def named_edges(points: Sequence[str], edges: Iterable[Sequence[int]]) -> tuple[tuple[str, str], ...]:
    """Return edges as pairs of names. Raises ValueError for an edge that names no point."""
    found = []
    for edge in edges:
        if len(edge) != 2 or not all(type(end) is int and 0 < end <= len(points) for end in edge):  # noqa: PLR2004
            raise ValueError(
                f"edge {edge!r} of the skeleton does not name two of its {len(points)} keypoints"
            )
        found.append((points[edge[0] - 1], points[edge[1] - 1]))
    return tuple(found)


PERSON = Category(PERSON_ID, "person", PERSON_POINTS, named_edges(PERSON_POINTS, PERSON_EDGES))


def read_categories(items: Any) -> Categories:  # noqa: ANN401 - any JSON value
    """Return the categories of a file's `categories`. Raises ValueError that says which one is wrong."""
    if not isinstance(items, list):
        raise ValueError("categories is not a list")  # noqa: TRY004 - what a file says is a value
    found: dict[str, Category] = {}
    for place, item in enumerate(items):
        try:
            category = _read_category(item)
        except (ValueError, TypeError) as error:
            raise ValueError(f"categories[{place}]: {error}") from error
        if str(category.id) in found:
            raise ValueError(f"categories[{place}]: id {category.id!r} is there already")
        found[str(category.id)] = category
    return Categories(found)


def _read_category(item: Any) -> Category:  # noqa: ANN401 - any JSON value
    if not isinstance(item, dict) or type(item.get("id")) not in (int, str):
        raise ValueError("a category is an object with an id")
    name = item.get("name", str(item["id"]))
    points = item.get("keypoints") or []
    if (
        not isinstance(name, str)
        or not isinstance(points, list)
        or not all(type(one) is str for one in points)
    ):
        raise ValueError("name must be text, and keypoints a list of names")
    if len(set(points)) != len(points):
        raise ValueError("two keypoints have the same name")
    edges = named_edges(points, item.get("skeleton") or ())
    return Category(item["id"], name, tuple(points), edges, item)


def read_ontology(
    categories: Categories, met: Iterable[tuple[str, Shape]], extras: Mapping[str, Any]
) -> Ontology:
    """Return one class for each category and shape met in the annotations, in the order of the categories.

    `met` are pairs of category id and shape. `extras` is everything of the file beside images and
    annotations; it is kept, with unused categories, in the ontology's raw.
    """
    order = {number: place for place, number in enumerate(categories.by_id)}
    pairs = sorted(set(met), key=lambda pair: (order.get(pair[0], len(order)), len(pair[0]), *pair))
    classes: dict[tuple[str, Shape], ClassDef] = {}
    for number, shape in pairs:
        skeleton = shape is Shape.SKELETON
        own: Id = int(number) if number.isdecimal() and not categories.given else number
        try:
            found = categories.find(own, points=skeleton)
        except ValueError:
            continue  # its rows are rejected
        raw = None if found.raw is None else {RAW: found.raw}
        template = template_of(found) if skeleton else None
        classes.setdefault(
            (found.name, shape), ClassDef(found.name, shape, str(found.id), skeleton=template, raw=raw)
        )
    return Ontology(tuple(classes.values()), raw={RAW: dict(extras)})


def template_of(category: Category) -> SkeletonTemplate:
    """Return the skeleton template of a category with keypoints."""
    return SkeletonTemplate(tuple(TemplateNode(name) for name in category.points), category.edges)


# ---- the way out ----------------------------------------------------------------------------------------


class Numbering:
    """Gives each class of the rows its category, in the order met; keeps COCO's own ids where they are free.

    With `shared`, two classes may have one id, as the classes of results files do.
    """

    def __init__(self, ontology: Ontology | None, *, shared: bool) -> None:
        self._shared = shared
        self._found: dict[tuple[str, tuple[str, ...]], Category] = {}
        self._ids: set[str] = set()
        self._last = 0
        self._edges: dict[tuple[str, tuple[str, ...]], tuple[tuple[str, str], ...]] = {}
        extras = own_json(ontology.raw if ontology else None)
        for item in ontology.classes if ontology else ():
            points = tuple(node.name for node in item.skeleton.nodes) if item.skeleton else ()
            if item.skeleton:
                self._edges[item.name, points] = item.skeleton.edges
            self._known(item.name, points, own_json(item.raw))
        for item in extras.get("categories", ()):
            self._known(item.get("name", str(item["id"])), tuple(item.get("keypoints") or ()), item)

    def _known(self, name: str, points: tuple[str, ...], raw: Json) -> None:
        number = raw.get("id")
        if number is None or str(number) in self._ids:
            return
        points = tuple(raw.get("keypoints") or points)
        if self._named(name, points) is None:
            self._add(Category(number, name, points, raw=raw))

    def _named(self, name: str, points: tuple[str, ...]) -> Category | None:
        exact = self._found.get((name, points))
        if exact is not None or points:
            return exact
        return next((found for (other, _), found in self._found.items() if other == name), None)

    def _add(self, category: Category) -> None:
        self._found[category.name, category.points] = category
        self._ids.add(str(category.id))
        if isinstance(category.id, int):
            self._last = max(self._last, category.id)

    def meet(self, name: str, points: tuple[str, ...], hint: Id | None) -> None:
        """Make sure that there is a category for a class. `hint` is the id that an annotation came with."""
        if self._named(name, points) is not None:
            return
        bare = self._found.get((name, ()))
        if bare is not None:
            del self._found[name, ()]
            self._found[name, points] = Category(bare.id, name, points, raw=bare.raw)
            return
        wishes = [int(name) if name.isdecimal() else None, hint]
        free = [one for one in wishes if one is not None and (self._shared or str(one) not in self._ids)]
        self._add(Category(free[0] if free else self._last + 1, name, points))

    def id_of(self, name: str, points: tuple[str, ...]) -> Id:
        """Return the category id of a class that was met."""
        found = self._named(name, points)
        if found is None:
            raise KeyError(name)
        return found.id

    def categories(self) -> list[Json]:
        """Return the JSON of every category, by id."""
        found = sorted(self._found.values(), key=lambda item: (isinstance(item.id, str), item.id))
        return [self._json(item) for item in found]

    def _json(self, item: Category) -> Json:
        whole: Json = dict(item.raw) if item.raw else {"id": item.id, "name": item.name, "supercategory": ""}
        whole["name"] = item.name
        if item.points and whole.get("keypoints") != list(item.points):
            place = {name: index for index, name in enumerate(item.points, 1)}
            edges = self._edges.get((item.name, item.points), ())
            whole["keypoints"] = list(item.points)
            whole["skeleton"] = [[place[one], place[other]] for one, other in edges]
        return whole


def own_json(raw: Mapping[str, Any] | None) -> Json:
    """Return COCO's own JSON of an ontology or a class, or nothing."""
    found = raw.get(RAW) if raw else None
    return dict(found) if isinstance(found, Mapping) else {}

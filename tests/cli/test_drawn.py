"""The demo's labels are the same in every run, and right."""

from pipeline.core.geometry import Box, Polygon, Shape, Skeleton
from pipeline.core.masks import Mask
from pipeline.sandbox.drawn import drawn_ontology, drawn_rows


def test_drawn_labels_are_the_same_in_every_run() -> None:
    assert [repr(row) for row in drawn_rows(5)] == [repr(row) for row in drawn_rows(5)]
    assert repr(next(drawn_rows(1, seed=1))) != repr(next(drawn_rows(1)))


def test_drawn_labels_are_boxes_polygons_with_holes_masks_and_keypoints_inside_their_image() -> None:
    shapes, holes = set(), 0
    for row in drawn_rows(50):
        size = row.size_at(0)
        assert size is not None
        height, width = size
        for item in row.objects:
            shapes.add(item.shape)
            match item.occurrences[0].geometry:
                case Box(x, y, w, h):
                    points = [(x, y), (x + w, y + h)]
                case Polygon(parts):
                    holes += sum(len(part) - 1 for part in parts)
                    points = [point for part in parts for ring in part for point in ring]
                case Skeleton(nodes):
                    points = [(node.x, node.y) for node in nodes]
                case Mask() as mask:
                    assert (mask.height, mask.width) == size
                    assert mask.area > 0
                    points = []
            assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
    assert shapes == {Shape.BOX, Shape.POLYGON, Shape.SKELETON, Shape.MASK}
    assert holes == 50


def test_every_drawn_label_has_its_class() -> None:
    ontology = drawn_ontology()
    for row in drawn_rows(10):
        assert all(ontology.find(item.class_name, item.shape) for item in row.objects)
        assert all(ontology.classification(item.name) for item in row.classifications)

"""What every image of the benchmark of Supervisely gets, on both sides: boxes, a bitmap, and groups."""

from scripts.benchmarks.drawing import BOXES, boxes

DATASET = "dataset"
PIXEL_BOXES = [[tuple(int(side) for side in box) for box in drawn] for drawn in boxes()]
"""50 times five boxes of whole pixels, used in turn: (x, y, width, height)."""
MASK = BOXES
"""The number of the bitmap among the labels of an image; the boxes come first."""
GROUPS = ((0, 1, MASK), (2, 3))
"""The labels that belong together; box 4 is bound to nothing."""
LABELS = BOXES + 1

"""The input of the tutorial on binding, drawn: a photo, and a picture for the mask of each part of a car."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = (48, 64)
"""Height and width of the photo."""
PARTS = 3


def masks() -> list[NDArray[np.bool_]]:
    """Draw the masks of the parts, of which no two overlap."""
    drawn = []
    for number in range(PARTS):
        mask = np.zeros(SIZE, np.bool_)
        mask[10 : 30 + number, 20 * number : 20 * number + 15] = True
        mask[15:20, 20 * number + 5 : 20 * number + 8] = False
        drawn.append(mask)
    return drawn


def tutorial(folder: Path) -> None:
    """Write the files as the tutorial has them: black and white masks with three equal channels."""
    (folder / "car_masks").mkdir(parents=True)
    photo = np.random.default_rng(7).integers(0, 255, (*SIZE, 3), np.uint8)
    cv2.imwrite(str(folder / "image.jpg"), photo)
    for number, mask in enumerate(masks(), 1):
        grey = mask.astype(np.uint8) * 255
        cv2.imwrite(str(folder / "car_masks" / f"car_{number:02d}.png"), np.stack([grey] * 3, axis=2))

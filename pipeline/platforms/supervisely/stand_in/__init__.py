"""A local server that speaks the API of Supervisely for projects of images.

Where the real service's rule is not known, the strict one is chosen: a label must fit its class and lie in
its image, ids and group keys are given anew with every annotation that is written, and replies come in no
order.
"""

from pipeline.platforms.supervisely.stand_in.serving import SuperviselyOptions, serve

__all__ = ["SuperviselyOptions", "serve"]

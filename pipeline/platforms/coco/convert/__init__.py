"""COCO's JSON to the label model and back. Pure."""

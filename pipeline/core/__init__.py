"""The pure part: label model, masks, operations, batching and decisions. No IO, no clock."""

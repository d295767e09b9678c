"""Tests, and what they share: `tests.strategies` draws any row that the model can hold."""

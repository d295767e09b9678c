"""The thin IO that belongs to no platform: HTTP, journal, process pool, signals, progress."""

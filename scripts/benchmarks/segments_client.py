"""labelferry at work on Segments.ai. What it does is in `segments_work`.

A worker process imports this module first, as it does any user's script: it holds nothing else.
"""

if __name__ == "__main__":
    from scripts.benchmarks.segments_work import main

    main()

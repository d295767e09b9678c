"""labelferry at work on Supervisely. What it does is in `supervisely_work`.

A worker process imports this module first, as it does any user's script: it holds nothing else.
"""

if __name__ == "__main__":
    from scripts.benchmarks.supervisely_work import main

    main()

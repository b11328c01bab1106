"""Our files against the stock route of each runtime, against other runtimes and other architectures, in one run.

`python -m benchmarks` converts, measures and writes `benchmarks/results/*.json` and `docs/benchmarks.md`. Not a test: nothing
here passes or fails, and no timing is asserted anywhere.
"""

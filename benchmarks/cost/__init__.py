"""What working with the project costs: time and memory of its commands beside those of an earlier build, and of the Core ML evaluator
beside PyTorch.

`python -m benchmarks.cost` measures and writes `benchmarks/results/cost/*.json` and, from all results, `docs/benchmarks.md`. Like all
benchmarks, not a test.
"""

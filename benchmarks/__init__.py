"""Benchmarks: ``speed``, reproductions of ``published`` results, and ``defaults``.

Each is a module that is run from the root of the repository, for example
``python -m benchmarks.speed.bench_training --quick``, and writes a file into
``benchmarks/results``, from which the documentation is built.
"""

"""The contestants of ``bench_rivals.py``: skae itself, and one module for each rival.

Each module has a function ``prepare(case)``, which returns a function without arguments
that fits and returns a `Trained`, or raises `LeftOut`.
"""

# Name of the contestant: its distribution and its module.
CONTESTANTS = {
    "skae": ("skae", "skae"),
    "skorch": ("skorch", "skorch"),
    "encdr": ("encdr", "encdr"),
    "pyod": ("pyod", "pyod"),
    "pythae": ("pythae", "pythae"),
    "Keras on torch": ("keras", "keras"),
    "HyperTools": ("hypertools", "hypertools"),
    "MLPRegressor": ("scikit-learn", "sklearn"),
}

"""The content of a file of an estimator, and the estimator that it restores."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from skae._estimators.checks import check_parameters, without_overridden
from skae._estimators.planning import renew_plan
from skae._model.model import TrainedModel
from skae._persistence.format import Document, Saved


def document_of(estimator: Any, model: TrainedModel) -> Document:
    """Return the content of a file of an estimator and its model."""
    parameters = estimator.get_params(deep=False)
    # What scikit-learn sets in a fit remains if that was interrupted.
    of_callbacks = {"_skl_callbacks", "_callback_fit_ctx"}
    apart = {*parameters, "_model", *of_callbacks}
    return Document(
        cls=type(estimator),
        parameters=parameters,
        attributes={k: v for k, v in vars(estimator).items() if k not in apart},
        model=model,
    )


def restore(base: type, saved: Saved) -> Any:
    """Return the estimator that was saved in a file.

    Parameters
    ----------
    base : type
        Base class that its class has to inherit from.
    saved : Saved
        The content of the file.
    """
    cls: Any = saved.cls
    if not issubclass(cls, base):
        raise TypeError(f"skae.{cls.__name__} is no autoencoder")
    trained_with = {**saved.parameters, **saved.trained_with}
    parameters, built, trained = (
        without_overridden(values, trained_with)
        for values in (saved.parameters, saved.built_with, saved.trained_with)
    )
    estimator = cls(**parameters)
    now = estimator.get_params(deep=False)  # parameters added since then, too
    built, trained = {**now, **built}, {**now, **trained}
    builder, trainer = cls(**{**built, "device": saved.device}), cls(**trained)
    for each in (builder, trainer):
        each._validate_params()
    check_parameters(estimator)
    built_with = replace(builder._plan(), parameters=built)
    last = renew_plan(built_with, trainer, trainer._task())
    last = replace(last, parameters=trained)  # shared as in the file
    vars(estimator).update(saved.attributes)
    estimator._model = saved.rebuild(built_with, last)
    return estimator

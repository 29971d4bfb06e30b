"""What a pipeline that starts with a TableEncoder does with a frame, column by column.

Arrays and their blocks stay inside: frames come in and go out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skae._anomaly.detector import AnomalyDetector
from skae._blending import real_steps
from skae._data.blocks import Block
from skae.tabular._base import BaseTableEncoder
from skae.tabular._encoder import TableEncoder
from skae.tabular._frames import as_pandas, as_polars, schema_of


def impute(
    pipeline: Any, X: Any, n_draws: int | None = None, *, random_state: Any = None
) -> Any:
    """Fill the gaps of a frame.

    Read more in the :ref:`user guide <guide-tables>`.

    Parameters
    ----------
    pipeline : Pipeline
        A fitted pipeline from a :class:`TableEncoder` to an estimator of skae with
        ``missing="mask"``, or a search over one.

    X : DataFrame of shape (n_samples, n_features)
        A frame with gaps.

    n_draws : int or None, default=None
        Number of fillings that are drawn, to see how certain they are. None fills each
        gap with what is expected there.

    random_state : int, RandomState instance or None, default=None
        Draws the fillings. None is the `random_state` of the estimator.

    Returns
    -------
    DataFrame of shape (n_samples, n_features) or list of DataFrame
        X with values at its gaps, a frame of the same package; all other entries, the
        index and the dtypes are those of X; categories that a dtype of X lacks are
        added to it. A column of X without any value has the dtype that `fit` saw. With
        `n_draws`, one frame for each draw.

    Raises
    ------
    TypeError
        If the pipeline does not start with a TableEncoder, or its last step does not
        fill gaps.
    ValueError
        If the estimator was fitted with ``missing="error"``.

    See Also
    --------
    skae.AutoencoderTransformer.impute : The same for arrays of numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.pipeline import make_pipeline
    >>> from skae import AutoencoderTransformer
    >>> from skae.tabular import TableEncoder, impute
    >>> frame = pd.DataFrame({
    ...     "animal": ["cat", "dog", None, "dog", "cat"] * 20,
    ...     "weight": [4, 20, 19, None, 5] * 20,
    ... })
    >>> ae = AutoencoderTransformer(1, missing="mask", random_state=0)
    >>> pipe = make_pipeline(TableEncoder(), ae).fit(frame)
    >>> impute(pipe, frame)["animal"].head(3).tolist()
    ['cat', 'dog', 'dog']
    """
    encoder, *between, last = _steps_of(pipeline, "impute", "impute", TableEncoder)
    array = encoder.transform(X)
    for step in between:
        array = step.transform(array)
    filled = last.impute(array, n_draws, random_state=random_state)
    frames = []
    for draw in [filled] if n_draws is None else filled:
        for step in reversed([encoder, *between]):
            draw = step.inverse_transform(draw)
        frames.append(_with_gaps_filled(X, draw))
    return frames[0] if n_draws is None else frames


def column_errors(pipeline: Any, X: Any) -> Any:
    r"""Return how badly each entry of a frame is reconstructed.

    The error of row i in the column with the block B is
    :math:`e_{iB} = \sum_{j \in B} (x_{ij} - \hat x_{ij})^2`, with x the array of the
    :class:`TableEncoder` and :math:`\hat x` its reconstruction. Numbers are in units of
    their standard deviation, or as an :class:`InvertibleColumnTransformer` has scaled
    them. A category that was taken for another one gets about 2.
    The sum over columns is the squared distance between a row and its reconstruction.

    If the pipeline ends with a :class:`skae.AnomalyDetector`, errors are divided by
    those of its training rows, :math:`e_{iB} / \bar e_B`: 1 is usual, and columns that
    are hard to reconstruct are not blamed for it.

    Read more in the :ref:`user guide <guide-tables>`.

    Parameters
    ----------
    pipeline : Pipeline
        A fitted pipeline from a :class:`TableEncoder`, or an
        :class:`InvertibleColumnTransformer`, to a transformer with
        ``inverse_transform`` or to a detector, or a search over one.

    X : DataFrame of shape (n_samples, n_features)
        A frame with the columns that `fit` saw.

    Returns
    -------
    DataFrame of shape (n_samples, n_features)
        The errors, with the index and the columns of X, and NaN at gaps. Of a frame of
        polars it is one as well, with null at gaps.

    Raises
    ------
    TypeError
        If the pipeline does not start with a TableEncoder, or cannot decode.
    ValueError
        If the pipeline ends with a detector whose score is that of the code alone.

    See Also
    --------
    skae.AutoencoderTransformer.score_samples : One value for each row.
    skae.AnomalyDetector.explain : The same for arrays of numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from skae.tabular import TableEncoder, column_errors
    >>> frame = pd.DataFrame({
    ...     "animal": ["cat", "dog"] * 50,
    ...     "weight": [4, 20] * 50,
    ...     "legs": 4,
    ... })
    >>> pipe = make_pipeline(TableEncoder(), PCA(1)).fit(frame)
    >>> with_three = pd.DataFrame({"animal": ["dog"], "weight": [20], "legs": [3]})
    >>> column_errors(pipe, with_three).round(6)
       animal  weight  legs
    0     0.0     0.0   1.0
    """
    import pandas as pd

    is_detector = isinstance(real_steps(pipeline)[-1], AnomalyDetector)
    method = "explain" if is_detector else "inverse_transform"
    encoder, *steps = _steps_of(pipeline, "column_errors", method, BaseTableEncoder)
    if is_detector:
        squares, usual = _errors_of_detector(steps, encoder.transform(X))
    else:
        array, decoded = through_steps(encoder, steps, X)
        squares, usual = (array - decoded) ** 2, None
    errors = {}
    for block in encoder.blocks_:
        of_block = squares[:, block.columns].sum(axis=1)
        errors[block.name] = of_block if usual is None else of_block / usual(block)
    index = X.index if schema_of(X) is None else None
    frame = pd.DataFrame(errors, index=index)[list(X.columns)]
    if index is not None:
        return frame
    import polars as pl

    return as_polars(frame, dict.fromkeys(frame, pl.Float64))


def through_steps(
    encoder: BaseTableEncoder, steps: list[Any], X: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Return the array of a frame, and its reconstruction.

    Parameters
    ----------
    encoder : BaseTableEncoder
        The first step of a fitted pipeline.
    steps : list of transformer
        The others, each with ``inverse_transform``.
    X : DataFrame
        The frame.
    """
    for step in steps:
        for method in ("transform", "inverse_transform"):
            if not hasattr(step, method):
                raise TypeError(
                    f"The step {type(step).__name__} of the pipeline has no {method}, "
                    "so that rows cannot be reconstructed. Pass a pipeline of the "
                    "encoder and an estimator that has it, such as one of skae."
                )
    array = decoded = encoder.transform(X)
    for step in steps:
        decoded = step.transform(decoded)
    for step in reversed(steps):
        decoded = step.inverse_transform(decoded)
    return np.asarray(array), np.asarray(decoded)


def _errors_of_detector(
    steps: list[Any], array: np.ndarray
) -> tuple[np.ndarray, Callable[[Block], float]]:
    """Return the squared errors of a detector, and the usual one of a block."""
    *between, detector = steps
    seen = array
    for step in between:
        seen = step.transform(seen)
    if detector.n_features_in_ != array.shape[1]:
        raise TypeError(
            f"The detector sees {detector.n_features_in_} columns, the encoder makes "
            f"{array.shape[1]}, so that their errors belong to no column of the frame. "
            "Use make_pipeline(TableEncoder(), AnomalyDetector(...))."
        )
    squares = detector.usual_errors_**2
    errors = np.asarray(detector.explain(seen)) * squares
    errors[np.isnan(array)] = np.nan
    return errors, lambda block: float(squares[block.columns].sum())


def _steps_of(pipeline: Any, function: str, method: str, first: type) -> list[Any]:
    """Return the encoder and the other steps, the last of which has some method."""
    steps = real_steps(pipeline)
    if len(steps) < 2 or not isinstance(steps[0], first):
        raise TypeError(
            f"{function} takes a pipeline that starts with a TableEncoder, but got "
            f"{' and '.join(type(step).__name__ for step in steps)}. Use "
            "make_pipeline(TableEncoder(), estimator)."
        )
    check_is_fitted(pipeline)
    if not hasattr(steps[-1], method):
        raise TypeError(
            f"The last step of the pipeline, {type(steps[-1]).__name__}, has no method "
            f"{method}, which estimators of skae have. If it predicts, pass the "
            "pipeline without it: pipeline[:-1]."
        )
    return steps


def _with_gaps_filled(X: Any, values: Any) -> Any:
    """Return a frame with the entries of another one at its gaps."""
    schema, seen = schema_of(X), schema_of(values) or {}
    X, values = as_pandas(X), as_pandas(values)
    filled = X.copy()
    for name in X.columns:
        gaps = X[name].isna()
        found = values[name].set_axis(X.index)
        if gaps.all():
            filled[name] = found
        elif gaps.any():
            column = _with_categories_of(X[name], found)
            filled[name] = column.mask(gaps, found.astype(column.dtype))
    if schema is None:
        return filled
    empty = [name for name in X.columns if X[name].isna().all()]
    return as_polars(filled, {**schema, **{name: seen.get(name) for name in empty}})


def _with_categories_of(column: Any, other: Any) -> Any:
    """Return a column that can hold the values of another one."""
    if not hasattr(column, "cat"):
        return column
    new = [x for x in other.unique() if x not in column.cat.categories]
    return column.cat.add_categories(new)

"""P-values and thresholds from the scores of calibration rows.

Larger scores are more unusual here.
"""

from __future__ import annotations

import math

import numpy as np


def n_rows_needed(rate: float, n_flagged: int = 1) -> int:
    """Return the least number of rows of which n_flagged are at most `rate`.

    The row that is tested is not counted, but may be one of those flagged.
    """
    n_rows = max(math.floor(n_flagged / rate) - 2, 0)
    while n_flagged / (n_rows + 1) > rate:
        n_rows += 1
    return n_rows


def n_rows_to_hold(rate: float, n_wanted: int, n_most: int) -> int:
    """Return a number of calibration rows near n_wanted that comes close to `rate`.

    With n rows the probability of flagging a row is a multiple of 1 / (n + 1): of 43
    rows at a rate of 0.05 it is 2 / 44, and of 39 it is 2 / 40, just the rate.

    Parameters
    ----------
    rate : float
        Between 0 and 1.
    n_wanted : int
        How many rows should calibrate.
    n_most : int
        How many rows may calibrate, if these are enough for the rate.
    """
    n_flagged = max(round(rate * (n_wanted + 1)), 1)
    while n_flagged > 1 and n_rows_needed(rate, n_flagged) > n_most:
        n_flagged -= 1
    return n_rows_needed(rate, n_flagged)


def p_values(scores: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Return the p-value of each score: small for an unusual row.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of the rows to test.
    calibration : ndarray of shape (n_calibration,)
        Scores of the calibration rows, in increasing order.
    """
    # A tie counts as unusual as the row itself, so that p is not too small.
    n_as_unusual = len(calibration) - np.searchsorted(calibration, scores, side="left")
    return (1 + n_as_unusual) / (len(calibration) + 1)


def n_allowed(n_rows: int, rate: float) -> int:
    """Return how many of n calibration rows may be as unusual as an outlier.

    Parameters
    ----------
    n_rows : int
        Number of calibration rows.
    rate : float
        At least 1 / (n_rows + 1).
    """
    # By the comparison that is made of p itself.
    return int(np.flatnonzero((1 + np.arange(n_rows)) / (n_rows + 1) <= rate)[-1])


def n_expected(n_rows: int, calibration: np.ndarray, rate: float) -> int:
    """Return how many of some normal rows may be outliers by chance.

    With a probability of at most `rate` there are more. All rows are compared with the
    same calibration rows, so that their number has a beta-binomial distribution.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    calibration : ndarray of shape (n_calibration,)
        Scores of the calibration rows.
    rate : float
        At least 1 / (n_calibration + 1).
    """
    from scipy.stats import betabinom

    n = len(calibration)
    n_flagged = 1 + n_allowed(n, rate)
    share = (1 - rate) * (1 - 1e-9)  # 1 of 20 rows at 0.05 is just the rate
    return int(betabinom(n_rows, n_flagged, n + 1 - n_flagged).ppf(share))


def highest_normal(calibration: np.ndarray, rate: float) -> float:
    """Return the score above which, and only above which, p is at most `rate`.

    Parameters
    ----------
    calibration : ndarray of shape (n_calibration,)
        Scores of the calibration rows, in increasing order.
    rate : float
        At least 1 / (n_calibration + 1).
    """
    return float(calibration[-1 - n_allowed(len(calibration), rate)])

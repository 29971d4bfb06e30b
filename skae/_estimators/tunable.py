"""The parameters of an autoencoder as scikit-learn sees them, in a search for one."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from skae._estimators import params as _params


class TunableEstimator(BaseEstimator):
    """An estimator that reaches its penalties and the settings of its net by name."""

    penalty: Any
    net_params: Any

    def get_params(self, deep=True):
        """Return the parameters, nested ones and settings of the net included.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return what is nested, too.

        Returns
        -------
        dict
            Names and values.
        """
        params = super().get_params(deep)
        params.update(_params.nested_penalties(params["penalty"], deep))
        if deep and isinstance(params["net_params"], dict):
            for name, value in params["net_params"].items():
                if _params.is_net_param(name):
                    params.setdefault(name, value)
        return params

    def set_params(self, **params):
        """Set parameters, nested ones and settings of the net included.

        Parameters
        ----------
        **params : dict
            Names and values, such as ``n_components=8``, ``penalty__weight=0.1`` or
            ``optimizer__weight_decay=1e-4``.

        Returns
        -------
        self : estimator
            The estimator itself.
        """
        _params.check_nested(self, params)
        of_net = {k: params.pop(k) for k in list(params) if _params.is_net_param(k)}
        penalties = params.get("penalty", self.penalty)
        nested = {}
        if isinstance(penalties, list):
            start = "penalty__"
            nested = {
                k.removeprefix(start): params.pop(k)
                for k in list(params)
                if k.startswith(start)
            }
        super().set_params(**params)
        if nested:
            self.penalty = _params.set_nested_penalties(penalties, nested)
        if of_net:
            self.net_params = {**(self.net_params or {}), **of_net}
        return self

"""How a fitted autoencoder outlives its process: saved, pickled, exported."""

from __future__ import annotations

from contextvars import ContextVar

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skae._estimators.planning import copy_of
from skae._persistence.atomic import write_whole
from skae._persistence.format import from_bytes, name_of, to_bytes
from skae._persistence.onnx import write_onnx

# Whether pickle or copy asks for the state: both go through `__reduce_ex__`.
_IS_REDUCED: ContextVar[bool] = ContextVar("_IS_REDUCED", default=False)


class KeptEstimator(BaseEstimator):
    """An estimator that can be written to files of several kinds."""

    def save(self, path, *, include_optimizer=True):
        """Write the fitted estimator to a file, to be read by :func:`skae.load`.

        The file is one of safetensors and JSON, no pickle: it holds the parameters,
        the weights, the history and all else that `fit` has set. Functions and classes
        of your own stand in it by name. It is written as a whole, or not at all.
        scikit-learn's callbacks, set by `set_callbacks`, are not part of it.

        Parameters
        ----------
        path : str or path-like
            Where to write. A file that is there is replaced.

        include_optimizer : bool, default=True
            Whether to write the state of the optimizer, twice as large as the weights
            for Adam, with which `partial_fit` and `warm_start` go on as if there had
            been no stop. Without it they go on with a new optimizer.

        Returns
        -------
        None
            Nothing; the file is one.

        Raises
        ------
        TypeError
            If a parameter holds what cannot be described.
        ValueError
            If a parameter holds a function or a class that cannot be found by name.
        """
        check_is_fitted(self)
        data, _ = to_bytes(self, include_optimizer)
        write_whole(path, data)

    def __getstate__(self):
        """Return what skops stores: the bytes of a file, and what they name.

        pickle and copy take the attributes as they are.
        """
        if _IS_REDUCED.get() or not self.__sklearn_is_fitted__():
            return super().__getstate__()
        data, foreign = to_bytes(self)
        return {"skae": data, "names": list(foreign.values())}

    def __setstate__(self, state):
        if "skae" in state:
            trusted = [f"{x.__module__}.{x.__qualname__}" for x in state["names"]]
            classes = {name_of(type(self)): type(self)}
            state = vars(from_bytes(state["skae"], classes, trusted))
        super().__setstate__(state)
        if self.__sklearn_is_fitted__() and "_built_with" not in vars(self):
            # A pickle from before there was `save`.
            self._built_with = self._trained_with = copy_of(self)

    def __reduce_ex__(self, protocol):
        token = _IS_REDUCED.set(True)
        try:
            return super().__reduce_ex__(protocol)
        finally:
            _IS_REDUCED.reset(token)

    def to_onnx(self, path, part="encoder"):
        """Write a part of the network to an ONNX file.

        The file needs neither skae nor torch to run: onnxruntime and whatever else
        reads ONNX gives the numbers of this estimator up to the rounding of float32.
        Input and output are flat rows of float32, any number of them, named ``"X"``
        and ``"code"`` or ``"reconstruction"``; cast other types first, ``uint8``
        too.

        Parameters
        ----------
        path : str, path-like or binary file
            Where to write.

        part : {"encoder", "decoder", "reconstruct"}, default="encoder"
            What the model computes: `transform`, from rows in the units of X to
            codes; `inverse_transform`, from codes to rows in the units of X; or both
            in one, `reconstruct`.

        Returns
        -------
        None
            Nothing; the file is one, with the weights inside.

        Raises
        ------
        ImportError
            If the packages onnx and onnxscript are missing.
        ValueError
            If torch cannot translate a module of your own.

        See Also
        --------
        skae.export.register_converters : Teach skl2onnx to convert whole pipelines.
        """
        check_is_fitted(self)
        write_onnx(self, path, part)

"""The wording of what several estimators share, written once."""

from __future__ import annotations

import inspect
import textwrap

# The names of ACTIVATIONS in skae._networks.architectures; a test compares them.
ACTIVATION_NAMES = (
    '{"elu", "gelu", "hardsigmoid", "identity", "leaky_relu", "relu", "sigmoid", '
    '"silu", "softplus", "tanh"}'
)

_SHARED = {
    "n_components": (
        "int",
        "Size of the code: the number of columns that :meth:`transform` returns.",
    ),
    "hidden_layer_sizes": (
        "int, array-like of int or None",
        """Widths of the hidden layers of the dense encoder; the decoder mirrors
        them. An int is one layer; ``()`` gives a linear autoencoder. None stands for
        ``(256,)``. Cannot be given together with `encoder`.""",
    ),
    "activation": (
        f"{ACTIVATION_NAMES} or None",
        """Activation after each hidden layer of a dense network. None stands for
        ``"gelu"``. Cannot be given together with `encoder`.""",
    ),
    "encoder": (
        '{"dense", "conv"}, Dense, Conv, callable, torch.nn.Module or None',
        """The network from rows to codes. A name or a shipped architecture; a
        builder ``(n_in, n_out) -> torch.nn.Module``, such as a module class; or a
        module, copied with its weights and never trained in place. Modules of your
        own get rows in the units of X, shaped ``(n, channels, height, width)`` where
        `fit` saw pictures, and ``n_in`` is the number of features of a sample. None
        is a dense network of `hidden_layer_sizes` and `activation`.""",
    ),
    "decoder": (
        '{"dense", "conv"}, Dense, Conv, callable, torch.nn.Module or None',
        """The network from codes to rows, given in the same ways. None mirrors a
        shipped encoder; beside an encoder of your own it is required. It gives logits
        when `loss` is ``"binary_cross_entropy"`` and log-rates when it is
        ``"poisson"``.""",
    ),
    "code_activation": (
        f"{ACTIVATION_NAMES} or None",
        """Activation of the code. None is a linear code.""",
    ),
    "sparsity": (
        "float",
        r"""Weight :math:`\lambda` of the penalty :math:`\sum_i |z_i|` on the code,
        with each unit divided by its root mean square over the batch.""",
    ),
    "penalty": (
        "callable, list of (str, callable) or None",
        """A further term of the objective, or several named ones, called
        ``penalty(x, output, module)`` and returning one value for each row.""",
    ),
    "corruption": (
        "callable or None",
        """What is done to the rows of a batch before they are encoded in training,
        ``corruption(x, generator)``; the target stays clean. It makes the code a
        better input for a classifier, too: with ``MaskingNoise(0.3)`` a logistic
        regression on 128 convolutional features of MNIST beats one on the
        pixels.""",
    ),
    "augmentation": (
        "callable or None",
        """What is done to the rows of a batch in training, afresh in every epoch,
        before anything else, ``augmentation(x, generator)``: what it gives is input
        and target alike. :class:`DynamicBinarization` is one; so are flips and shifts
        of pictures.""",
    ),
    "loss": (
        '{"squared_error", "binary_cross_entropy", "poisson"} or callable',
        """How a reconstruction is compared with its row. A callable is called as
        torch calls it, ``loss(reconstruction, x)``, in the units of X, and returns
        one value for each row or each entry.""",
    ),
    "layout": (
        '{"channels_first", "channels_last", "signal"} or None',
        """What the axes of X mean. None finds the channels of a 4-D X on whichever
        of the axes 1 and -1 has length 1 to 4.""",
    ),
    "optimizer": (
        '{"adam", "adamw", "sgd", "rmsprop"} or torch.optim.Optimizer class',
        "The optimizer. Its further arguments are set with `net_params`.",
    ),
    "lr": ("float", "Learning rate; the highest one, where `lr_schedule` changes it."),
    "weight_decay": (
        "float or None",
        "Weight decay of the optimizer. None leaves it at the optimizer's default.",
    ),
    "lr_schedule": (
        '{"constant", "cosine", "one_cycle"} or callable',
        """Course of the learning rate over the steps of a fit. A callable gives the
        factor of `lr` for a fraction of the fit between 0 and 1.""",
    ),
    "max_epochs": ("int", "Most passes over the training rows in one `fit`."),
    "batch_size": (
        'int or "auto"',
        """Rows in a batch. ``"auto"`` is a 32nd of the training rows, at least 32 and
        at most 128, so that small data gets enough steps.""",
    ),
    "validation_fraction": (
        "float or None",
        """Fraction of the rows held out of training, on which the objective is
        measured after each epoch. None is 0.1 with `early_stopping`, else 0.""",
    ),
    "early_stopping": (
        "bool",
        """Whether to stop when the validation loss has not improved for
        `n_iter_no_change` epochs, and to keep the weights of the best epoch. Without
        it, the training loss is watched and the last weights are kept.""",
    ),
    "n_iter_no_change": (
        "int or None",
        "Epochs without an improvement of `tol` before training stops. None: never.",
    ),
    "tol": (
        "float",
        "The improvement of the loss, divided by the number of features, that counts.",
    ),
    "warm_start": (
        "bool",
        """Whether `fit` goes on from the weights and with the optimizer that it finds,
        for `max_epochs` more. The network stays as it was built; penalties, noise and
        the course of training are those that the parameters say now.""",
    ),
    "callbacks": (
        "list or None",
        "skorch callbacks, cloned before use. Not scikit-learn's: see `set_callbacks`.",
    ),
    "net_params": (
        "dict or None",
        """Further settings of the skorch net, such as ``{"optimizer__betas": (0.8,
        0.99)}``. In a search each is a parameter of its own.""",
    ),
    "device": (
        "str",
        """Where to compute, as torch names it. ``"auto"`` is ``"cuda"`` where there is
        one, else ``"cpu"``.""",
    ),
    "dtype": (
        '{"float32", "float64", "auto"}',
        """Type of the weights, of the computation and of what it returns. ``"auto"`` is
        float64 if X is, else float32.""",
    ),
    "precision": (
        '{"float32", "bfloat16", "auto"}',
        """Format that training multiplies in, with `dtype` float32. ``"bfloat16"``
        keeps 8 bits of each factor; the weights, the loss, the optimizer and all that
        a fitted estimator computes stay in float32. ``"auto"`` is bfloat16 where that
        was measured to be faster: on CPUs with AMX, for networks whose largest layer
        takes sixteen million products for a batch. It is not the default, since results
        then depend on the machine.""",
    ),
    "random_state": (
        "int, RandomState instance or None",
        """Seeds the initial weights, the order of rows, held-out rows and all noise.
        Pass an int for reproducible results.""",
    ),
    "verbose": (
        "int",
        """0 is silent; 1 shows a bar with the epochs, the terms of the objective and
        the time left; 2 prints a line for each epoch.""",
    ),
}

_ATTRIBUTES = """\
Attributes
----------
net_ : skorch.NeuralNet
    The trained net; ``net_.module_`` is the torch module.

encoder_, decoder_ : torch.nn.Module
    From flat rows in the units of X to exactly what `transform` gives, and from
    codes back to the units of X.

history_ : list of dict
    For each epoch its number and every term of the objective, ``train_loss``,
    ``train_reconstruction``, ... and with held-out rows ``valid_loss``, ...

n_iter_ : int
    Number of epochs trained.

mean_ : ndarray of shape (n_features,)
    Training mean of each feature.

scale_ : float
    Training scale of X: the root mean squared deviation from `mean_`.

image_shape_ : tuple of int or None
    ``(channels, height, width)`` or ``(channels, length)`` of a sample, None for
    rows.

n_features_in_ : int
    Number of features of a flattened sample.

feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, where X has names that are all strings."""


def _entry(name: str, kind: str, text: str, default: object) -> str:
    end = "" if default is inspect.Parameter.empty else f", default={default!r}"
    # numpydoc spells strings with double quotes, as the types above do.
    end = end.replace("'", '"')
    body = textwrap.fill(" ".join(text.split()), 80, break_on_hyphens=False)
    return f"{name} : {kind}{end}\n{textwrap.indent(body, '    ')}"


def document(**own: tuple[str, str]):
    """Fill ``{parameters}`` and ``{attributes}`` in a class docstring.

    Parameters are in the order of the signature, with their defaults.

    Parameters
    ----------
    **own : (str, str)
        Type and text of the parameters that only this class has, or that it words
        in its own way.
    """

    def fill(cls):
        if cls.__doc__ is None:  # python -OO
            return cls
        words = {**_SHARED, **own}
        signature = inspect.signature(cls.__init__).parameters
        entries = [
            _entry(name, *words[name], parameter.default)
            for name, parameter in signature.items()
            if name != "self"
        ]
        text = textwrap.indent("\n\n".join(entries), "    ").strip()
        attributes = textwrap.indent(_ATTRIBUTES, "    ").strip()
        cls.__doc__ = cls.__doc__.replace("{parameters}", text).replace(
            "{attributes}", attributes
        )
        return cls

    return fill

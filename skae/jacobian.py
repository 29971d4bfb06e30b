"""The squared Frobenius norm of an encoder's Jacobian, for each row."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from skae.modules import Hardsigmoid, Standardize, TopK

# Layers that act on each entry alone, or keep and drop entries: their Jacobian is
# diagonal, and the gradient of the sum of their outputs is that diagonal.
_DIAGONAL = (
    nn.ELU,
    nn.GELU,
    nn.Hardsigmoid,
    nn.Hardtanh,
    nn.Identity,
    nn.LeakyReLU,
    nn.LogSigmoid,
    nn.Mish,
    nn.ReLU,
    nn.SELU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Softplus,
    nn.Softsign,
    nn.Tanh,
    Hardsigmoid,
    TopK,
)


def _is_plain(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Tell whether a module is of one of some kinds and computes what it does.

    A subclass with a ``forward`` of its own, such as a sequence with a shortcut, may
    compute anything.
    """
    return any(
        isinstance(module, kind) and type(module).forward is kind.forward
        for kind in kinds
    )


def _leaves(module: nn.Module) -> Iterator[nn.Module]:
    if _is_plain(module, nn.Sequential):
        for child in module.children():
            yield from _leaves(child)
    elif not _is_plain(module, nn.Identity):
        yield module


def dense_layers(encoder: nn.Module) -> list[nn.Module] | None:
    """Return the layers of a plain dense encoder, or None if it is another kind.

    A plain dense encoder is a sequence that begins with a linear layer, after at most
    one :class:`~skae.modules.Standardize`, and goes on with linear layers and with
    activations that act on each entry alone.
    """
    layers = list(_leaves(encoder))
    body = layers[1:] if layers and type(layers[0]) is Standardize else layers
    if not body or not isinstance(body[0], nn.Linear):
        return None
    known = all(_is_plain(layer, nn.Linear, *_DIAGONAL) for layer in body)
    return layers if known else None


def has_closed_form(encoder: nn.Module) -> bool:
    """Tell whether the exact norm costs no matrix for each row: one hidden layer."""
    layers = [x for x in dense_layers(encoder) or [] if not isinstance(x, Standardize)]
    linear = [isinstance(layer, nn.Linear) for layer in layers]
    return linear in ([True], [True, False], [True, False, True])


def _diagonal(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the output of a diagonal layer and the diagonal of its Jacobian."""
    if not x.requires_grad:
        x = x.detach().requires_grad_()
    # A layer that works in place would leave nothing to differentiate with respect to.
    out = layer(x.clone() if getattr(layer, "inplace", False) else x)
    (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    return out, slope


def _dense_squared_norm(layers: list[nn.Module], x: Tensor) -> Tensor:
    r"""Exact norms for a dense encoder.

    With :math:`J = D_k W_k \cdots D_1 W_1` and :math:`D` the slopes of the
    activations, the product :math:`A = D_k W_k \cdots D_1` is formed for each row,
    and the widest factor enters by its Gram matrix, :math:`\|A W_1\|^2 =
    \mathrm{tr}(A\, W_1 W_1^\top A^\top)`. With one hidden layer and a linear code
    even :math:`A` is spared: :math:`d^\top [(W_2^\top W_2) \circ (W_1 W_1^\top)]\, d`.
    """
    scale: Tensor | None = None
    blocks: list[tuple[Tensor, Tensor | None]] = []  # a weight and the slopes after it
    for layer in layers:
        if isinstance(layer, Standardize):
            scale, x = layer.scale, layer(x)
        elif isinstance(layer, nn.Linear):
            weight = layer.weight if scale is None else layer.weight / scale
            blocks.append((weight, None))
            scale, x = None, layer(x)
        else:
            x, diagonal = _diagonal(layer, x)
            weight, earlier = blocks[-1]
            blocks[-1] = (weight, diagonal if earlier is None else earlier * diagonal)
    (weight, slope), *rest = blocks
    gram = weight @ weight.T
    if not rest:
        slope = x.new_ones(x.shape) if slope is None else slope
        norm = slope**2 @ gram.diagonal()
    elif len(rest) == 1 and rest[0][1] is None and slope is not None:
        outer = rest[0][0]
        norm = ((slope @ ((outer.T @ outer) * gram)) * slope).sum(1)
    else:
        product = _product(rest)
        if slope is not None:
            product = product * slope.unsqueeze(-2)
        norm = ((product @ gram) * product).sum((-2, -1)).expand(len(x))
    return norm


def _product(blocks: list[tuple[Tensor, Tensor | None]]) -> Tensor:
    """Multiply ``D_k W_k ... D_2 W_2``, from the code down."""
    product: Tensor | None = None
    for weight, slope in reversed(blocks):
        if product is None:
            product = weight if slope is None else slope.unsqueeze(-1) * weight
        else:
            if slope is not None:
                product = product * slope.unsqueeze(-2)
            product = product @ weight
    return product  # type: ignore[return-value]  # blocks is never empty


def _looped_squared_norm(encoder: nn.Module, x: Tensor, create_graph: bool) -> Tensor:
    """Exact norms for any encoder whose rows are independent: a pass for each unit."""
    x = x.detach().requires_grad_()
    code = encoder(x.clone())  # a first layer in place must not meet the leaf
    norm = x.new_zeros(len(x))
    for unit in code.sum(0):
        (row,) = torch.autograd.grad(
            unit, x, create_graph=create_graph, retain_graph=True
        )
        norm = norm + (row**2).flatten(1).sum(1)
    return norm


def _stochastic_squared_norm(
    encoder: nn.Module, x: Tensor, n_probes: int, generator: torch.Generator
) -> Tensor:
    r"""Hutchinson's estimate, :math:`\mathrm{E}_v \|v^\top J\|^2 = \|J\|_F^2`."""
    x = x.detach().requires_grad_()
    code = encoder(x.clone())  # a first layer in place must not meet the leaf
    norm = x.new_zeros(len(x))
    for _ in range(n_probes):
        signs = torch.empty_like(code).bernoulli_(0.5, generator=generator) * 2 - 1
        (row,) = torch.autograd.grad(code, x, signs, create_graph=True)
        norm = norm + (row**2).flatten(1).sum(1) / n_probes
    return norm


def exact_squared_norm(
    encoder: nn.Module, x: Tensor, *, create_graph: bool = True
) -> Tensor:
    r"""Return :math:`\sum_i \|\nabla_x z_i\|^2` for each row.

    Parameters
    ----------
    encoder : torch.nn.Module
        From rows to codes; a row of the code may depend on its own row only.
    x : Tensor of shape (n, n_features)
        Where the Jacobian is taken.
    create_graph : bool, default=True
        Whether the result can be differentiated with respect to the weights.

    Returns
    -------
    Tensor of shape (n,)
    """
    layers = dense_layers(encoder)
    with torch.enable_grad():
        if layers is not None:
            norm = _dense_squared_norm(layers, x)
        else:
            norm = _looped_squared_norm(encoder, x, create_graph)
    return norm if create_graph else norm.detach()


def stochastic_squared_norm(
    encoder: nn.Module, x: Tensor, *, n_probes: int, generator: torch.Generator
) -> Tensor:
    r"""Return an unbiased estimate of :math:`\sum_i \|\nabla_x z_i\|^2`.

    Parameters
    ----------
    encoder : torch.nn.Module
        From rows to codes; a row of the code may depend on its own row only.
    x : Tensor of shape (n, n_features)
        Where the Jacobian is taken.
    n_probes : int
        Random directions for each row; the variance falls as one over it.
    generator : torch.Generator
        Draws the directions.

    Returns
    -------
    Tensor of shape (n,)

    References
    ----------
    .. [1] Hutchinson, "A stochastic estimator of the trace of the influence matrix",
       Communications in Statistics 19 (2), 1990. :doi:`10.1080/03610919008812866`
    """
    with torch.enable_grad():
        return _stochastic_squared_norm(encoder, x, n_probes, generator)

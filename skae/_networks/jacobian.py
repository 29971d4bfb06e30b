"""The squared Frobenius norm of an encoder's Jacobian, for each row.

Vectors on the code are multiplied by the Jacobians of the layers, from the last to the
first (a pullback), several at a time and for many layers without autograd. The unit
vectors give the exact norm, random vectors an estimate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skae._networks.layers import (
    GELU,
    Affine,
    ClippedReLU,
    FirstHalf,
    Hardsigmoid,
    LifetimeTopK,
    Standardize,
    ToImage,
    TopK,
    ToRows,
)
from skae._networks.quadratic import gram_matrix, is_mapped, quadratic_form
from skae._networks.tracing import Step, is_plain, leaves, run

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
    ClippedReLU,
    Hardsigmoid,
    LifetimeTopK,
    TopK,
    GELU,
)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
# By the number of axes of the weight.
_TRANSPOSED = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}
# Numbers that are pulled back at a time, so that the results fit into the cache.
_CHUNK = 2**19

_Slopes = Sequence[Tensor | None]


def _is_diagonal(layer: nn.Module) -> bool:
    return is_plain(layer, *_DIAGONAL)


def _is_convolution(layer: Any) -> bool:
    if not is_plain(layer, *_CONVOLUTIONS):
        return False
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _is_known(layer: nn.Module) -> bool:
    known = is_plain(
        layer, nn.Linear, Affine, nn.Flatten, FirstHalf, Standardize, ToImage
    )
    return known or _is_diagonal(layer) or _is_convolution(layer)


def is_known(encoder: nn.Module) -> bool:
    """Return whether the Jacobian of every layer is implemented in this file."""
    return all(map(_is_known, leaves(encoder)))


def has_closed_form(encoder: nn.Module) -> bool:
    """Return whether the exact norm needs no matrix per row: one hidden layer."""
    layers = [x for x in leaves(encoder) if not is_plain(x, Standardize, FirstHalf)]
    linear = [is_plain(layer, nn.Linear) for layer in layers]
    known = all(map(_is_known, layers))
    return known and linear in ([True], [True, False], [True, False, True])


def _slope(step: Step) -> Tensor | None:
    """Return the diagonal of the Jacobian of a layer, or None if it has none."""
    layer, x, out = step
    if not _is_diagonal(layer):
        return None
    if is_mapped():
        out, pull_back = torch.func.vjp(layer, x)  # type: ignore[misc]
        return pull_back(torch.ones_like(out))[0]
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        if not out.requires_grad:
            x = x.detach().requires_grad_()
            out = layer(x.clone())  # the layer may work in place
        (slope,) = torch.autograd.grad(
            out.sum(), x, create_graph=create_graph, retain_graph=True
        )
    return slope


def _pull_back(step: Step, slope: Tensor | None, vectors: Tensor) -> Tensor:
    """Multiply vectors, (n or 1, n_vectors, ...), by the Jacobian of a layer."""
    layer: Any = step.layer
    if slope is not None:
        return vectors * slope.unsqueeze(1)
    if is_plain(layer, nn.Linear, Affine):
        return vectors @ layer.weight
    if is_plain(layer, Standardize):
        return vectors / layer.scale
    if is_plain(layer, FirstHalf):
        return F.pad(vectors, (0, step.x.shape[1] - vectors.shape[2]))
    if is_plain(layer, nn.Flatten):
        return vectors.unflatten(2, step.x.shape[1:])
    if not _is_known(layer):
        return _pull_back_by_autograd(step, vectors)
    # The other layers act on each row alone, so vectors can take the place of rows.
    flat = vectors.flatten(0, 1)
    if _is_convolution(layer):
        flat = _transposed(layer, flat, step.x.shape[2:])
    else:
        flat = ToRows(layer.channels_last)(flat)
    return flat.unflatten(0, vectors.shape[:2])


def _transposed(layer: Any, maps: Tensor, size: Sequence[int]) -> Tensor:
    """Apply the transpose of a convolution, back to maps of a given size."""
    axes = range(len(size))
    pads, gaps = layer.padding, layer.dilation
    reach = [gaps[i] * (layer.kernel_size[i] - 1) + 1 - 2 * pads[i] for i in axes]
    # Number of entries at the end that no kernel covers.
    unseen = [
        size[i] - (maps.shape[2 + i] - 1) * layer.stride[i] - reach[i] for i in axes
    ]
    return _TRANSPOSED[layer.weight.ndim](
        maps,
        layer.weight,
        stride=layer.stride,
        padding=layer.padding,
        output_padding=unseen,
        groups=layer.groups,
        dilation=layer.dilation,
    )


def _pull_back_by_autograd(step: Step, vectors: Tensor) -> Tensor:
    if is_mapped():
        out, pull_back = torch.func.vjp(step.layer, step.x)  # type: ignore[misc]
        each = [pull_back(vector.expand_as(out))[0] for vector in vectors.unbind(1)]
        return torch.stack(each, 1)
    create_graph = torch.is_grad_enabled()
    # cuDNN differentiates recurrent layers in training mode alone, and only once.
    is_recurrent = any(isinstance(x, nn.RNNBase) for x in step.layer.modules())
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=not is_recurrent):
        x = step.x if step.x.requires_grad else step.x.detach().requires_grad_()
        out = step.layer(x.clone())  # the layer may work in place
        pulled = [
            torch.autograd.grad(
                out,
                x,
                vector.expand_as(out),
                create_graph=create_graph,
                retain_graph=True,
            )[0]
            for vector in vectors.unbind(1)
        ]
    return torch.stack(pulled, 1)


def _by_rows(
    steps: Sequence[Step], slopes: _Slopes, vectors: Tensor
) -> Iterator[tuple[_Slopes, Tensor]]:
    """Split slopes and vectors into parts of as many rows as fit into the cache."""
    varying = [x for x in (*slopes, vectors) if x is not None and len(x) > 1]
    n_rows = len(varying[0]) if varying else 1
    widest = max([step.x[0].numel() for step in steps], default=1)
    size = max(_CHUNK // (widest * vectors.shape[1]), 1)
    # Once for all parts: the gradient of a slice would be as large as the whole.
    slopes_of = [None if slope is None else slope.split(size) for slope in slopes]
    vectors_of = vectors.split(size) if len(vectors) > 1 else None
    for i in range(math.ceil(n_rows / size)):
        part = [None if split is None else split[i] for split in slopes_of]
        yield part, vectors if vectors_of is None else vectors_of[i]


def _norm(
    steps: Sequence[Step], slopes: _Slopes, vectors: Tensor, matrix: Tensor | None
) -> Tensor:
    """Pull vectors back through steps and sum their squares.

    With the Gram matrix of the layer before the steps, the sum is that of the vectors
    pulled back through this layer, too, and the first step is diagonal.
    """
    first = 0 if matrix is None else 1
    for step, slope in reversed(list(zip(steps, slopes, strict=True))[first:]):
        vectors = _pull_back(step, slope, vectors)
    if matrix is None:
        return (vectors**2).flatten(1).sum(1)
    return quadratic_form(vectors, slopes[0], matrix)


def _sum_of_squares(
    steps: Sequence[Step],
    slopes: _Slopes,
    vectors: Tensor,
    matrix: Tensor | None = None,
) -> Tensor:
    """Apply `_norm` in parts that fit into the cache, or vector by vector."""
    if all(_is_known(step.layer) for step in steps):
        parts = _by_rows(steps, slopes, vectors)
        return torch.cat([_norm(steps, *part, matrix) for part in parts])
    # Autograd takes one vector at a time, for the whole batch.
    each = vectors.split(1, dim=1)
    return torch.stack([_norm(steps, slopes, one, matrix) for one in each]).sum(0)


def _has_scalar_scale(steps: Sequence[Step]) -> bool:
    """Return whether the first of several steps divides rows by a number."""
    first: Any = steps[0].layer if steps else None
    return len(steps) > 1 and is_plain(first, Standardize) and first.scale.ndim == 0


def _begins_with_layer(steps: Sequence[Step]) -> bool:
    """Return whether the first two steps are a linear layer and its activation."""
    return (
        len(steps) > 1
        and is_plain(steps[0].layer, nn.Linear)
        and _is_diagonal(steps[1].layer)
    )


def _is_shared(steps: Sequence[Step], vectors: Tensor) -> bool:
    """Return whether all rows have the same vectors and Jacobian of these steps."""
    layers = [step.layer for step in steps]
    return len(vectors) == 1 and all(
        _is_known(layer) and not _is_diagonal(layer) for layer in layers
    )


def _gram_pays(weight: Tensor, n_forms: int, n_vectors: int) -> bool:
    """Return whether the Gram matrix takes fewer products, forward and backward."""
    n_units, n_features = weight.shape
    with_gram = n_units * (2 * n_features + 3 * n_forms)
    return with_gram < 3 * n_features * n_vectors


def _takes_gram(steps: Sequence[Step], vectors: Tensor, *, forms_per_row: int) -> bool:
    """Return whether the first layer should enter by its Gram matrix."""
    if not _begins_with_layer(steps):
        return False
    linear: Any = steps[0].layer
    n_rows = len(steps[0].x)
    n_vectors = n_rows * vectors.shape[1]
    return _gram_pays(linear.weight, n_rows * forms_per_row, n_vectors)


def _one_layer(steps: Sequence[Step]) -> Tensor:
    r"""Sum over unit vectors with :math:`J = D_1 W_1`: no product of matrices.

    The sum is :math:`\sum_i d_i^2 \|w_i\|^2` with the rows :math:`w_i` of :math:`W_1`.
    """
    linear: Any = steps[0].layer
    slope: Any = _slope(steps[1])
    return slope**2 @ (linear.weight**2).sum(1)


def _shared_gram(steps: Sequence[Step], vectors: Tensor) -> Tensor:
    r"""Sum with :math:`J = B D_1 W_1`, where B and the vectors are those of all rows.

    The sum is :math:`d_1^\top [(B^\top V^\top V B) \circ (W_1 W_1^\top)]\, d_1`: one
    quadratic form for each row, however many vectors there are.
    """
    linear: Any = steps[0].layer
    slope = _slope(steps[1])
    matrix = gram_matrix(linear.weight)
    for step in reversed(steps[2:]):
        vectors = _pull_back(step, None, vectors)
    matrix = matrix * (vectors[0].T @ vectors[0])
    one = vectors.new_ones(1, 1, 1)  # so that the vector of the form is the slope
    return _sum_of_squares(steps[1:2], [slope], one, matrix)


def _gram(steps: Sequence[Step], vectors: Tensor) -> Tensor:
    r"""Sum :math:`a^\top W_1 W_1^\top a` with :math:`a = D_1 B^\top v`."""
    linear: Any = steps[0].layer
    slopes = [_slope(step) for step in steps[1:]]
    matrix = gram_matrix(linear.weight)
    return _sum_of_squares(steps[1:], slopes, vectors, matrix)


def _plain(steps: Sequence[Step], vectors: Tensor) -> Tensor:
    """Sum by pulling the vectors back through all steps."""
    slopes = [_slope(step) for step in steps]
    return _sum_of_squares(steps, slopes, vectors)


def _squared_norm(steps: Sequence[Step], vectors: Tensor | None) -> Tensor:
    r"""Sum :math:`\|v^\top J\|^2` over vectors v of shape (n or 1, n_vectors, n_units).

    If `vectors` is None, these are the unit vectors.

    If the encoder begins with a linear layer and its activation, the Jacobian is
    :math:`J = B D_1 W_1`. The Gram matrix :math:`W_1 W_1^\top` is used if it takes
    fewer products than pulling the vectors back through :math:`W_1`.
    """
    if _has_scalar_scale(steps):
        scale: Any = steps[0].layer.scale
        return _squared_norm(steps[1:], vectors) / scale**2
    if vectors is None and len(steps) == 2 and _begins_with_layer(steps):
        return _one_layer(steps)
    if vectors is None:
        code = steps[-1].out
        vectors = torch.eye(code.shape[1], dtype=code.dtype, device=code.device)[None]
    if _is_shared(steps[2:], vectors) and _takes_gram(steps, vectors, forms_per_row=1):
        return _shared_gram(steps, vectors)
    if _takes_gram(steps, vectors, forms_per_row=vectors.shape[1]):
        return _gram(steps, vectors)
    return _plain(steps, vectors)


def _steps(encoder: nn.Module, x: Tensor, steps: Sequence[Step] | None) -> list[Step]:
    """Return the given steps of an encoder if they were at x, else new ones."""
    if steps and steps[0].x is x and all(_is_known(step.layer) for step in steps):
        return list(steps)
    return run(encoder, x, copy=True)[1]


def exact_squared_norm(
    encoder: nn.Module,
    x: Tensor,
    *,
    steps: Sequence[Step] | None = None,
    create_graph: bool = True,
) -> Tensor:
    r"""Return :math:`\sum_i \|\nabla_x z_i\|^2` for each row.

    Parameters
    ----------
    encoder : torch.nn.Module
        From rows to codes; a row of the code may depend on its own row only.
    x : Tensor of shape (n, n_features)
        Where the Jacobian is taken.
    steps : sequence of Step or None, default=None
        Steps of the encoder on some rows. If these are x, the encoder is not run again.
    create_graph : bool, default=True
        Whether the result can be differentiated with respect to the weights.

    Returns
    -------
    Tensor of shape (n,)
    """
    with torch.set_grad_enabled(create_graph):
        steps = _steps(encoder, x, steps) or [Step(nn.Identity(), x, x)]
        return _squared_norm(steps, None).expand(len(x))


def stochastic_squared_norm(
    encoder: nn.Module,
    x: Tensor,
    *,
    n_probes: int,
    stream: Any,
    steps: Sequence[Step] | None = None,
    create_graph: bool = True,
) -> Tensor:
    r"""Return an unbiased estimate of :math:`\sum_i \|\nabla_x z_i\|^2`.

    It is :math:`\frac1m \sum_{k=1}^m \|v_k^\top J\|^2` [1]_, where the vectors v hold
    random signs: m different rows of a Hadamard matrix of size K, the power of two from
    the number of units, with the signs of its columns drawn anew for each row of x. Its
    variance is

    .. math:: \frac{2}{m} \, \frac{K - m}{K - 1} \sum_{i \ne j} (J J^\top)_{ij}^2 .

    Parameters
    ----------
    encoder : torch.nn.Module
        From rows to codes; a row of the code may depend on its own row only.
    x : Tensor of shape (n, n_features)
        Where the Jacobian is taken.
    n_probes : int
        The number m of vectors for each row. With as many as units of the code, or
        more, the norm is exact.
    stream : RandomStream
        Draws the vectors.
    steps : sequence of Step or None, default=None
        Steps of the encoder on some rows. If these are x, the encoder is not run again.
    create_graph : bool, default=True
        Whether the result can be differentiated with respect to the weights.

    Returns
    -------
    Tensor of shape (n,)

    References
    ----------
    .. [1] Hutchinson, "A stochastic estimator of the trace of the influence matrix",
       Communications in Statistics 19 (2), 1990. :doi:`10.1080/03610919008812866`
    """
    with torch.set_grad_enabled(create_graph):
        steps = _steps(encoder, x, steps)
        code = steps[-1].out if steps else x
        if n_probes >= code.shape[1]:
            return exact_squared_norm(
                encoder, x, steps=steps, create_graph=create_graph
            )
        vectors = _probes(code.detach(), n_probes, stream)
        return _squared_norm(steps, vectors) / n_probes


def _probes(code: Tensor, n_probes: int, stream: Any) -> Tensor:
    """Draw vectors of signs, of shape (n, n_probes, n_units)."""
    signs = stream.signs_like(code).unsqueeze(1)
    if n_probes == 1:
        return signs
    hadamard = code.new_ones(1, 1)
    while len(hadamard) < code.shape[1]:
        hadamard = torch.kron(hadamard.new_tensor([[1, 1], [1, -1]]), hadamard)
    order = stream.permutation(len(hadamard), code.device)
    return signs * hadamard[order[:n_probes], : code.shape[1]]

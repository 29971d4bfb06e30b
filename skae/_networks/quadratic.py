"""Products of matrices whose gradients take fewer products than autograd's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

_IS_MAPPED = ContextVar("is_mapped", default=False)


@contextmanager
def mapped() -> Iterator[None]:
    """Use nothing inside the block that torch's vmap cannot map."""
    token = _IS_MAPPED.set(True)
    try:
        yield
    finally:
        _IS_MAPPED.reset(token)


def is_mapped() -> bool:
    """Tell whether torch's vmap maps the computation, where autograd.grad fails."""
    return _IS_MAPPED.get()


def gram_matrix(weight: Tensor) -> Tensor:
    """Return ``W W^T``, where the gradient with respect to it is symmetric."""
    if is_mapped():
        return weight @ weight.T
    return _GramMatrix.apply(weight)


def quadratic_form(vectors: Tensor, slope: Any, matrix: Tensor) -> Tensor:
    r"""Return the sum of :math:`a^\top G a` over vectors :math:`a = D v`, for each row.

    Parameters
    ----------
    vectors : Tensor of shape (n or 1, n_vectors, n_units)
        The vectors v.
    slope : Tensor of shape (n, n_units)
        The diagonal of D, for each row.
    matrix : Tensor of shape (n_units, n_units)
        The symmetric matrix G.
    """
    if is_mapped():
        scaled = vectors * slope.unsqueeze(1)
        return (scaled * (scaled @ matrix)).flatten(1).sum(1)
    return _QuadraticForm.apply(vectors, slope, matrix)


class _GramMatrix(torch.autograd.Function):
    """``W W^T`` with one product in the backward pass, for symmetric gradients.

    Autograd takes two products.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return weight @ weight.T

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (weight,) = ctx.saved_tensors
        return (2 * grad) @ weight


class _QuadraticForm(torch.autograd.Function):
    r"""The function of `quadratic_form`.

    The forward pass saves nearly all
    that the backward pass needs; autograd takes one more product, and many tensors.
    """

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, slope: Tensor, matrix: Tensor) -> Tensor:
        scaled = vectors * slope.unsqueeze(1)
        product = scaled @ matrix
        along = (vectors * product).sum(1)  # half the gradient with respect to slope
        ctx.save_for_backward(scaled, product, slope, along)
        return (along * slope).sum(1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        scaled, product, slope, along = ctx.saved_tensors
        grad = grad.unsqueeze(1)
        vectors = None
        if ctx.needs_input_grad[0]:
            vectors = product * (2 * grad * slope).unsqueeze(1)
        weighted = (scaled * grad.unsqueeze(1)).flatten(0, 1)
        return vectors, 2 * grad * along, weighted.T @ scaled.flatten(0, 1)

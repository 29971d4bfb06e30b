"""The two modules that join an encoder and a decoder, and the layers they share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skae._random import RandomStream

# Bounds of log_var: a posterior from 1/150 to 150 standard deviations of the prior.
_MAX_LOG_VAR = 10.0


class Standardize(nn.Module):
    """``(x - shift) / scale``, with a shift for each feature.

    Parameters
    ----------
    shift : Tensor of shape (n_features,)
        What is subtracted.
    scale : Tensor of shape () or (n_features,)
        What the difference is divided by.
    """

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)

    shift: Tensor
    scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


class Unstandardize(Standardize):
    """``x * scale + shift``, the reverse of :class:`Standardize`."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.shift, x, self.scale)


class ToImage(nn.Module):
    """Give flat rows the axes of a picture or a signal, channels first.

    Parameters
    ----------
    image_shape : sequence of int
        ``(channels, height, width)`` or ``(channels, length)``.
    channels_last : bool, default=False
        Whether the channels of a pixel stand together in a row.
    interleaved : bool, default=False
        Whether they shall stand together in memory, where convolutions are fastest.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        channels_last: bool = False,
        *,
        interleaved: bool = False,
    ) -> None:
        super().__init__()
        self.image_shape = tuple(image_shape)
        self.channels_last = channels_last
        self.interleaved = interleaved

    def forward(self, x: Tensor) -> Tensor:
        if self.channels_last:
            channels, *size = self.image_shape
            image = x.reshape(-1, *size, channels).movedim(-1, 1)
        else:
            image = x.reshape(-1, *self.image_shape)
        if self.interleaved and image.ndim == 4:
            return image.contiguous(memory_format=torch.channels_last)
        return image


class ToRows(nn.Module):
    """Flatten pictures or signals, channels first, into rows of the user's order."""

    def __init__(self, channels_last: bool = False) -> None:
        super().__init__()
        self.channels_last = channels_last

    def forward(self, x: Tensor) -> Tensor:
        if self.channels_last and x.ndim > 2:
            x = x.movedim(1, -1)
        return x.flatten(1)


class GELU(nn.GELU):
    """torch's own, but as fast on maps whose channels are interleaved."""

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            return super().forward(x)
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


class Hardsigmoid(nn.Module):
    """``x / 6 + 1/2``, cut at 0 and 1: torch's own, but differentiable twice."""

    def forward(self, x: Tensor) -> Tensor:
        return (x / 6 + 0.5).clamp(0, 1)


class TransposedLinear(nn.Module):
    """The transpose of a linear layer, with the same weight and a bias of its own.

    Parameters
    ----------
    weight : torch.nn.Parameter of shape (n_in, n_out)
        The weight of the linear layer, which stays one for both.
    bias : torch.nn.Parameter of shape (n_out,)
        What is added.
    """

    def __init__(self, weight: nn.Parameter, bias: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.T, self.bias)


def _several(x: Tensor, training: bool) -> Tensor:
    """Refuse to take the statistics of a single sample."""
    if training and len(x) == 1:
        raise ValueError(
            "batch_norm=True needs two samples or more in each batch of training, but "
            "got one sample. Give more samples or a larger batch_size, or set "
            "batch_norm=False."
        )
    return x


class BatchNorm1d(nn.BatchNorm1d):
    """torch's own, but with an error that says what to do about a single sample."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_several(x, self.training))


class BatchNorm2d(nn.BatchNorm2d):
    """torch's own, but with an error that says what to do about a single sample."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(_several(x, self.training))


class TopK(nn.Module):
    """Keep the ``k`` largest entries of each row and set the others to zero."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, x: Tensor) -> Tensor:
        values, indices = x.topk(self.k, dim=1, sorted=False)
        return torch.zeros_like(x).scatter(1, indices, values)


class LifetimeTopK(nn.Module):
    """In training keep the largest entries of each column, a share of the rows.

    The others are set to zero. In evaluation nothing is, so that rows are independent.

    Parameters
    ----------
    share : float
        What is kept, rounded to whole rows, at least one.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        k = max(1, round(self.share * len(x)))
        values, indices = x.topk(k, dim=0, sorted=False)
        return torch.zeros_like(x).scatter(0, indices, values)


class FirstHalf(nn.Module):
    """The first half of the columns: the means among ``(mean, log_var)``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.chunk(2, dim=1)[0]


class RowEncoder(nn.Sequential):
    """An encoder of flat rows in the order of X, whatever shape samples have."""


def takes_rows(module: nn.Module) -> bool:
    """Tell whether a module is, or begins with, an encoder of flat rows."""
    while is_plain(module, nn.Sequential) and not isinstance(module, RowEncoder):
        module = next(module.children(), nn.Identity())
    return isinstance(module, RowEncoder)


class LinkedDecoder(nn.Sequential):
    """A decoder and its link, from codes to the units of X."""


def without_link(decoder: nn.Module, link: Callable[[], nn.Module]) -> nn.Module:
    """Take the link off a decoder that another estimator has trained.

    A loss of the same link puts it on again. A sequence of decoders may end with one.
    """
    if isinstance(decoder, LinkedDecoder) and len(decoder) == 2:
        return decoder[0] if type(decoder[1]) is link else decoder
    if is_plain(decoder, nn.Sequential) and len(decoder) > 1:  # type: ignore[arg-type]
        *first, last = decoder.children()
        bare = without_link(last, link)
        return decoder if bare is last else nn.Sequential(*first, bare)
    return decoder


class Step(NamedTuple):
    """What one layer got and gave."""

    layer: nn.Module
    x: Tensor
    out: Tensor


def is_plain(module: nn.Module | None, *kinds: type[nn.Module]) -> bool:
    """Tell whether a module is of one of some kinds and computes what it does.

    A subclass with a ``forward`` of its own, such as a sequence with a shortcut, may
    compute anything.
    """
    return any(
        isinstance(module, kind) and type(module).forward is kind.forward
        for kind in kinds
    )


def leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the layers of nested sequences; whatever else there is, is one layer."""
    hooked = module._forward_hooks or module._forward_pre_hooks
    if is_plain(module, nn.Sequential) and not hooked:
        for child in module.children():
            yield from leaves(child)
    elif not is_plain(module, nn.Identity):
        yield module


def run(
    module: nn.Module, x: Tensor, *, copy: bool = False
) -> tuple[Tensor, list[Step]]:
    """Return what a module gives, and the steps that it took.

    A layer that works in place would overwrite what its step has to keep. It gets a
    copy if it says so of itself; with ``copy=True`` every layer does. A layer that
    gives no tensor, such as a recurrent one, makes one step with the next.
    """
    steps: list[Step] = []
    begun: list[nn.Module] = []
    out: Any = x
    for layer in leaves(module):
        copies = copy or getattr(layer, "inplace", False)
        out = layer(out.clone() if copies and isinstance(out, Tensor) else out)
        begun.append(layer)
        if isinstance(out, Tensor):
            whole = layer if len(begun) == 1 else nn.Sequential(*begun)
            steps.append(Step(whole, x, out))
            x, begun = out, []
    return out, steps


class AutoencoderModule(nn.Module):
    """An encoder and a decoder, joined by a deterministic code.

    Parameters
    ----------
    encoder, decoder : torch.nn.Module
        From flat rows in the units of X to codes, and back up to the link.
    link : torch.nn.Module
        From what the decoder gives to the units of X.
    scale : float
        Training scale of X, in its units; what the squared error divides by.
    stream : RandomStream
        Where whatever is random in training draws from.
    """

    n_columns_per_unit = 1  # that the encoder gives

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        link: nn.Module,
        scale: float,
        stream: RandomStream,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.link = link
        self.scale = scale
        self.stream = stream
        self.n_epochs = 0  # of training, so far: a warm-up counts them
        self.keeps_steps = False  # of the encoder, for a penalty that asks for them

    def encode(self, x: Tensor) -> Tensor:
        """Return the code of each row."""
        return self.encoder(x)

    def decode(self, code: Tensor) -> Tensor:
        """Return the reconstruction of each code, in the units of X."""
        return self.link(self.decoder(code))

    def code_layers(self) -> nn.Sequential:
        """Return the layers that :meth:`encode` runs through."""
        return RowEncoder(self.encoder)

    def forward(self, x: Tensor) -> dict[str, Any]:
        if not self.keeps_steps:
            code = self.encoder(x)
            return {"code": code, "reconstruction": self.decoder(code)}
        code, steps = run(self.encoder, x)
        return {"code": code, "reconstruction": self.decoder(code), "steps": steps}


class VariationalAutoencoderModule(AutoencoderModule):
    """An encoder of posteriors and a decoder, joined by a sample of the code.

    The encoder gives ``2 * n_components`` columns, the mean and the logarithm of
    the variance of a normal distribution for each unit.
    """

    n_columns_per_unit = 2

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the code of each row.

        The log-variance is bounded smoothly, so that no single row can make the
        objective infinite.
        """
        mean, raw = self.encoder(x).to(x.dtype).chunk(2, dim=1)
        return mean, _MAX_LOG_VAR * torch.tanh(raw / _MAX_LOG_VAR)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]

    def code_layers(self) -> nn.Sequential:
        return RowEncoder(self.encoder, FirstHalf())

    def forward(self, x: Tensor) -> dict[str, Any]:
        mean, log_var = self.posterior(x)
        noise = torch.empty_like(mean).normal_(generator=self.stream.on(mean.device))
        code = torch.addcmul(mean, torch.exp(0.5 * log_var), noise)
        return {
            "code": code,
            "mean": mean,
            "log_var": log_var,
            "reconstruction": self.decoder(code),
        }

"""The skorch net: its own seams, with an epoch as lean as a loop written by hand."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, PrintLog
from skorch.utils import to_tensor
from torch import Tensor
from torch.utils.data import DataLoader

from skae._exceptions import DivergenceError
from skae._random import RandomStream
from skae._training.fused_adam import find_step
from skae._training.history import EpochTerms

Noise = Callable[[Tensor, torch.Generator], Tensor]


class _Stop(Exception):
    """A callback asked for the end of training."""


class _PrintLog(PrintLog):
    """skorch's lines of a table, which it draws up even where nobody sees them."""

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        if net.verbose or self.sink is not print:
            super().on_epoch_end(net, **kwargs)


def _cosine(t: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * t))


def _one_cycle(t: float, rise: float = 0.1) -> float:
    if t < rise:
        return 0.05 + 0.95 * t / rise
    return _cosine((t - rise) / (1 - rise))


LR_SCHEDULES: dict[str, Callable[[float], float] | None] = {
    "constant": None,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
}


class AutoencoderNet(NeuralNet):
    """A skorch net whose target is its input.

    Beside skorch's own parameters it takes:

    Parameters
    ----------
    augmentation : callable or None
        ``(x, generator)`` to what x is replaced by, as input and as target.
    corruption : callable or None
        ``(x, generator)`` to what is encoded instead of x.
    lr_schedule : callable or None
        Factor of the learning rate for each fraction of the training.
    seed : int
        Seeds the initial weights and the draws of validation; training draws from
        the stream of the module.
    runs_foreign_code : bool
        Whether modules, losses or penalties are the user's, and may draw from
        torch's global generator.
    precision : {"float32", "bfloat16"}
        Format that the module multiplies in while it is trained.
    """

    # What skorch sets, and what a fit holds while it runs.
    callbacks_: list[tuple[str, Callback]]
    train_split: Any
    n_steps_: Any
    finite_state_: Any
    epoch_terms_: Any

    def __init__(
        self,
        *args: Any,
        augmentation: Noise | None = None,
        corruption: Noise | None = None,
        lr_schedule: Callable[[float], float] | None = None,
        seed: int = 0,
        runs_foreign_code: bool = False,
        precision: str = "float32",
        **kwargs: Any,
    ) -> None:
        self.augmentation = augmentation
        self.corruption = corruption
        self.lr_schedule = lr_schedule
        self.seed = seed
        self.runs_foreign_code = runs_foreign_code
        self.precision = precision
        super().__init__(*args, **kwargs)

    # What skorch builds ---------------------------------------------------------

    def initialize_module(self) -> AutoencoderNet:
        with RandomStream(self.seed).as_global():
            return super().initialize_module()

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return [
            (name, _PrintLog() if name == "print_log" else callback)
            for name, callback in super()._default_callbacks
        ]

    def get_iterator(self, dataset: Any, training: bool = False) -> Any:
        iterator = super().get_iterator(dataset, training=training)
        if isinstance(iterator, DataLoader):
            sampler: Any = iterator.sampler
            iterator.generator = sampler.generator = self.module_.stream.on("cpu")
        elif training and getattr(iterator, "shuffle", False) is True:
            iterator.stream = self.module_.stream
        return iterator

    # One batch ------------------------------------------------------------------

    def infer(self, x: Tensor, **fit_params: Any) -> dict[str, Tensor]:
        return self._infer(to_tensor(x, device=self.device))

    def get_loss(
        self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        return self._get_loss(y_pred, to_tensor(y_true, device=self.device))

    def _augment(self, x: Tensor) -> Tensor:
        if self.augmentation is None:
            return x
        return self.augmentation(x, self.module_.stream.on(x.device))

    def _infer(self, x: Tensor) -> dict[str, Tensor]:
        if self.runs_foreign_code:
            x = x.clone()  # it may work in place, and x is the target as well
        if self.corruption is not None:
            x = self.corruption(x, self.module_.stream.on(x.device))
        if self.precision == "float32":
            return self.module_(x)
        with torch.autocast(x.device.type, getattr(torch, self.precision)):
            output = self.module_(x)
        # The loss and the penalties are taken in the type of the weights. The steps of
        # the encoder were not: what needs them takes its own.
        return {k: v.to(x.dtype) for k, v in output.items() if k != "steps"}

    def _get_loss(self, output: dict[str, Tensor], x: Tensor) -> Tensor:
        loss, terms = self.criterion_(output, x, self.module_)
        if self.epoch_terms_.n_rows == 0 and self.module_.training:
            self._keep_weights_that_give(output["reconstruction"])
        self.epoch_terms_.add(len(x), loss, terms)
        return loss

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        self._follow_schedule()
        with self.isolated():
            x = self._augment(to_tensor(batch[0], device=self.device))
            return super().train_step((x, x), **fit_params)

    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        with self.isolated():
            x = self._augment(to_tensor(batch[0], device=self.device))
            return super().validation_step((x, x), **fit_params)

    def isolated(self, stream: RandomStream | None = None) -> Any:
        """Keep what code of the user's draws away from torch's global generator."""
        if not self.runs_foreign_code:
            return nullcontext()
        stream = self.module_.stream if stream is None else stream
        return stream.as_global(self.device)

    def _follow_schedule(self) -> None:
        if self.lr_schedule is None:
            return
        factor = self.lr_schedule(min(self.step_ / max(self.n_steps_ - 1, 1), 1.0))
        self.step_ += 1
        for group, lr in zip(self.optimizer_.param_groups, self.lrs_, strict=True):
            group["lr"] = factor * lr

    # One epoch ------------------------------------------------------------------

    def run_single_epoch(
        self,
        iterator: Any,
        training: bool,
        prefix: str,
        step_fn: Any,
        **fit_params: Any,
    ) -> None:
        if iterator is None:
            return
        self.epoch_terms_ = EpochTerms()
        if training and self.n_steps_ is None:
            self.n_steps_ = len(iterator) * self.n_epochs_
        with nullcontext() if training else self.fixed_draw():
            if self._batches_are_watched():
                super().run_single_epoch(
                    iterator, training, prefix, step_fn, **fit_params
                )
            else:
                self._run_lean_epoch(iterator, training, prefix)
        means = self.epoch_terms_.means()
        for name, value in means.items():
            self.history.record(f"{prefix}_{name}", value)
        if training:
            self._check_finite(means)

    def _run_lean_epoch(self, iterator: Any, training: bool, prefix: str) -> None:
        """Do what skorch does for each batch, less what nobody would see."""
        module, optimizer = self.module_, self.optimizer_
        device, isolated = torch.device(self.device), self.isolated
        trained = [x for group in optimizer.param_groups for x in group["params"]]
        step = find_step(optimizer)
        module.train(training)
        with torch.set_grad_enabled(training):
            for x, _ in iterator:
                x = x.to(device, non_blocking=True)
                with isolated():
                    x = self._augment(x)
                    loss = self._get_loss(self._infer(x), x)
                    if training:
                        self._follow_schedule()
                        loss.backward()
                        step()
                        for x in trained:
                            x.grad = None
        # The rows that skorch's own callbacks look for.
        self.history.new_batch()
        self.history.record_batch(f"{prefix}_loss", self.epoch_terms_.means()["loss"])
        self.history.record_batch(f"{prefix}_batch_size", self.epoch_terms_.n_rows)
        self.history.record(f"{prefix}_batch_count", 1)

    def _batches_are_watched(self) -> bool:
        """Tell whether a callback hooks batches, or the optimizer wants a closure."""
        hooks = ("on_batch_begin", "on_batch_end", "on_grad_computed")
        watched = any(
            getattr(type(callback), hook, None) is not getattr(Callback, hook)
            for _, callback in self.callbacks_
            for hook in hooks
        )
        closure = inspect.signature(self.optimizer_.step).parameters.get("closure")
        return watched or (
            closure is not None and closure.default is inspect.Parameter.empty
        )

    @contextmanager
    def fixed_draw(self) -> Iterator[None]:
        """Let validation draw the same noise in each epoch."""
        training_stream = self.module_.stream
        self.module_.stream = RandomStream(self.seed + 1)
        try:
            yield
        finally:
            self.module_.stream = training_stream

    # A whole fit ----------------------------------------------------------------

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as error:
            # skorch's callbacks stop training by raising this themselves; a user's
            # Ctrl-C surfaces in whatever runs at the moment.
            if _innermost_function(error) != "on_epoch_end":
                raise
            raise _Stop from None

    def partial_fit(
        self, X: Any, y: Any = None, classes: Any = None, **fit_params: Any
    ) -> AutoencoderNet:
        """Train for some epochs, as skorch does, but let Ctrl-C through."""
        if not self.initialized_:
            self.initialize()
        self.n_epochs_ = fit_params.get("epochs") or self.max_epochs
        self.step_, self.n_steps_ = 0, None
        self.lrs_ = [group["lr"] for group in self.optimizer_.param_groups]
        self.finite_state_ = [x.detach().clone() for x in _state(self.module_)]
        try:
            self.notify("on_train_begin", X=X, y=y)
            with suppress(_Stop):
                self.fit_loop(X, y, **fit_params)
            self.notify("on_train_end", X=X, y=y)
        except DivergenceError:
            self._return_to_finite_weights()
            raise
        finally:
            self._tidy_up()
        return self

    @contextmanager
    def plain_epochs(self, stopping: str) -> Iterator[None]:
        """Hold out no rows, keep the learning rate and ignore ``stopping``."""
        kept = self.train_split, self.lr_schedule, self.callbacks_
        self.train_split = self.lr_schedule = None
        self.callbacks_ = [item for item in self.callbacks_ if item[0] != stopping]
        try:
            yield
        finally:
            self.train_split, self.lr_schedule, self.callbacks_ = kept

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        super().on_epoch_end(net, **kwargs)
        self.module_.n_epochs += 1

    @torch.no_grad()
    def _keep_weights_that_give(self, reconstruction: Tensor) -> None:
        """Copy the weights if the first batch of an epoch shows them to be sound."""
        if torch.isfinite(reconstruction).all():
            for kept, x in zip(self.finite_state_, _state(self.module_), strict=True):
                kept.copy_(x)

    def _check_finite(self, means: dict[str, float]) -> None:
        if math.isfinite(means["loss"]):
            return
        epoch = len(self.history)
        bad = [name for name, value in means.items() if not math.isfinite(value)]
        raise DivergenceError(
            f"The training loss stopped being finite in epoch {epoch} (terms: "
            f"{', '.join(bad)}). Most likely the steps are too long for the scale of "
            f"X: lower lr (now {self.lr:g}), or scale X, for instance with "
            "StandardScaler. The estimator keeps the last finite weights."
        )

    @torch.no_grad()
    def _return_to_finite_weights(self) -> None:
        self.optimizer_.state.clear()  # its averages of gradients are not finite
        for kept, x in zip(self.finite_state_, _state(self.module_), strict=True):
            x.copy_(kept)

    def _tidy_up(self) -> None:
        """Leave finite weights, whole epochs, no gradients and no copy of weights."""
        if not _is_finite(self.module_):
            self._return_to_finite_weights()
        if len(self.history) and "train_loss" not in self.history[-1]:
            del self.history[-1]  # interrupted
        self.finite_state_ = None
        self.epoch_terms_ = None
        self.optimizer_.zero_grad(set_to_none=True)
        if self.lr_schedule is not None:
            for group, lr in zip(self.optimizer_.param_groups, self.lrs_, strict=True):
                group["lr"] = lr
        self.module_.eval()
        for _, callback in self.callbacks_:
            if getattr(callback, "best_model_weights_", None) is not None:
                callback.best_model_weights_ = None


def _innermost_function(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return "" if frame is None else frame.tb_frame.f_code.co_name


def _state(module: torch.nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _is_finite(module: torch.nn.Module) -> bool:
    return all(bool(torch.isfinite(x).all()) for x in _state(module))

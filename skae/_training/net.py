"""The skorch net, with overridden methods and a fast path for epochs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback
from skorch.utils import to_tensor
from torch import Tensor
from torch.utils.data import DataLoader

from skae._data.batches import Batch
from skae._distributed.agreement import divided_training
from skae._distributed.group import from_first, stopping_alike
from skae._distributed.share import backward, divided
from skae._exceptions import DivergenceError
from skae._random import RandomStream
from skae._training.callbacks import StopTraining, is_stop_of_callback, with_own
from skae._training.divergence import FiniteWeights, check_start
from skae._training.fused_adam import parameters_of
from skae._training.history import EpochHistory
from skae._training.passes import (
    FROM_START,
    Course,
    Pass,
    Passes,
    can_take_fast_path,
    run_alone,
)
from skae._training.plan import Task
from skae._training.rates import LayerwiseNet
from skae._training.schedules import LearningRate, Schedule, final
from skae._training.settings import Mode, validation_noise, without_split
from skae._training.stopping import STOPPING, free_callbacks

Noise = Callable[[Tensor, torch.Generator], Tensor]


class AutoencoderNet(LayerwiseNet):
    """A skorch net whose target is its input.

    Beside skorch's own parameters it takes:

    Parameters
    ----------
    augmentation : callable or None
        ``(x, generator)`` to the rows that replace x as input and target.
    corruption : callable or None
        ``(x, generator)`` to the rows that are encoded instead of x.
    lr_schedule : callable or None
        Factor of the learning rate for each fraction of the training.
    lr_by_layer : bool
        Whether the learning rate is that of layers with few inputs, and others have
        lower ones.
    final_share : float
        Share of the epochs, the last ones, that train on held-out rows as well.
    seed : int
        Seeds the initial weights and the noise of validation; training uses the stream
        of the module.
    has_user_code : bool
        Whether modules, losses or penalties are user-defined, and may use torch's
        global generator.
    precision : {"float32", "bfloat16"}
        Format of the multiplications in training.
    """

    # Attributes that exist during a fit.
    finite_weights_: Any
    epoch_terms_: Any
    learning_rate_: Any
    mode_: Any
    course_: Any

    # R² of PCA of the training rows, if the networks started there.
    pca_r2_: float | None = None
    is_continued_: bool = False  # on other rows than those, perhaps

    def __init__(
        self,
        *args: Any,
        augmentation: Noise | None = None,
        corruption: Noise | None = None,
        lr_schedule: Schedule | None = None,
        lr_by_layer: bool = False,
        final_share: float = 0.0,
        seed: int = 0,
        has_user_code: bool = False,
        precision: str = "float32",
        **kwargs: Any,
    ) -> None:
        self.augmentation = augmentation
        self.corruption = corruption
        self.lr_schedule = lr_schedule
        self.lr_by_layer = lr_by_layer
        self.final_share = final_share
        self.seed = seed
        self.has_user_code = has_user_code
        self.precision = precision
        super().__init__(*args, **kwargs)

    def take_on(self, task: Task) -> None:
        """Set the task that the net is trained for."""
        assembly = self.module
        # Not by setattr, in which skorch refuses modules of torch.
        self.__dict__.update(
            criterion=task.criterion,
            criterion_=task.criterion(),
            **task.transformations(
                assembly.statistics, assembly.layout, assembly.units
            ),
        )
        # It holds no tensors; skorch would pickle it apart, without functions by value.
        self.cuda_dependent_attributes_ = [
            name for name in self.cuda_dependent_attributes_ if name != "criterion_"
        ]
        self.module_.keeps_activations = task.needs_activations
        if task.has_user_code:
            self.has_user_code = True

    # Parts that skorch builds ---------------------------------------------------

    def initialize_history(self) -> AutoencoderNet:
        if self.history_ is None:
            self.history_ = EpochHistory()
        return super().initialize_history()

    def initialize_module(self) -> AutoencoderNet:
        with RandomStream(self.seed).as_global():
            return super().initialize_module()

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return with_own(super()._default_callbacks)

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
        batch = self._divided(to_tensor(x, device=self.device))
        return _without_activations(self._infer(batch))

    def get_loss(
        self, y_pred: Any, y_true: Any, X: Any = None, training: bool = False
    ) -> Tensor:
        batch = y_true
        if not isinstance(batch, Batch):
            batch = self._divided(to_tensor(y_true, device=self.device))
        return self._get_loss(y_pred, batch)

    def receive(self, pair: Any) -> Batch:
        """Return a batch on the device of the net, augmented."""
        batch = Batch.of(pair)
        x, *_, condition = self._divided(self._on_device(batch.x))
        if self.augmentation is not None:
            x = self.augmentation(x, self.module_.stream.on(x.device))
        mask = ~x.isnan() if self.module_.takes_gaps else None
        return Batch(x, self._on_device(batch.weight), mask, condition)

    def _divided(self, rows: Tensor) -> Batch:
        """Return rows as features and condition."""
        x = self.module_.features(rows)
        return Batch(x, condition=None if x is rows else rows[:, x.shape[1] :])

    def _on_device(self, x: Any) -> Any:
        if isinstance(x, Tensor):
            return x.to(self.device, non_blocking=True)
        return None if x is None else to_tensor(x, device=self.device)

    def _infer(self, batch: Batch) -> dict[str, Tensor]:
        return self._compute(self._corrupted(batch))

    def _corrupted(self, batch: Batch) -> Tensor:
        """Return the input of the module for a batch."""
        x = batch.x
        if self.has_user_code:
            x = x.clone()  # it may work in place, and x is the target as well
        if self.corruption is not None:
            x = self.corruption(x, self.module_.stream.on(x.device))
        return batch.with_condition(x)

    def _compute(self, x: Tensor) -> dict[str, Tensor]:
        if self.precision == "float32":
            return self.module_(x)
        with torch.autocast(x.device.type, getattr(torch, self.precision)):
            output = self.module_(x)
        # The loss and the penalties are computed in the type of the weights. The
        # activations of the encoder were not: penalties compute those they need again.
        return {k: v.to(x.dtype) for k, v in _without_activations(output).items()}

    def _get_loss(self, output: dict[str, Tensor], batch: Batch) -> Tensor:
        loss, terms = self.criterion_(output, batch, self.module_)
        if self.epoch_terms_.are_empty and self.module_.training:
            if self.module_.n_epochs == 0:
                check_start(loss, terms)
            self.finite_weights_.update(output["reconstruction"])
        self.epoch_terms_.add(batch, loss, terms)
        return loss

    def evaluate(self, batch: Batch) -> dict[str, Any]:
        """Compute the output and the loss of a batch, by the names of skorch."""
        return divided(self._evaluate, self._corrupted(batch), batch, self)

    def _evaluate(self, x: Tensor, batch: Batch) -> dict[str, Any]:
        output = self._compute(x)
        loss = self._get_loss(output, batch)
        return {"loss": loss, "y_pred": _without_activations(output)}

    def train_step_single(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Compute the loss of a batch and its gradients, in either loop."""
        step = self.evaluate(batch := Batch.of(batch))
        step["loss"] = backward(step["loss"], batch, self.optimizer_)
        return step

    def train_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Train on a batch in skorch's own loop."""
        self._set_training(True)
        self.learning_rate_.advance()
        with self.own_global_generator():
            return super().train_step(self.receive(batch).pair(), **fit_params)

    def validation_step(self, batch: Any, **fit_params: Any) -> dict[str, Any]:
        """Compute the loss of a held-out batch in skorch's own loop."""
        self._set_training(False)
        with self.own_global_generator(), torch.no_grad():
            return self.evaluate(self.receive(batch))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the reconstructions of rows, which scorers in callbacks compare."""
        link = self.module_.link
        with torch.no_grad():  # outputs that a callback has kept may need gradients
            found = [link(out["reconstruction"]) for out in self.forward_iter(X)]
        return torch.cat(found).detach().cpu().numpy()

    def own_global_generator(self, stream: RandomStream | None = None) -> Any:
        """Run user-defined code with a stream as torch's global generator."""
        if not self.has_user_code:
            return nullcontext()
        return (stream or self.module_.stream).as_global(self.device)

    def measure(self, dataset: Any) -> tuple[float, np.ndarray, np.ndarray]:
        """Return the objective of held-out rows, the loss of each, and the weights.

        Parameters
        ----------
        dataset : Dataset
            The rows, augmented and corrupted as in validation.
        """
        self._set_training(False)
        found = []
        with validation_noise(self), torch.no_grad():
            for pair in self.get_iterator(dataset, training=False):
                with self.own_global_generator():
                    batch = self.receive(pair)
                    output = self._infer(batch)
                    total, each = self.criterion_.measure(output, batch, self.module_)
                share = torch.ones(len(each)) if batch.weight is None else batch.weight
                parts = (x.double().cpu().numpy() for x in (each, share))
                found.append((total, batch.total_weight, *parts))
        objectives, totals, losses, weights = zip(*found, strict=True)
        objective = float(np.average(objectives, weights=totals))
        return from_first((objective, np.concatenate(losses), np.concatenate(weights)))

    # One pass over data ---------------------------------------------------------

    def run_each_batch(self, a_pass: Pass) -> None:
        """Run the batches of a pass in skorch's own loop, with its callbacks."""
        step = self.train_step if a_pass.training else self.validation_step
        super().run_single_epoch(
            a_pass.batches(), a_pass.training, a_pass.prefix, step_fn=step
        )

    # A whole fit ----------------------------------------------------------------

    def notify(self, method_name: str, **cb_kwargs: Any) -> None:
        try:
            super().notify(method_name, **cb_kwargs)
        except KeyboardInterrupt as error:
            if method_name != "on_epoch_end" or not is_stop_of_callback(error):
                raise  # Ctrl-C
            raise StopTraining from None

    def partial_fit(
        self, X: Any, y: Any = None, classes: Any = None, **fit_params: Any
    ) -> AutoencoderNet:
        """Train for some epochs, as skorch does, but do not catch Ctrl-C."""
        run_alone(self.training(X, **fit_params))
        return self

    def training(
        self, dataset: Any, epochs: int | None = None, course: Course = FROM_START
    ) -> Passes:
        """Train for some epochs, and yield each pass over data, to be run outside.

        Parameters
        ----------
        dataset : Dataset
            The training rows.
        epochs : int or None, default=None
            Number of epochs. None is `max_epochs`.
        course : Course, default=FROM_START
            Where the fit begins, and what is done between its batches.
        """
        if not self.initialized_:
            self.initialize()
        self.finite_weights_ = FiniteWeights(self.module_, self.optimizer_)
        self.mode_, self.learning_rate_, self.course_ = Mode(self.module_), None, course
        is_new, n_before = not self.optimizer_.state, self.module_.n_epochs
        try:
            self.notify("on_train_begin", X=dataset, y=None)
            n_epochs = self.max_epochs if epochs is None else epochs
            with divided_training(self, dataset, n_epochs), suppress(StopTraining):
                yield from self._all_epochs(dataset, n_epochs)
            self.notify("on_train_end", X=dataset, y=None)
        except DivergenceError:
            self.finite_weights_.restore()
            raise
        except BaseException:
            if is_new and self.module_.n_epochs == n_before:
                self.optimizer_.state.clear()  # perhaps of some parameters only
            raise
        finally:
            self._finish_training()

    def _all_epochs(self, dataset: Any, n_epochs: int) -> Passes:
        """Run epochs, select the best one, and run the final ones on all rows."""
        n_final = int(n_epochs * self.final_share)
        stopping: Any = dict(self.callbacks_).get(STOPPING)
        is_fresh = self.module_.n_epochs == 0
        if n_epochs == 0:
            if self.final_share and is_fresh:
                self._restart(dataset)
            return
        try:
            yield from self._epochs(dataset, n_epochs - n_final, self.lr_schedule)
        except StopTraining:
            if stopping is None or not stopping.has_stopped_:
                n_final = 0  # a callback of the user ends all
        if stopping is None or not stopping.selects:
            return
        is_better = stopping.select(self)
        if n_final and is_better:
            self.learning_rate_.reset()
            schedule = final if self.lr_schedule else None
            with without_split(self):
                yield from self._epochs(dataset, n_final, schedule, is_final=True)
        elif self.final_share and is_fresh and not is_better:
            self._restart(dataset)

    def _epochs(
        self,
        dataset: Any,
        n_epochs: int,
        schedule: Schedule | None,
        *,
        is_final: bool = False,
    ) -> Passes:
        self.check_data(dataset, None)
        self.check_training_readiness()
        self.n_epochs_, self.is_fast_ = n_epochs, can_take_fast_path(self)
        optimizer, by_layer = self.optimizer_, self.lr_by_layer
        self.learning_rate_ = LearningRate(optimizer, schedule, by_layer)
        training, held_out = self.get_split_datasets(dataset)
        facts = {"dataset_train": training, "dataset_valid": held_out}
        passes = [Pass(self, self.get_iterator(training, training=True), is_final)]
        if held_out is not None:
            iterator = self.get_iterator(held_out, training=False)
            passes.append(Pass(self, iterator, is_final, prefix="valid"))
        for _ in self.course_.epochs(self, facts, n_epochs):
            self.notify("on_epoch_begin", **facts)
            yield from passes
            with stopping_alike(StopTraining):
                self.notify("on_epoch_end", **facts)

    def _restart(self, dataset: Any) -> None:
        """Start again, from PCA of all rows with the shipped networks."""
        some = dataset.in_memory
        start = self.module.restart
        self.pca_r2_ = start(self.module_, some.rows, self.augmentation, some.weight)
        self.optimizer_.state.clear()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        super().on_epoch_end(net, **kwargs)
        self.module_.n_epochs += 1

    def _finish_training(self) -> None:
        """Leave finite weights and complete epochs; free gradients and copies."""
        if not self.finite_weights_.are_now():
            self.finite_weights_.restore()
        if len(self.history) and "train_loss" not in self.history[-1]:
            del self.history[-1]  # interrupted
        if self.learning_rate_ is not None:
            self.learning_rate_.reset()
        self.mode_.set(False)
        self.finite_weights_ = self.epoch_terms_ = None
        self.learning_rate_ = self.mode_ = self.course_ = None
        for x in parameters_of(self.optimizer_):
            x.grad = None
        free_callbacks(self.callbacks_)


def _without_activations(output: dict[str, Any]) -> dict[str, Any]:
    """Return an output as callbacks of skorch may take it: of tensors alone."""
    return {name: value for name, value in output.items() if name != "activations"}

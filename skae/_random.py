"""Random generators of the package; torch's global generator is never advanced."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Reentrant: a custom builder may itself fit an autoencoder.
_GLOBAL_GENERATOR_LOCK = threading.RLock()


def draw_seed(source: np.random.RandomState) -> int:
    """Draw the seed of a generator of torch."""
    return int(source.randint(np.iinfo(np.int32).max))


class RandomStream:
    """A seed and the generators drawn from it, one for each device.

    It pickles as plain CPU tensors, so that a model trained on a GPU can be loaded
    on a machine without one, where the stream restarts from its seed.

    Parameters
    ----------
    seed : int
        Seed of every generator of the stream.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._generators: dict[str, torch.Generator] = {}

    def on(self, device: torch.device | str = "cpu") -> torch.Generator:
        """Return the generator of the stream for ``device``."""
        device = torch.device(device)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        key = str(device)
        if key not in self._generators:
            generator = torch.Generator(device=device)
            self._generators[key] = generator.manual_seed(self.seed)
        return self._generators[key]

    def normal_like(self, x: Tensor) -> Tensor:
        """Draw from the standard normal distribution, in the shape of a tensor."""
        return torch.empty_like(x).normal_(generator=self.on(x.device))

    def signs_like(self, x: Tensor) -> Tensor:
        """Draw -1 and 1, in the shape of a tensor."""
        draws = torch.empty_like(x).bernoulli_(0.5, generator=self.on(x.device))
        return draws * 2 - 1

    def permutation(self, n: int, device: torch.device) -> Tensor:
        """Draw an order of n items."""
        return torch.randperm(n, generator=self.on(device), device=device)

    def __getstate__(self) -> dict[str, Any]:
        states = {key: g.get_state() for key, g in self._generators.items()}
        return {"seed": self.seed, "states": states}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["seed"])  # type: ignore[misc]
        self.restore(state)

    def restore(self, state: dict[str, Any]) -> None:
        """Take on a state of the same seed; generators remain the same objects."""
        for generator in self._generators.values():
            generator.manual_seed(self.seed)
        for key, generator_state in state["states"].items():
            device = torch.device(key)
            if device.type == "cpu" or (device.index or 0) < torch.cuda.device_count():
                # Unpickling a net moves all tensors to its device, these too.
                self.on(key).set_state(generator_state.cpu())

    @contextmanager
    def as_global(self, device: torch.device | str = "cpu") -> Iterator[None]:
        """Make this stream torch's global generator inside the block.

        User-defined code, dropout and initialisers can draw from no other generator.
        The state of the global generator is restored afterwards, and a lock keeps the
        threads of this package from using it at the same time.
        """
        on_cuda = torch.device(device).type == "cuda"
        shared = [torch.default_generator]
        self.on("cpu")
        if on_cuda:
            index = torch.device(device).index
            index = torch.cuda.current_device() if index is None else index
            shared.append(torch.cuda.default_generators[index])
            self.on(f"cuda:{index}")
        with _GLOBAL_GENERATOR_LOCK:
            if all(self.on(x.device) is x for x in shared):  # in an outer block
                yield
                return
            before = [generator.get_state() for generator in shared]
            own = {str(x.device): self.on(x.device) for x in shared}
            for generator in shared:
                generator.set_state(self.on(generator.device).get_state())
            # What is drawn from the stream in the block is drawn from it as well.
            self._generators.update({str(x.device): x for x in shared})
            try:
                yield
            finally:
                self._generators.update(own)
                for generator, state in zip(shared, before, strict=True):
                    self.on(generator.device).set_state(generator.get_state())
                    generator.set_state(state)


class Recorder(RandomStream):
    """A stream that remembers what was drawn, to be drawn again from other streams."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        # Each is called with a stream, a number of rows, and a tensor of their type.
        self.draws: list[Callable[[RandomStream, int, Tensor], Tensor]] = []

    def normal_like(self, x: Tensor) -> Tensor:
        self._record("normal_like", x)
        return super().normal_like(x)

    def signs_like(self, x: Tensor) -> Tensor:
        self._record("signs_like", x)
        return super().signs_like(x)

    def permutation(self, n: int, device: torch.device) -> Tensor:
        self.draws.append(lambda stream, _, rows: stream.permutation(n, rows.device))
        return super().permutation(n, device)

    def _record(self, name: str, x: Tensor) -> None:
        shape = x.shape[1:]

        def draw(stream: RandomStream, n_rows: int, rows: Tensor) -> Tensor:
            return getattr(stream, name)(rows.new_empty(n_rows, *shape))

        self.draws.append(draw)


class Replay:
    """A stream that returns what was drawn before, in that order.

    Parameters
    ----------
    drawn : sequence of Tensor
        What was drawn.
    """

    def __init__(self, drawn: Sequence[Tensor]) -> None:
        self._drawn = iter(drawn)

    def normal_like(self, x: Tensor) -> Tensor:
        """Return the next draw."""
        return next(self._drawn)

    def signs_like(self, x: Tensor) -> Tensor:
        """Return the next draw."""
        return next(self._drawn)

    def permutation(self, n: int, device: torch.device) -> Tensor:
        """Return the next draw."""
        return next(self._drawn)


def seeded(part: Any, seed: int) -> Any:
    """Seed an object with parameters, and its parts, where they have no seed.

    Parameters
    ----------
    part : object
        It is changed if it has ``get_params`` of scikit-learn.
    seed : int
        The seed.

    Returns
    -------
    object
        The same.
    """
    params = part.get_params(deep=True) if hasattr(part, "get_params") else {}
    seeds = {
        name: seed
        for name, value in params.items()
        if value is None and name.split("__")[-1] == "random_state"
    }
    return part.set_params(**seeds) if seeds else part

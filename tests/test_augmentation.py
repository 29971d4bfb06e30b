"""What replaces a batch in training, as input and as target."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from skorch.callbacks import Callback

import skae
from skae import AutoencoderTransformer, Dense, DynamicBinarization

X = np.random.RandomState(0).uniform(size=(60, 6)).astype(np.float32)


class Records:
    """An augmentation that shifts a batch and keeps what it returned."""

    def __init__(self):
        self.given = []

    def __call__(self, x, generator):
        shifted = x + torch.rand(1, generator=generator)
        self.given.append(shifted.clone())
        return shifted

    def __deepcopy__(self, memo):
        return self  # clone hands it over, so that the test can look inside


class HooksBatches(Callback):
    """Make the net use the training loop of skorch."""

    def on_batch_end(self, net, **kwargs):
        pass


@pytest.mark.parametrize("callbacks", [None, [("hook", HooksBatches())]])
def test_augmented_batch_is_input_and_target(callbacks):
    augmentation, inputs, targets = Records(), [], []

    def corruption(x, generator):
        inputs.append(x.clone())
        return x

    def loss(reconstruction, x):
        targets.append(x.clone())
        return (reconstruction - x) ** 2

    AutoencoderTransformer(
        2,
        augmentation=augmentation,
        corruption=corruption,
        loss=loss,
        callbacks=callbacks,
        batch_size=30,
        max_epochs=2,
        validation_fraction=0.5,
        early_stopping=False,
        encoder=Dense((8,), init="random"),  # PCA is of augmented rows, too
        random_state=0,
    ).fit(X)
    assert len(augmentation.given) == 4  # two batches an epoch: one is held out
    for given, x, target in zip(augmentation.given, inputs, targets, strict=True):
        assert_array_equal(given, x)
        assert_array_equal(given, target)


def test_training_rows_are_augmented_afresh_and_held_out_rows_alike():
    augmentation = Records()
    AutoencoderTransformer(
        2,
        augmentation=augmentation,
        batch_size=30,
        max_epochs=2,
        validation_fraction=0.5,
        early_stopping=False,
        encoder=Dense((8,), init="random"),  # PCA is of augmented rows, too
        random_state=0,
    ).fit(X)
    trained, held, trained_again, held_again = augmentation.given
    assert not np.isclose(trained.mean(), trained_again.mean())  # order plays no part
    assert_array_equal(held, held_again)


def test_rows_are_not_augmented_after_training():
    ae = AutoencoderTransformer(
        2, augmentation=DynamicBinarization(), max_epochs=1, random_state=0
    ).fit(X)
    assert_array_equal(ae.transform(X), ae.transform(X))
    assert len(np.unique(X)) > 2  # and X itself is as it was


def test_loss_is_the_cross_entropy_of_the_draws():
    # A decoder with the logit 0 gives 1/2 for each of 6 entries, whatever they
    # are: log 2 each. With the logit 1, draws differ from probabilities: the
    # mean loss of an entry is log(1 + e) - x, and of a draw one of two values.
    class One(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.logit = torch.nn.Parameter(torch.ones(()))

        def forward(self, code):
            return self.logit.expand(len(code), 6)

    seen = []

    def loss(reconstruction, x):
        values = torch.nn.functional.binary_cross_entropy_with_logits(
            reconstruction, x, reduction="none"
        )
        seen.append(values.detach())
        return values

    AutoencoderTransformer(
        2,
        encoder=torch.nn.Linear(6, 2),
        decoder=One(),
        augmentation=DynamicBinarization(),
        loss=loss,
        batch_size=60,
        max_epochs=1,
    ).fit(X)
    values = np.unique(seen[0].numpy().round(5))
    assert values == pytest.approx([np.log1p(np.e) - 1, np.log1p(np.e)], abs=1e-5)


@pytest.mark.parametrize("cls", [skae.VariationalAutoencoder, skae.ConvAutoencoder])
def test_draws_follow_the_seed(cls):
    first, second, other = (
        cls(
            2,
            augmentation=DynamicBinarization(),
            max_epochs=1,
            early_stopping=False,
            random_state=seed,
        )
        .fit(X.reshape(-1, 2, 3))
        .transform(X)
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, second)
    assert not np.allclose(first, other)


def test_binarization_refuses_values_outside_0_to_1():
    ae = AutoencoderTransformer(2, augmentation=DynamicBinarization(), max_epochs=1)
    with pytest.raises(ValueError, match=r"outside \[0, 1\]\. Divide pixels by 255"):
        ae.fit(X * 255)


def test_augmentation_class_is_refused():
    ae = AutoencoderTransformer(2, augmentation=DynamicBinarization)
    with pytest.raises(TypeError, match=r"is a class: pass an instance"):
        ae.fit(X)


def test_parameters_without_an_augmentation_are_refused():
    match = r"augmentation__shift cannot be set: augmentation=None has no parameters"
    with pytest.raises(ValueError, match=match):
        AutoencoderTransformer().set_params(augmentation__shift=1)

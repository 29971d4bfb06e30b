"""The shipped networks for many shapes, and custom ones in their place."""

import copy
import itertools
import pickle
import re

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.utils._param_validation import InvalidParameterError
from torch import nn

from skae import AutoencoderTransformer, VariationalAutoencoder
from skae._data.layout import Layout
from skae._networks.architecture import ACTIVATIONS
from skae._networks.assembly import check_width
from skae._networks.conv import Conv
from skae._networks.dense import Dense
from skae._networks.factory import (
    ARCHITECTURES,
    build_decoder,
    build_encoder,
    resolve_network,
)
from skae._networks.layers import BatchNorm1d, BatchNorm2d, TransposedLinear
from skae._random import RandomStream

FLAT = Layout((12,))
IMAGE = Layout((3, 4), (1, 3, 4))
COLOURED = Layout((3, 4, 2), (2, 3, 4), channels_last=True)


def _image(channels, height, width, channels_last=False):
    image_shape = (channels, height, width)
    shape = (height, width, channels) if channels_last else image_shape
    return Layout(shape, image_shape, channels_last)


def _signal(channels, length):
    return Layout((channels, length), (channels, length))


def _there_and_back(architecture, layout, n_components=3, n_rows=2):
    """Run zeros through an encoder and its mirror; return the shapes they get."""
    encoder = build_encoder(architecture, layout, n_components)
    decoder = build_decoder(architecture, n_components, layout)
    with torch.no_grad():
        code = encoder(torch.zeros(n_rows, layout.n_features))
        return tuple(code.shape), tuple(decoder(code).shape)


def _layers(network, kind):
    return [layer for layer in network.modules() if isinstance(layer, kind)]


# Dense --------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [(), (5,), (9, 4), [7], (4, 4, 4)])
def test_dense_decoder_mirrors_the_encoder(hidden):
    architecture = Dense(hidden)
    encoder = architecture.encoder(FLAT, 3)
    decoder = architecture.decoder(3, FLAT)
    sizes = [
        [(layer.in_features, layer.out_features) for layer in _layers(part, nn.Linear)]
        for part in (encoder, decoder)
    ]
    widths = [12, *hidden, 3]
    assert sizes[0] == list(itertools.pairwise(widths))
    assert sizes[1] == [(n_out, n_in) for n_in, n_out in reversed(sizes[0])]


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_dense_has_its_activation_between_layers_only(name):
    network = Dense((5, 4), activation=name).encoder(FLAT, 3)
    kinds = [type(layer) for layer in network]
    activation = type(ACTIVATIONS[name]())
    assert kinds == [nn.Linear, activation, nn.Linear, activation, nn.Linear]


@pytest.mark.parametrize("width", range(1, 71))
def test_dense_takes_every_width(width):
    layout = Layout((width,))
    assert _there_and_back(Dense((4,)), layout) == ((2, 3), (2, width))


@pytest.mark.parametrize("layout", [IMAGE, COLOURED, _signal(2, 9)])
def test_dense_flattens_images(layout):
    assert _there_and_back(Dense((4,)), layout)[1] == (2, layout.n_features)


@pytest.mark.parametrize("hidden", [(0,), (4, -1), (2.5,)])
def test_widths_below_one_are_refused(hidden):
    match = re.escape(f"hidden_layer_sizes={hidden!r} must hold widths of at least 1")
    with pytest.raises(ValueError, match=match):
        Dense(hidden).encoder(FLAT, 3)


# Conv ---------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [(4,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("height", range(1, 18))
def test_conv_restores_every_size_exactly(height, channels):
    for width in range(1, 18):
        layout = _image(1, height, width)
        shapes = _there_and_back(Conv(channels), layout)
        assert shapes == ((2, 3), (2, layout.n_features)), (height, width)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("n_channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 7), (8, 8), (1, 13), (13, 2)])
def test_conv_takes_colours_on_either_side(size, n_channels, channels_last):
    layout = _image(n_channels, *size, channels_last)
    assert _there_and_back(Conv((3,)), layout)[1] == (2, layout.n_features)


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("length", range(1, 71))
def test_conv_takes_signals_of_every_length(length, n_channels):
    layout = _signal(n_channels, length)
    assert _there_and_back(Conv((3, 4)), layout)[1] == (2, layout.n_features)


@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7])
@pytest.mark.parametrize(
    "layout", [_image(1, 6, 5), _image(2, 1, 1), _signal(1, 9), _image(1, 3, 12)]
)
def test_kernels_of_every_odd_size_fit(layout, kernel_size):
    shapes = _there_and_back(Conv((3, 4), kernel_size=kernel_size), layout)
    assert shapes == ((2, 3), (2, layout.n_features))


def test_each_convolution_halves_what_is_longer_than_one():
    # 9 x 2 -> 5 x 1 -> 3 x 1: half of it, rounded up.
    assert Conv((4, 8))._shapes(_image(1, 9, 2)) == [(1, 9, 2), (4, 5, 1), (8, 3, 1)]


def test_signals_are_convolved_along_their_one_axis():
    network = Conv((4,)).encoder(_signal(3, 8), 2)
    assert len(_layers(network, nn.Conv1d)) == 1
    assert _layers(network, nn.Conv2d) == []


@pytest.mark.parametrize("size", [(512, 512), (1, 100_000), (700, 30)])
@pytest.mark.parametrize("channels", [(16, 32), (8,), (64, 128, 256)])
def test_large_images_get_depth_and_not_width(size, channels):
    layout = _image(3, *size)
    encoder = Conv(channels).encoder(layout, 16)
    (linear,) = _layers(encoder, nn.Linear)
    assert linear.in_features <= 4096
    assert linear.in_features > 4096 // 8  # and no deeper than that takes
    convolutions = _layers(encoder, nn.Conv2d)
    assert [c.out_channels for c in convolutions[: len(channels)]] == list(channels)
    assert {c.out_channels for c in convolutions[len(channels) :]} <= {channels[-1]}


def test_a_large_image_keeps_its_size():
    layout = _image(3, 512, 512)
    shapes = _there_and_back(Conv((2,)), layout, n_rows=1)
    assert shapes == ((1, 3), (1, 3 * 512 * 512))


def test_channels_beyond_the_bound_end_where_nothing_is_left_to_halve():
    layout = _image(1, 2, 2)
    assert Conv((5000,))._shapes(layout) == [(1, 2, 2), (5000, 1, 1)]
    assert _there_and_back(Conv((5000,)), layout, n_rows=1) == ((1, 3), (1, 4))


def test_conv_gets_images_in_the_right_orientation():
    # A kernel that copies its centre: the map is every second pixel of the channel.
    layout = _image(2, 4, 4, channels_last=True)
    encoder = Conv((1,), kernel_size=1, activation="identity").encoder(layout, 4)
    (convolution,) = _layers(encoder, nn.Conv2d)
    (linear,) = _layers(encoder, nn.Linear)
    with torch.no_grad():
        convolution.weight.copy_(torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1))
        convolution.bias.zero_()
        linear.weight.copy_(torch.eye(4))
        linear.bias.zero_()
    image = torch.arange(32.0).reshape(1, 4, 4, 2)  # height, width, channels
    expected = image[0, ::2, ::2, 1].flatten()
    assert encoder(image.flatten(1))[0].tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("architecture", "match"),
    [
        (Conv(()), r"channels=\(\) must hold at least one number of channels"),
        (Conv((4, 0)), r"channels=\(4, 0\) must hold .* each at least 1"),
        (Conv((4.5,)), r"channels=\(4.5,\) must hold .* each at least 1 and whole"),
        (Conv(kernel_size=4), "kernel_size=4 must be odd"),
        (Conv(kernel_size=-1), "kernel_size=-1 must be odd"),
    ],
)
def test_numbers_of_a_convolution_are_checked(architecture, match):
    for build in (
        lambda: architecture.encoder(IMAGE, 3),
        lambda: architecture.decoder(3, IMAGE),
    ):
        with pytest.raises(ValueError, match=match):
            build()


@pytest.mark.parametrize("kind", [Dense, Conv])
def test_unknown_activations_are_refused(kind):
    with pytest.raises(ValueError, match=r"activation='swish' is not known.*'silu'"):
        kind(activation="swish").encoder(IMAGE, 3)


@pytest.mark.parametrize("kind", [Dense, Conv])
def test_architectures_are_cloned_with_their_numbers(kind):
    one = kind((3, 4), activation="tanh")
    assert clone(one).get_params() == one.get_params()
    assert clone(one) is not one


@pytest.mark.parametrize("kind", [Dense, Conv])
def test_networks_do_not_share_weights(kind):
    architecture = kind((4,))
    one, other = (architecture.encoder(IMAGE, 3) for _ in range(2))
    assert not {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}


@pytest.mark.parametrize("kind", [Dense, Conv])
def test_equal_seeds_give_equal_weights(kind):
    networks = []
    for _ in range(2):
        with RandomStream(3).as_global():
            networks.append(kind((4,)).encoder(IMAGE, 3))
    one, other = (list(network.parameters()) for network in networks)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# Batch normalisation ------------------------------------------------------------------

DIGITS = (load_digits().data[:300] / 16).astype(np.float32)
SMALL = {"n_components": 4, "max_epochs": 2, "random_state": 0}


def _digits(encoder, **params):
    return AutoencoderTransformer(encoder=encoder, **{**SMALL, **params})


def test_hidden_layers_are_normalised_before_their_activation():
    dense = Dense((5, 4), activation="tanh", batch_norm=True)
    hidden = [nn.Linear, BatchNorm1d, nn.Tanh]
    for network, widths in [
        (dense.encoder(FLAT, 3), [5, 4]),
        (dense.decoder(3, FLAT), [4, 5]),
    ]:
        # Neither the code nor the output is normalised.
        assert [type(layer) for layer in network] == [*hidden, *hidden, nn.Linear]
        norms = _layers(network, BatchNorm1d)
        assert [norm.num_features for norm in norms] == widths


@pytest.mark.parametrize(
    ("layout", "kind"), [(IMAGE, BatchNorm2d), (_signal(1, 9), BatchNorm1d)]
)
def test_channels_of_hidden_maps_are_normalised_before_their_activation(layout, kind):
    conv = Conv((5, 4), activation="tanh", batch_norm=True)
    for network, channels in [
        (conv.encoder(layout, 3), [5, 4]),
        (conv.decoder(3, layout), [4, 5]),
    ]:
        norms = _layers(network, kind)
        assert [norm.num_features for norm in norms] == channels
        layers = list(network)
        assert [type(layers[layers.index(norm) + 1]) for norm in norms] == [nn.Tanh] * 2
    assert not isinstance(layers[-2], kind)
    assert _there_and_back(conv, layout)[1] == (2, layout.n_features)


@pytest.mark.parametrize("encoder", [Dense(32), Conv(8, (8, 8))], ids=str)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_normalised_networks_learn_and_map_rows_independently(encoder, precision):
    encoder = clone(encoder).set_params(batch_norm=True)
    ae = _digits(encoder, precision=precision, lr=1e-2, batch_size=13, max_epochs=4)
    ae.fit(DIGITS)  # 300 = 23 * 13 + 1: a last batch of one row joins the one before
    assert ae.score(DIGITS) > 0.2
    codes = ae.transform(DIGITS)
    assert np.array_equal(ae.transform(DIGITS[:3]), codes[:3])
    ae.partial_fit(DIGITS[:20])
    assert not np.array_equal(ae.transform(DIGITS), codes)


def test_a_normalised_layer_uses_the_statistics_of_training():
    ae = _digits(
        Dense((6,), batch_norm=True),
        lr=1e-12,
        batch_size=300,
        early_stopping=False,
    ).fit(DIGITS)
    scale, path = next(ae.encoder_.children())
    linear, norm, *_ = path.layers
    with torch.no_grad():
        hidden = linear(scale(torch.from_numpy(DIGITS)))
    # Two steps with a momentum of 0.1 from a mean of 0 and a variance of 1.
    mean, var = 0.19 * hidden.mean(0), 0.81 + 0.19 * hidden.var(0)
    torch.testing.assert_close(norm.running_mean, mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(norm.running_var, var, rtol=1e-4, atol=1e-5)


# Pooling ------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize(
    "layout",
    [*(_image(2, *size) for size in [(1, 1), (1, 7), (5, 6), (9, 2)]), _signal(3, 9)],
)
@pytest.mark.parametrize("channels", [(3,), (3, 4), (2, 3, 4)])
def test_pooled_maps_have_the_shapes_of_strided_ones(channels, layout, pooling):
    pooled, strided = Conv(channels, pooling=pooling), Conv(channels)
    shapes = []
    for conv in (pooled, strided):
        encoder = conv.encoder(layout, 3)
        before_code = encoder[:-2]
        shapes.append(before_code(torch.zeros(2, layout.n_features)).shape)
    assert shapes[0] == shapes[1]
    assert _there_and_back(pooled, layout) == ((2, 3), (2, layout.n_features))


def test_convolution_normalisation_activation_and_pooling_follow_in_this_order():
    network = Conv(4, activation="tanh", batch_norm=True, pooling="max").encoder(
        _image(1, 4, 4), 3
    )
    kinds = [nn.Conv2d, BatchNorm2d, nn.Tanh, nn.MaxPool2d, nn.Flatten, nn.Linear]
    assert [type(layer) for layer in network][1:] == kinds
    assert network[1].stride == (1, 1)


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [("max", [4.0, 5.0, 7.0, 8.0]), ("average", [2.0, 3.5, 6.5, 8.0])],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_pooling_takes_incomplete_windows_at_the_edge(pooling, expected, channels_last):
    # A kernel that copies its pixel of the second channel, on the image 0 1 2 / 3 4 5
    # / 6 7 8: its right column and its last row are pooled by two, its corner alone.
    layout = _image(2, 3, 3, channels_last)
    encoder = Conv(1, kernel_size=1, activation="identity", pooling=pooling).encoder(
        layout, 4
    )
    with torch.no_grad():
        encoder[1].weight.copy_(torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1))
        encoder[1].bias.zero_()
    image = torch.stack([torch.full((3, 3), 99.0), torch.arange(9.0).reshape(3, 3)])
    row = (image.movedim(0, -1) if channels_last else image).reshape(1, -1)
    assert encoder[:-1](row).tolist() == [expected]


# Tied weights -------------------------------------------------------------------------

TIED = Dense((8, 6), activation="tanh", tied=True)


def _weights(ae):
    """Return the weights of the linear layers of an encoder and of its decoder."""
    encoder = _layers(ae.encoder_, nn.Linear)
    decoder = _layers(ae.decoder_, TransposedLinear)
    return [x.weight for x in encoder], [x.weight for x in decoder]


def _assert_tied(ae):
    encoder, decoder = _weights(ae)
    assert len(encoder) == len(decoder) == 3
    assert all(a is b for a, b in zip(encoder, reversed(decoder), strict=True))
    shapes = [tuple(x.shape) for x in ae.net_.module_.parameters()]
    assert sorted(shapes) == sorted(
        [(8, 64), (6, 8), (4, 6), (8,), (6,), (4,), (6,), (8,), (64,)]
    )
    (group,) = ae.net_.optimizer_.param_groups
    assert len(group["params"]) == 9


def test_a_tied_decoder_transposes_the_weights_of_its_encoder():
    ae = _digits(TIED).fit(DIGITS)
    _assert_tied(ae)
    codes = ae.transform(DIGITS)
    w1, w2, w3 = (x.detach().double().numpy() for x in _weights(ae)[0])
    b3, b2, b1 = (
        x.bias.detach().double().numpy() for x in _layers(ae.decoder_, TransposedLinear)
    )
    weight, bias = (
        x.double().numpy() for x in ae.net_.module_.inverse_coordinates.buffers()
    )
    trained = codes @ weight.T + bias
    hidden = np.tanh(np.tanh(trained @ w3 + b3) @ w2 + b2)
    expected = ae.mean_ + ae.scale_ * (hidden @ w1 + b1)
    np.testing.assert_allclose(ae.inverse_transform(codes), expected, atol=1e-5)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_tied_weights_stay_tied_in_copies_that_are_trained_further(copied):
    ae = _digits(TIED, warm_start=True).fit(DIGITS)
    again = copied(ae)
    _assert_tied(again)
    for one in (ae, again):
        one.fit(DIGITS)
    _assert_tied(again)
    assert np.array_equal(again.reconstruct(DIGITS), ae.reconstruct(DIGITS))


@pytest.mark.parametrize(
    "params",
    [
        {"dtype": "float64"},
        {"early_stopping": True},
        {"precision": "bfloat16"},
        {"optimizer": "sgd"},
        {"loss": "binary_cross_entropy", "code_activation": "sigmoid"},
    ],
    ids=lambda params: next(iter(params)),
)
def test_tied_weights_stay_tied_however_they_are_trained(params):
    ae = clone(_digits(TIED, **params).fit(DIGITS)).fit(DIGITS)
    _assert_tied(ae)
    before = ae.reconstruct(DIGITS)
    state = copy.deepcopy(ae.net_.module_.state_dict())
    ae.partial_fit(DIGITS)
    assert not np.array_equal(ae.reconstruct(DIGITS), before)
    ae.net_.module_.load_state_dict(state)
    _assert_tied(ae)
    assert np.array_equal(ae.reconstruct(DIGITS), before)


def test_a_linear_tied_network_finds_the_space_of_pca():
    # Its optimum is a projection onto the principal axes, W of orthonormal rows.
    X = DIGITS * np.linspace(0.5, 2, 64, dtype=np.float32)
    ae = _digits(Dense((), tied=True), lr=0.01, max_epochs=100).fit(X)
    explained = PCA(4).fit(X).explained_variance_ratio_.sum()
    assert ae.score(X) == pytest.approx(explained, abs=1e-3)


def test_tied_networks_reconstruct_constant_features():
    X = DIGITS.copy()
    X[:, 3] = 0.25
    ae = _digits(TIED).fit(X)
    assert np.array_equal(ae.reconstruct(X)[:, 3], X[:, 3])


def test_parameters_of_an_architecture_can_be_searched():
    grid = {"encoder__tied": [True, False], "encoder__batch_norm": [True, False]}
    search = GridSearchCV(_digits(Dense((8,)), max_epochs=1), grid, cv=2)
    search.fit(DIGITS[:60])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("option", [{"tied": True}, {"init": "random"}])
def test_options_that_leave_the_linear_map_out_start_at_random(option):
    # lr is too small to change a weight: a start at PCA would score as PCA does.
    dense = Dense((64,), activation="relu")
    params = {"lr": 1e-12, "max_epochs": 1, "early_stopping": False}
    assert _digits(dense, **params).fit(DIGITS).score(DIGITS) > 0.5
    other = clone(dense).set_params(**option)
    assert _digits(other, **params).fit(DIGITS).score(DIGITS) < 0.3


# Initial weights ----------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize(
    ("activation", "gain", "center"),
    [("sigmoid", 4, 0.5), ("hardsigmoid", 6, 0.5), ("tanh", 1, 0), ("gelu", 1, 0)],
)
def test_glorot_initialization_by_hand(activation, gain, center, tied):
    dense = Dense((40, 30), activation=activation, init="glorot", tied=tied)
    ae = _digits(dense, lr=1e-12, max_epochs=1).fit(DIGITS + 1)
    constant = torch.from_numpy(DIGITS.std(0) == 0)
    for network in (ae.encoder_, ae.decoder_):
        layers = _layers(network, (nn.Linear, TransposedLinear))
        for position, layer in enumerate(layers):
            weight = layer.weight.detach()
            if isinstance(layer, nn.Linear):
                # Uniform, with variance 2 gain^2 / (n_in + n_out).
                bound = (gain if position else 1) * (6 / sum(weight.shape)) ** 0.5
                assert 0.9 * bound < weight.abs().max() <= bound * (1 + 1e-6)
            else:
                weight = weight.T
            expected = -center * weight.sum(1) if position else torch.zeros(len(weight))
            if network is ae.decoder_ and layer is layers[-1]:
                expected[constant] = 0
            torch.testing.assert_close(layer.bias.detach(), expected, atol=1e-5, rtol=0)


@pytest.mark.filterwarnings("ignore::skae.CollapsedCodeWarning")
@pytest.mark.filterwarnings("ignore::skae.FitWarning")
def test_a_deep_stack_of_sigmoids_learns_from_glorot_initialization():
    def score(init):
        dense = Dense((60, 40, 20), activation="sigmoid", init=init)
        ae = _digits(dense, lr=3e-3, max_epochs=10, early_stopping=False)
        return ae.fit(DIGITS).score(DIGITS)

    assert score("random") < 0.05
    assert score("glorot") > 0.3


def test_variational_networks_take_normalisation_pooling_and_glorot_initialization():
    for encoder in (
        Dense((9,), batch_norm=True, init="glorot"),
        Conv(4, batch_norm=True, pooling="average"),
    ):
        vae = VariationalAutoencoder(encoder=encoder, **SMALL)
        assert vae.fit(DIGITS.reshape(-1, 8, 8)).transform(DIGITS).shape == (300, 4)


# Encoders and decoders ----------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind"), [("dense", Dense), ("conv", Conv)])
def test_names_stand_for_architectures(name, kind):
    assert type(resolve_network(name, "encoder")) is kind
    assert {"dense", "conv"} < set(ARCHITECTURES)


@pytest.mark.parametrize("slot", [Dense((3,)), Conv((3,)), nn.Linear(4, 2), nn.Linear])
def test_other_values_than_names_are_returned_unchanged(slot):
    assert resolve_network(slot, "encoder") is slot


def test_unknown_names_are_refused():
    match = (
        "decoder='cnn' is not a shipped architecture. Choose one of 'dense', 'conv', "
        "'recurrent', or pass a builder (n_in, n_out) -> torch.nn.Module."
    )
    with pytest.raises(ValueError, match=re.escape(match)):
        resolve_network("cnn", "decoder")


@pytest.mark.parametrize("slot", [3, (4, 4), {"a": 1}])
def test_objects_that_build_no_network_are_refused(slot):
    match = f"encoder={slot!r} is neither a name, a shipped architecture, a torch.nn"
    with pytest.raises(TypeError, match=re.escape(match)):
        resolve_network(slot, "encoder")


def test_builders_get_widths():
    asked = []

    def build(n_in, n_out):
        asked.append((n_in, n_out))
        return nn.Linear(n_in, n_out)

    build_encoder(build, FLAT, 3)
    build_decoder(build, 3, FLAT)
    assert asked == [(12, 3), (3, 12)]


def test_a_module_class_is_a_builder():
    encoder = build_encoder(nn.Linear, FLAT, 3)
    assert encoder(torch.zeros(2, 12)).shape == (2, 3)


def test_builders_that_build_no_module_are_refused():
    match = "encoder=.* returned list, but a torch.nn.Module is expected"
    with pytest.raises(TypeError, match=match):
        build_encoder(lambda n_in, n_out: [n_in, n_out], FLAT, 3)


def test_instances_are_copied_with_their_weights_and_never_trained_in_place():
    given = nn.Linear(12, 3)
    before = given.weight.detach().clone()
    copy = build_encoder(given, FLAT, 3)
    assert copy is not given
    assert torch.equal(copy.weight, before)
    with torch.no_grad():
        copy.weight.add_(1.0)
    assert torch.equal(given.weight, before)


class _Looks(nn.Module):
    """Keep the shape of the input in ``seen``."""

    def forward(self, x):
        self.seen = tuple(x.shape)
        return x.flatten(1)[:, :3]


@pytest.mark.parametrize(
    ("layout", "seen"),
    [
        (FLAT, (2, 12)),
        (IMAGE, (2, 1, 3, 4)),
        (COLOURED, (2, 2, 3, 4)),
        (_signal(2, 6), (2, 2, 6)),
    ],
)
def test_custom_encoders_get_images_with_channels_first(layout, seen):
    encoder = build_encoder(_Looks(), layout, 3)
    encoder(torch.zeros(2, layout.n_features))
    (custom,) = _layers(encoder, _Looks)
    assert custom.seen == seen


@pytest.mark.parametrize("gives", ["image", "rows"])
def test_custom_decoders_may_return_images_or_rows(gives):
    class Draw(nn.Module):
        def forward(self, code):
            image = torch.arange(24.0).reshape(1, 2, 3, 4).expand(len(code), -1, 3, 4)
            # Rows are in the user's order: channels last.
            return image if gives == "image" else image.movedim(1, -1).flatten(1)

    decoder = build_decoder(Draw(), 3, COLOURED)
    rows = decoder(torch.zeros(2, 3))
    expected = torch.arange(24.0).reshape(2, 3, 4).movedim(0, -1).flatten()
    assert rows.shape == (2, 24)
    assert torch.equal(rows[0], expected)


# Widths -------------------------------------------------------------------------------


def test_width_of_an_encoder_is_checked():
    x = torch.zeros(2, 12)
    match = "The encoder gives 5 values for a row, but 3 are expected: n_components"
    with pytest.raises(ValueError, match=match):
        check_width(nn.Linear(12, 5), x, 3, "encoder")


def test_width_of_a_decoder_is_checked():
    code = torch.zeros(2, 3)
    match = "The decoder gives 9 values for a row, but 12 are expected: the number of"
    with pytest.raises(ValueError, match=match):
        check_width(nn.Linear(3, 9), code, 12, "decoder")


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Unflatten(1, (3, 1)), r"\(2, 3, 1\)"),
        (nn.Flatten(0), r"\(6,\)"),
    ],
)
def test_output_that_is_no_row_of_values_is_refused(module, shape):
    # As many values as expected, but not as (n, 3).
    match = f"The encoder gives shape {shape} for 2 rows, but a tensor of shape"
    with pytest.raises(ValueError, match=match):
        check_width(module, torch.zeros(2, 3), 3, "encoder")


def test_output_that_is_no_tensor_is_refused():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    match = r"gives tuple for 2 rows, but a tensor of shape \(2, 3\) is expected"
    with pytest.raises(ValueError, match=match):
        check_width(Pair(), torch.zeros(2, 3), 3, "encoder")


@pytest.mark.parametrize("training", [True, False])
def test_checking_the_width_changes_nothing(training):
    module = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)).train(training)
    with torch.no_grad():
        before = [buffer.clone() for buffer in module.buffers()]
    out = check_width(module, torch.ones(2, 3), 3, "encoder")
    assert module.training is training
    assert not out.requires_grad
    for old, new in zip(before, module.buffers(), strict=True):
        assert torch.equal(old, new)


@pytest.mark.parametrize(
    ("layout", "seen"),
    [
        (Layout((12,), None), r"rows of shape \(12,\)"),
        (_image(3, 2, 2), r"images of shape .channels, .*\) = \(3, 2, 2\)"),
        (_image(3, 2, 2, True), r"images of shape .channels, .*\) = \(3, 2, 2\)"),
        (_signal(2, 6), r"signals of shape \(channels, length\) = \(2, 6\)"),
    ],
)
def test_the_error_of_an_encoder_names_the_shape_of_its_rows(layout, seen):
    encoder = build_encoder(nn.Linear(9, 3), layout, 3).eval()
    match = f"(?s)The encoder cannot take {seen}: mat1 and mat2 .*a builder"
    with pytest.raises(ValueError, match=match) as caught:
        check_width(encoder, torch.zeros(2, 12), 3, "encoder")
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert not encoder.training


def test_the_error_of_a_decoder_names_the_shape_of_its_codes():
    decoder = build_decoder(nn.Linear(9, 12), 3, _image(3, 2, 2))
    match = r"The decoder cannot take codes of shape \(3,\): mat1 .* n_components"
    with pytest.raises(ValueError, match=match):
        check_width(decoder, torch.zeros(2, 3), 12, "decoder")
    assert decoder.training


@pytest.mark.parametrize("kind", [Dense, Conv])
def test_classes_of_architectures_stand_for_their_defaults(kind):
    assert type(resolve_network(kind, "encoder")) is kind


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        (Dense(0), "hidden_layer_sizes"),
        (Dense(2.5), "hidden_layer_sizes"),
        (Dense("ab"), "hidden_layer_sizes"),
        (Dense(activation="swish"), "activation"),
        (Dense(init="zeros"), "init"),
        (Dense(batch_norm="yes"), "batch_norm"),
        (Dense(tied=None), "tied"),
        (Conv(batch_norm=2), "batch_norm"),
        (Conv(pooling="min"), "pooling"),
        (Conv(0), "channels"),
        (Conv(4.5), "channels"),
        (Conv(image_shape=64), "image_shape"),
        (Conv(kernel_size=3.0), "kernel_size"),
        (Conv(kernel_size=0), "kernel_size"),
        (Conv(activation="swish"), "activation"),
    ],
)
def test_parameters_of_architectures_are_constrained(architecture, name):
    kind = type(architecture).__name__
    with pytest.raises(InvalidParameterError, match=f"'{name}' parameter of {kind}"):
        architecture._validate_params()


@pytest.mark.parametrize(
    "architecture",
    [Dense(64), Dense(()), Dense([8, 4]), Conv(16), Conv([4, 8], (1, 8, 8))],
)
def test_right_parameters_of_architectures_pass(architecture):
    architecture._validate_params()
    assert set(architecture._parameter_constraints) == set(architecture.get_params())


def test_one_number_is_one_layer():
    assert Dense(64).widths(9) == (64,)
    network = Conv(5).encoder(IMAGE, 3)
    assert [layer.out_channels for layer in _layers(network, nn.Conv2d)] == [5]


class WithDropout(Dense):
    """An architecture of the user's, which draws from the global generator."""

    def encoder(self, layout, n_out):
        return nn.Sequential(nn.Dropout(0.5), super().encoder(layout, n_out))


def test_a_users_architecture_may_draw_from_the_global_generator():
    X = np.random.default_rng(0).standard_normal((40, 6))
    ae = AutoencoderTransformer(
        2, encoder=WithDropout((8,)), max_epochs=2, random_state=0
    )
    torch.manual_seed(0)
    before = torch.get_rng_state()
    codes = ae.fit(X).transform(X)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    np.testing.assert_array_equal(ae.fit(X).transform(X), codes)


@pytest.mark.parametrize("activation", ["sigmoid", "hardsigmoid"])
@pytest.mark.parametrize("sizes", [None, (128, 128, 128)])
def test_the_default_network_learns_with_saturating_activations(activation, sizes):
    X = load_digits().data / 16
    vae = VariationalAutoencoder(
        16,
        hidden_layer_sizes=sizes,
        activation=activation,
        max_epochs=10,
        random_state=0,
    )
    assert vae.fit(X).score(X) > 0.75


def test_the_default_decoder_of_the_variational_class_has_one_layer_more():
    def widths(network):
        layers = [x for x in network.modules() if isinstance(x, nn.Linear)]
        return [x.out_features for x in layers[:-1]]

    class Small(VariationalAutoencoder):
        _dense = Dense((5,), init="random")

    X = np.random.RandomState(0).normal(size=(40, 6))
    for ae, encoder, decoder in (
        (VariationalAutoencoder(2), [256, 128], [128, 128, 256]),
        (VariationalAutoencoder(2, activation="tanh"), [256, 128], [128, 128, 256]),
        (VariationalAutoencoder(2, encoder="dense"), [256, 128], [128, 128, 256]),
        (VariationalAutoencoder(2, hidden_layer_sizes=(7, 3)), [7, 3], [3, 7]),
        (VariationalAutoencoder(2, encoder=Dense((7,), init="random")), [7], [7]),
        (VariationalAutoencoder(2, decoder=Dense((7,), init="random")), None, [7]),
        (Small(2), [5], [5]),
    ):
        ae.set_params(max_epochs=1).fit(X)
        assert widths(ae.decoder_) == decoder
        assert encoder is None or widths(ae.encoder_) == encoder

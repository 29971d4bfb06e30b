"""The layout of one sample: what is inferred and what is refused."""

import re
import warnings

import numpy as np
import pytest

from skae import LayoutWarning
from skae._data.layout import LAYOUTS, Layout, infer_layout


@pytest.mark.parametrize("width", [1, 2, 64, 65])
def test_rows_stay_flat_where_no_image_is_needed(width):
    layout = infer_layout((width,))
    assert layout == Layout((width,), None, False)
    assert layout.input_shape == (width,)


@pytest.mark.parametrize(
    ("width", "shape", "kind"),
    [
        (1, (1, 1), "a signal of length 1"),
        (2, (1, 2), "a signal of length 2"),
        (4, (1, 2, 2), "a grey 2x2 image"),
        (64, (1, 8, 8), "a grey 8x8 image"),
        (65, (1, 65), "a signal of length 65"),
        (3072, (1, 3072), "a signal of length 3072"),
    ],
)
def test_a_convolution_infers_the_image_of_a_row_and_warns(width, shape, kind):
    match = f"A row of {width} features is taken for {kind}. Set image_shape="
    with pytest.warns(LayoutWarning, match=re.escape(match)) as record:
        layout = infer_layout((width,), needs_image=True)
    assert layout == Layout((width,), shape, False)
    assert len(record) == 1


@pytest.mark.parametrize(
    ("sample_shape", "layout", "image_shape", "channels_last"),
    [
        ((8, 6), None, (1, 8, 6), False),
        ((6, 8), "channels_first", (6, 8), False),
        ((8, 6), "channels_last", (6, 8), True),
        ((3, 50), "signal", (3, 50), False),
        ((1, 8, 6), None, (1, 8, 6), False),
        ((4, 8, 6), None, (4, 8, 6), False),
        ((8, 6, 1), None, (1, 8, 6), True),
        ((8, 6, 3), None, (3, 8, 6), True),
        ((8, 6, 4), None, (4, 8, 6), True),
        ((3, 8, 3), "channels_first", (3, 8, 3), False),
        ((3, 8, 3), "channels_last", (3, 3, 8), True),
        ((8, 6, 9), "channels_last", (9, 8, 6), True),
        ((9, 8, 6), "channels_first", (9, 8, 6), False),
        ((12,), "signal", (1, 12), False),
    ],
)
@pytest.mark.parametrize("needs_image", [False, True])
def test_axes_of_x_are_read(
    sample_shape, layout, image_shape, channels_last, needs_image
):
    found = infer_layout(sample_shape, layout=layout, needs_image=needs_image)
    assert found == Layout(sample_shape, image_shape, channels_last)
    assert found.n_features == np.prod(sample_shape)


@pytest.mark.parametrize(
    ("width", "layout", "given", "image_shape"),
    [
        (48, None, (8, 6), (1, 8, 6)),
        (48, None, (3, 4, 4), (3, 4, 4)),
        (48, "channels_first", (3, 4, 4), (3, 4, 4)),
        (48, "channels_last", (4, 4, 3), (3, 4, 4)),
        (48, "channels_last", (8, 6), (1, 8, 6)),
        (48, "signal", (48,), (1, 48)),
        (48, "signal", (3, 16), (3, 16)),
        (48, None, [8, 6], (1, 8, 6)),
        (48, None, np.array([8, 6]), (1, 8, 6)),
    ],
)
def test_the_shape_of_a_row_is_taken_as_given(width, layout, given, image_shape):
    found = infer_layout((width,), layout=layout, image_shape=given, needs_image=True)
    assert found.image_shape == image_shape
    assert found.sample_shape == (width,)
    assert found.channels_last == (layout == "channels_last")
    assert all(type(size) is int for size in found.image_shape)


def test_a_shape_that_agrees_with_x_is_redundant():
    with_shape = infer_layout((8, 6), image_shape=(8, 6))
    assert with_shape == infer_layout((8, 6))


def test_no_warning_where_nothing_is_inferred():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        infer_layout((64,), image_shape=(8, 8), needs_image=True)
        infer_layout((64,), layout="signal", needs_image=True)
        infer_layout((8, 8), needs_image=True)
        infer_layout((64,))


@pytest.mark.parametrize("sample_shape", [(30,), (6, 5), (6, 5, 1), (1, 6, 5)])
def test_restored_rows_have_the_shape_that_fit_saw(sample_shape):
    X = np.arange(4 * 30).reshape(4, *sample_shape)
    layout = infer_layout(sample_shape)
    np.testing.assert_array_equal(layout.unflatten(X.reshape(4, -1)), X)


# Refusals ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample_shape", "which"), [((3, 8, 3), "Both"), ((8, 6, 9), "Neither")]
)
def test_channels_on_both_or_neither_axis_are_refused(sample_shape, which):
    first, last = sample_shape[0], sample_shape[-1]
    match = (
        f"{which} of axes 1 and -1 of X, of lengths {first} and {last}, could hold 1 "
        "to 4 channels. Set layout='channels_first' or layout='channels_last'."
    )
    with pytest.raises(ValueError, match=re.escape(match)):
        infer_layout(sample_shape)


@pytest.mark.parametrize(
    ("given", "layout", "n_given", "names"),
    [
        ((1, 8, 8), None, 64, "(channels, height, width)"),
        ((8, 8), None, 64, "(channels, height, width)"),
        ((7, 8), "channels_last", 56, "(channels, height, width)"),
        ((64,), "signal", 64, "(channels, length)"),
        ((2, 32), "signal", 64, "(channels, length)"),
    ],
)
def test_a_shape_of_another_size_is_refused(given, layout, n_given, names):
    match = (
        f"image_shape={given!r} describes {n_given} features, but X has 60. Pass the "
        f"{names} of one row of X."
    )
    with pytest.raises(ValueError, match=re.escape(match)):
        infer_layout((60,), layout=layout, image_shape=given)


@pytest.mark.parametrize(
    ("given", "layout", "wanted"),
    [
        ((64,), None, "(height, width) or (channels, height, width)"),
        ((), None, "(height, width) or (channels, height, width)"),
        ((1, 1, 8, 8), None, "(height, width) or (channels, height, width)"),
        ((64,), "channels_first", "(height, width) or (channels, height, width)"),
        ((1, 8, 8), "signal", "(length,) or (channels, length)"),
    ],
)
def test_a_shape_of_the_wrong_length_is_refused(given, layout, wanted):
    match = (
        f"image_shape={given!r} has {len(given)} entries. Pass {wanted} of one row of "
        "X, or set `layout`."
    )
    with pytest.raises(ValueError, match=re.escape(match)):
        infer_layout((64,), layout=layout, image_shape=given)


@pytest.mark.parametrize("given", [(-8, -8), (-1, -8, 8), (0.5, 128), (8.0, 8.5)])
def test_a_shape_holds_whole_numbers_of_at_least_one(given):
    with pytest.raises(ValueError, match=re.escape(f"image_shape={given!r} must hold")):
        infer_layout((64,), image_shape=given)


@pytest.mark.parametrize("given", [(6, 8), (1, 6, 8), (2, 4, 6)])
def test_a_shape_that_contradicts_x_is_refused(given):
    match = (
        f"image_shape={given!r} does not describe the samples of X, of shape (8, 6). "
        "Leave it out: X has its own axes."
    )
    with pytest.raises(ValueError, match=re.escape(match)):
        infer_layout((8, 6), image_shape=given)


@pytest.mark.parametrize(
    ("sample_shape", "layout", "match"),
    [
        (
            (2, 3, 4, 5),
            None,
            "X has 5 axes, of shape (n_samples, 2, 3, 4, 5), but 2 to 4 axes are",
        ),
        (
            (2, 3, 4),
            "signal",
            "X has 4 axes, of shape (n_samples, 2, 3, 4), but (n_samples, channels, "
            "length) are",
        ),
    ],
)
def test_too_many_axes_are_refused(sample_shape, layout, match):
    with pytest.raises(ValueError, match=re.escape(match)):
        infer_layout(sample_shape, layout=layout)


def test_layouts_are_the_ones_documented():
    assert set(LAYOUTS) == {"channels_first", "channels_last", "signal"}

"""The estimators in pipelines, searches, callbacks and stacks."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from conftest import ESTIMATORS
from helpers import weights_equal
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.fixes import parse_version
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    Freezer,
    GradientNormClipping,
    LRScheduler,
    ParamMapper,
    PrintLog,
    ProgressBar,
    TrainEndCheckpoint,
)
from torch import nn

import skae
from skae import (
    AutoencoderTransformer,
    ContractiveAutoencoder,
    Conv,
    ConvAutoencoder,
    DenoisingAutoencoder,
    SparseAutoencoder,
    VariationalAutoencoder,
)
from skae._networks.autoencoder import without_link

IMAGES, Y = load_digits(return_X_y=True)
IMAGES = (IMAGES[:60] / 16).astype(np.float32).reshape(60, 8, 8)
ROWS, Y = IMAGES.reshape(60, 64), Y[:60]
COLUMNS = [f"pixel{i}" for i in range(64)]
SMALL = {"n_components": 3, "max_epochs": 2, "random_state": 0}

every_class = pytest.mark.parametrize("Estimator", ESTIMATORS)


def small(Estimator, **params):
    """Return a small estimator; a convolutional one with the shape of the rows."""
    if Estimator is ConvAutoencoder:
        params.setdefault("image_shape", (8, 8))
    return Estimator(**{**SMALL, **params})


# Pipelines ----------------------------------------------------------------------------


@every_class
def test_pipeline_transforms_and_inverts(Estimator):
    pipe = make_pipeline(MinMaxScaler(), small(Estimator))
    codes = pipe.fit_transform(ROWS)
    assert codes.shape == (60, 3)
    assert pipe.inverse_transform(codes).shape == ROWS.shape
    scaled = MinMaxScaler().fit_transform(ROWS)
    alone = small(Estimator).fit(scaled)
    assert_array_equal(alone.transform(scaled), codes)
    assert pipe.score(ROWS) == alone.score(scaled)
    assert pipe[1:].transform(scaled).shape == (60, 3)


@every_class
def test_pipeline_ends_in_a_classifier(Estimator):
    pipe = make_pipeline(StandardScaler(), small(Estimator), KNeighborsClassifier())
    assert pipe.fit(ROWS, Y).predict(ROWS).shape == (60,)
    assert 0 <= pipe.score(ROWS, Y) <= 1


@every_class
def test_pipeline_takes_images(Estimator):
    pipe = Pipeline([("ae", Estimator(**SMALL)), ("clf", Ridge())])
    assert pipe.fit(IMAGES, Y).predict(IMAGES).shape == (60,)


@every_class
def test_pipeline_with_memory_caches_the_fit(Estimator, tmp_path):
    pipe = make_pipeline(small(Estimator), Ridge(), memory=str(tmp_path))
    first = pipe.fit(ROWS, Y)[0]
    again = clone(pipe).fit(ROWS, Y)[0]
    codes = again.transform(ROWS)
    assert_array_equal(codes, first.transform(ROWS))
    assert_array_equal(codes, small(Estimator).fit(ROWS).transform(ROWS))
    assert clone(pipe).fit(ROWS, Y)[0].n_iter_ == 2


@every_class
def test_feature_union_and_column_transformer_join_codes(Estimator):
    union = FeatureUnion([("scaled", StandardScaler()), ("ae", small(Estimator))])
    codes = union.fit_transform(ROWS)
    assert codes.shape == (60, 67)
    alone = small(Estimator).fit(ROWS)
    assert_array_equal(codes[:, 64:], alone.transform(ROWS).astype(codes.dtype))
    name = Estimator.__name__.lower()
    assert union.get_feature_names_out()[64:].tolist() == [
        f"ae__{name}{i}" for i in range(3)
    ]
    frame = pd.DataFrame(ROWS, columns=COLUMNS).assign(label=Y)
    columns = ColumnTransformer(
        [("ae", small(Estimator), COLUMNS)], remainder="passthrough"
    )
    out = columns.set_output(transform="pandas").fit_transform(frame)
    assert out.columns.tolist() == [
        *(f"ae__{name}{i}" for i in range(3)),
        "remainder__label",
    ]
    assert_array_equal(out.iloc[:, :3], alone.transform(ROWS))


@pytest.mark.slow
def test_feature_union_in_two_processes_is_equal():
    union = FeatureUnion([(cls.__name__, small(cls)) for cls in ESTIMATORS])
    codes = clone(union).fit_transform(ROWS)
    assert codes.shape == (60, 3 * len(ESTIMATORS))
    assert_array_equal(clone(union).set_params(n_jobs=2).fit_transform(ROWS), codes)


@pytest.mark.parametrize("library", ["pandas", "polars"])
@every_class
def test_set_output_gives_frames_of_codes_only(Estimator, library):
    make = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library]
    frame = make({name: ROWS[:, i] for i, name in enumerate(COLUMNS)})
    ae = small(Estimator).set_output(transform=library)
    codes = ae.fit_transform(frame)
    assert isinstance(codes, make)
    assert list(codes.columns) == ae.get_feature_names_out().tolist()
    plain = small(Estimator).fit(ROWS)
    assert_array_equal(np.asarray(codes), plain.transform(ROWS))
    # Decoded samples are arrays as before; only codes may be frames.
    for out in (ae.inverse_transform(codes), ae.reconstruct(frame)):
        assert type(out) is np.ndarray
        assert_array_equal(out, plain.reconstruct(ROWS))
    assert ae.score(frame) == plain.score(ROWS)
    with sklearn.config_context(transform_output=library):
        assert isinstance(plain.transform(ROWS), make)
        assert isinstance(small(Estimator).fit(IMAGES).transform(IMAGES), make)
        assert type(plain.blend(ROWS, ROWS)) is np.ndarray
        assert type(plain.interpolate(ROWS[0], ROWS[1])) is np.ndarray


# Searches -----------------------------------------------------------------------------


@pytest.mark.slow
def test_grid_search_in_two_processes_reaches_everything_nested():
    penalties = [("l1", skae.L1Sparsity(0.1)), ("far", skae.Contraction(0.1))]
    searches = [
        (AutoencoderTransformer, {"sparsity": [0.0, 0.1]}, {}),
        (
            ContractiveAutoencoder,
            {"penalty__weight": [0.01, 0.1], "contraction": [0.1]},
            {"penalty": skae.L1Sparsity()},
        ),
        (
            AutoencoderTransformer,
            {"penalty__l1__weight": [0.01, 0.5], "penalty__far__normalize": [False]},
            {"penalty": penalties},
        ),
        (
            VariationalAutoencoder,
            {"encoder__channels": [(4,), (4, 8)]},
            {"encoder": Conv(image_shape=(8, 8))},
        ),
        (AutoencoderTransformer, {"optimizer__weight_decay": [0.0, 0.1]}, {}),
        (
            SparseAutoencoder,
            {"callbacks__es__patience": [1, 3]},
            {"callbacks": [("es", EarlyStopping(monitor="train_loss"))]},
        ),
        (
            DenoisingAutoencoder,
            {"noise__level": [0.1, 0.2]},
            {"noise": skae.SwapNoise()},
        ),
        (
            AutoencoderTransformer,
            {"corruption__level": [0.1, 0.2]},
            {"corruption": skae.MaskingNoise()},
        ),
    ]
    for Estimator, grid, params in searches:
        ae = small(Estimator, **params)
        search = GridSearchCV(ae, grid, cv=2, n_jobs=2, error_score="raise").fit(ROWS)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        best = search.best_estimator_
        for name, value in search.best_params_.items():
            assert best.get_params()[name] == value
        # Searched values take effect: the same fit by hand gives the same codes.
        by_hand = clone(ae).set_params(**search.best_params_).fit(ROWS)
        assert_array_equal(search.transform(ROWS), by_hand.transform(ROWS))
        assert (
            ae.get_params().items()
            >= {k: v for k, v in ae.get_params(deep=False).items() if k in grid}.items()
        )


def test_searched_settings_reach_the_net():
    ae = AutoencoderTransformer(
        **SMALL, lr=1e-3, callbacks=[("es", EarlyStopping(monitor="train_loss"))]
    )
    ae.set_params(
        optimizer__weight_decay=0.25, callbacks__es__patience=9, optimizer__eps=1e-6
    ).fit(ROWS)
    (group,) = ae.net_.optimizer_.param_groups
    assert (group["weight_decay"], group["eps"]) == (0.25, 1e-6)
    assert dict(ae.net_.callbacks_)["es"].patience == 9
    params = clone(ae).get_params()
    assert params["optimizer__weight_decay"] == 0.25
    assert params["callbacks__es__patience"] == 9
    penalty = [("a", skae.L1Sparsity(0.1)), ("b", skae.L1Sparsity(0.1))]
    ae = AutoencoderTransformer(**SMALL, penalty=penalty)
    (epoch, _) = ae.set_params(penalty__b__weight=0.5).fit(ROWS).history_
    assert_allclose(epoch["train_b"], 5 * epoch["train_a"], rtol=1e-5)


@every_class
def test_a_search_reaches_into_a_pipeline(Estimator):
    params = {"penalty": skae.L1Sparsity(0.1)}
    pipe = Pipeline(
        [
            ("scale", StandardScaler()),
            ("ae", small(Estimator, **params)),
            ("clf", Ridge()),
        ]
    )
    grid = {
        "ae__penalty__weight": [0.1, 1.0],
        "ae__optimizer__weight_decay": [0.0, 0.1],
    }
    if Estimator is not VariationalAutoencoder:  # its code is random: no Σ|z|
        grid["ae__sparsity"] = [0.2]
    search = GridSearchCV(pipe, grid, cv=2, error_score="raise").fit(ROWS, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.cv_results_["params"]) == 4


@every_class
def test_a_search_needs_no_y_and_takes_images(Estimator):
    search = GridSearchCV(
        Estimator(**SMALL), {"n_components": [1, 4]}, cv=2, error_score="raise"
    ).fit(IMAGES)
    assert search.best_params_ == {"n_components": 4}  # R², larger is better
    assert search.transform(IMAGES).shape == (60, 4)
    assert search.inverse_transform(np.zeros((2, 4))).shape == (2, 8, 8)
    assert type(search.score(IMAGES)) is float


@every_class
def test_halving_search_spends_rows_or_epochs(Estimator):
    ae = small(Estimator)
    search = HalvingGridSearchCV(
        ae,
        {"lr": [1e-3, 1e-2]},
        resource="max_epochs",
        min_resources=1,
        max_resources=2,
        factor=2,
        cv=KFold(2),
        error_score="raise",
    ).fit(ROWS)
    assert search.best_estimator_.max_epochs == 2
    rows = HalvingGridSearchCV(
        ae, {"lr": [1e-3, 1e-2]}, min_resources=20, cv=KFold(2), error_score="raise"
    ).fit(IMAGES if Estimator is not ConvAutoencoder else ROWS)
    assert rows.best_estimator_.n_iter_ == 2


@pytest.mark.slow
def test_halving_search_in_two_processes():
    search = HalvingGridSearchCV(
        small(AutoencoderTransformer, penalty=skae.L1Sparsity()),
        {"penalty__weight": [0.01, 0.1, 1.0]},
        resource="max_epochs",
        max_resources=3,
        cv=KFold(2),
        n_jobs=2,
    ).fit(IMAGES)
    assert search.transform(IMAGES).shape == (60, 3)


def test_a_randomized_search_searches_architectures():
    search = RandomizedSearchCV(
        DenoisingAutoencoder(**SMALL),
        {
            "encoder": [skae.Dense((8,)), Conv((4,)), None],
            "noise": ["gaussian", "masking", skae.SwapNoise(0.1)],
        },
        n_iter=4,
        cv=2,
        random_state=0,
        error_score="raise",
    )
    assert np.isfinite(search.fit(IMAGES).best_score_)


@every_class
def test_cross_validation_scores_are_r2(Estimator):
    ae = small(Estimator)
    scores = cross_val_score(ae, ROWS, cv=KFold(3))
    by_hand = [
        clone(ae).fit(ROWS[train]).score(ROWS[test])
        for train, test in KFold(3).split(ROWS)
    ]
    assert_array_equal(scores, by_hand)
    both = cross_validate(ae, IMAGES, cv=2, return_train_score=True, n_jobs=1)
    assert both["train_score"].shape == both["test_score"].shape == (2,)


# Metadata routing ---------------------------------------------------------------------


@every_class
def test_metadata_routing_changes_nothing(Estimator):
    alone = small(Estimator, early_stopping=True).fit(ROWS)
    with sklearn.config_context(enable_metadata_routing=True):
        ae = small(Estimator, early_stopping=True).fit(ROWS)
        assert_array_equal(ae.transform(ROWS), alone.transform(ROWS))
        assert ae.partial_fit(ROWS).n_iter_ == 3
        pipe = make_pipeline(StandardScaler(), small(Estimator), Ridge())
        pipe.fit(ROWS, Y).predict(ROWS)
        search = GridSearchCV(small(Estimator), {"lr": [1e-3]}, cv=2).fit(ROWS)
        assert search.transform(ROWS).shape == (60, 3)
        assert isinstance(ae.get_metadata_routing(), object)


# Callbacks of scikit-learn ------------------------------------------------------------

has_callbacks = pytest.mark.skipif(
    parse_version(sklearn.__version__) < parse_version("1.9"),
    reason="scikit-learn has callbacks from 1.9",
)


class Recorder:
    """A callback of scikit-learn that records its calls."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.calls = []

    def setup(self, estimator, context):
        self.calls.append(("setup", context.task_name))

    def on_fit_task_begin(self, estimator, context, **kwargs):
        self.calls.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.calls.append(("end", context.task_name))
        ends = self.calls.count(("end", "epoch"))
        return self.stop_after is not None and ends >= self.stop_after

    def teardown(self, estimator, context):
        self.calls.append(("teardown", context.task_name))


@has_callbacks
@every_class
def test_a_callback_is_called_in_every_epoch(Estimator):
    recorder = Recorder()
    ae = small(Estimator).set_callbacks(recorder)
    ae.fit(ROWS)
    assert recorder.calls == [
        ("setup", "fit"),
        ("begin", "fit"),
        ("begin", "epoch"),
        ("end", "epoch"),
        ("begin", "epoch"),
        ("end", "epoch"),
        ("end", "fit"),
        ("teardown", "fit"),
    ]
    # It is not called after it is removed.
    recorder.calls.clear()
    ae.set_callbacks().fit(ROWS)
    assert recorder.calls == []


@has_callbacks
@every_class
def test_a_callback_may_stop_training(Estimator):
    recorder = Recorder(stop_after=2)
    ae = small(Estimator, max_epochs=9).set_callbacks(recorder).fit(ROWS)
    assert ae.n_iter_ == 2
    assert recorder.calls[-1] == ("teardown", "fit")


@has_callbacks
def test_callbacks_are_torn_down_when_a_fit_fails():
    recorder = Recorder()
    ae = AutoencoderTransformer(**SMALL, loss=nn.MSELoss()).set_callbacks(recorder)
    with pytest.raises(ValueError, match="reduction='none'"):
        ae.fit(ROWS)
    assert recorder.calls[-1] == ("teardown", "fit")
    assert not hasattr(ae, "net_")
    assert not any("ctx" in name for name in vars(ae))


@has_callbacks
@every_class
def test_scoring_monitor_scores_each_epoch(Estimator):
    from sklearn.callback import ScoringMonitor

    def r2(estimator, X, y):
        return estimator.score(X)

    monitor = ScoringMonitor(scoring={"r2": r2})
    ae = small(Estimator, max_epochs=3, early_stopping=False)
    ae.set_callbacks(monitor).fit(ROWS)
    log = monitor.get_logs().data_as_pandas
    of_epochs = log[log["task_name"] == "epoch"]["r2"]
    assert len(of_epochs) == 3
    # The coordinates of the code are set after it, which costs a rounding.
    assert_allclose(of_epochs.iloc[-1], ae.score(ROWS), rtol=1e-5)


def _shown(capsys):
    return " ".join(capsys.readouterr().out.split())


@has_callbacks
@every_class
def test_progress_bar_alone_in_a_pipeline_and_in_a_search(Estimator, capsys):
    from sklearn.callback import ProgressBar as Bar

    alone = small(Estimator).set_callbacks(Bar()).fit(ROWS)
    assert alone.n_iter_ == 2
    assert f"{Estimator.__name__} - fit" in _shown(capsys)
    pipe = make_pipeline(StandardScaler(), small(Estimator)).set_callbacks(Bar())
    pipe.fit(ROWS)
    assert f"{Estimator.__name__} - fit" in _shown(capsys)
    search = GridSearchCV(small(Estimator), {"lr": [1e-3, 1e-2]}, cv=2)
    search.set_callbacks(Bar()).fit(ROWS)
    assert f"{Estimator.__name__} - fit" in _shown(capsys)


# Callbacks of skorch ------------------------------------------------------------------


class Log(Callback):
    """A callback of skorch that records its calls."""

    def initialize(self):
        self.calls_ = []
        return self

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        self.calls_.append("train begin")

    def on_train_end(self, net, X=None, y=None, **kwargs):
        self.calls_.append("train end")

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.calls_.append("epoch begin")

    def on_epoch_end(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.calls_.append("epoch end")


class LogBatches(Log):
    """One that records the calls for batches, too."""

    def on_batch_begin(self, net, batch=None, training=None, **kwargs):
        self.calls_.append(f"batch begin {training}")

    def on_batch_end(self, net, batch=None, training=None, **kwargs):
        assert set(kwargs) == {"loss", "y_pred"}
        self.calls_.append(f"batch end {training}")

    def on_grad_computed(self, net, named_parameters, **kwargs):
        gradients = [p.grad for _, p in named_parameters if p.grad is not None]
        assert gradients
        self.calls_.append("gradients")


@pytest.mark.parametrize("callback", [Log, LogBatches])
@every_class
def test_callbacks_of_skorch_get_every_call(Estimator, callback):
    ae = small(
        Estimator, validation_fraction=0.5, batch_size=15, callbacks=[callback()]
    ).fit(ROWS)
    epoch = ["epoch begin", "epoch end"]
    if callback is LogBatches:
        train = ["batch begin True", "gradients", "batch end True"]
        valid = ["batch begin False", "batch end False"]
        epoch[1:1] = 2 * train + 2 * valid
    log = dict(ae.net_.callbacks_)[callback.__name__]
    assert log.calls_ == ["train begin", *epoch, *epoch, "train end"]
    # The training is the same without these callbacks.
    plain = small(Estimator, validation_fraction=0.5, batch_size=15).fit(ROWS)
    assert_array_equal(ae.transform(ROWS), plain.transform(ROWS))
    for one, other in zip(ae.history_, plain.history_, strict=True):
        assert one.keys() == other.keys()
        assert_allclose(list(one.values()), list(other.values()), rtol=1e-6)


@pytest.mark.parametrize(
    ("callbacks", "params"),
    [
        ([LRScheduler("StepLR", step_size=1, gamma=0.5)], {}),
        ([("clip", GradientNormClipping(0.1))], {}),
        ([EarlyStopping(monitor="valid_loss", load_best=True)], {}),
        ([Freezer("encoder.*")], {}),
        ([ParamMapper("decoder.*", at=1)], {}),
        ([BatchScoring("train_loss", name="of_batch", on_train=True)], {}),
        ([PrintLog(sink=lambda *args: None)], {"verbose": 1}),
        ([Log(), ("another", LogBatches())], {}),
    ],
    ids=lambda value: type(value[0]).__name__ if isinstance(value, list) else None,
)
@every_class
def test_callbacks_of_skorch_work(Estimator, callbacks, params):
    if isinstance(callbacks[0], BatchScoring):

        def of_batch(net, X, y):
            return 1.0

        callbacks = [BatchScoring(of_batch, name="of_batch", on_train=True)]
    ae = small(
        Estimator,
        callbacks=callbacks,
        validation_fraction=0.3,
        max_epochs=3,
        **params,
    ).fit(ROWS)
    assert ae.n_iter_ == 3
    assert np.isfinite(ae.transform(ROWS)).all()
    assert all("__" not in key for key in ae.history_[0])
    if isinstance(callbacks[0], Freezer):
        start = clone(ae).set_params(lr=1e-12).fit(ROWS)
        assert_allclose(ae.transform(ROWS), start.transform(ROWS), atol=1e-6)
    if isinstance(callbacks[0], BatchScoring):
        assert ae.net_.history[-1, "of_batch"] == 1.0


@every_class
def test_lr_scheduler_of_skorch_sets_the_rate(Estimator):
    rates = []

    class Rates(Callback):
        def on_epoch_end(self, net, **kwargs):
            rates.append(net.optimizer_.param_groups[0]["lr"])

    small(
        Estimator,
        lr=0.01,
        max_epochs=3,
        callbacks=[Rates(), LRScheduler("StepLR", step_size=1, gamma=0.1)],
    ).fit(ROWS)
    assert_allclose(rates, [0.01, 0.001, 0.0001])


@every_class
def test_checkpoint_of_skorch_saves_to_files(Estimator, tmp_path):
    checkpoint = Checkpoint(
        monitor=None, dirname=str(tmp_path), f_criterion=None, f_optimizer=None
    )
    at_end = TrainEndCheckpoint(dirname=str(tmp_path / "end"))
    ae = small(Estimator, early_stopping=False, callbacks=[checkpoint, at_end])
    ae.fit(ROWS)
    assert (tmp_path / "end" / "train_end_params.pt").exists()
    state = torch.load(tmp_path / "params.pt")
    assert weights_equal(ae.net_.module_, state)


@pytest.mark.parametrize("on_train", [True, False])
@pytest.mark.parametrize("use_caching", [True, False])
@every_class
def test_epoch_scoring_of_skorch_scores_epochs(Estimator, use_caching, on_train):
    def length(net, X, y):
        # Without caching skorch passes the target of the data set: there is none.
        return float(len(y if use_caching else X))

    scoring = EpochScoring(
        length, name="valid_length", on_train=on_train, use_caching=use_caching
    )
    ae = small(Estimator, validation_fraction=0.25, callbacks=[scoring]).fit(ROWS)
    rows = 45 if on_train else 15
    assert [epoch["valid_length"] for epoch in ae.history_] == [rows, rows]


@every_class
def test_progress_bar_of_skorch_counts_batches(Estimator, capsys):
    tqdm = pytest.importorskip("tqdm")
    assert tqdm
    ae = small(Estimator, callbacks=[ProgressBar(detect_notebook=False)]).fit(ROWS)
    assert ae.n_iter_ == 2


# Representations ----------------------------------------------------------------------


@every_class
def test_html_and_dir_never_fail(Estimator):
    unfitted = Estimator()
    fitted = small(Estimator, penalty=[("l1", skae.L1Sparsity())]).fit(ROWS)
    pipe = make_pipeline(StandardScaler(), clone(fitted)).fit(ROWS)
    for ae in (unfitted, fitted, pipe):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            html = ae._repr_html_()
            names = dir(ae)
        assert Estimator.__name__ in html
        assert "fit" in names
        assert Estimator.__name__ in repr(ae)
        assert isinstance(ae._repr_mimebundle_(), dict)
    assert "transform" in dir(fitted)
    assert hasattr(fitted, "history_")
    assert repr(Estimator()) == f"{Estimator.__name__}()"


def test_html_shows_strategies_and_modules():
    ae = AutoencoderTransformer(
        **SMALL,
        encoder=nn.Linear(64, 3),
        decoder=lambda n_in, n_out: nn.Linear(n_in, n_out),
        penalty=skae.Contraction(0.1),
        corruption=skae.SwapNoise(0.2),
    ).fit(ROWS)
    assert "SwapNoise" in ae._repr_html_()
    assert isinstance(ae, BaseEstimator)


@pytest.mark.parametrize(
    ("loss", "again"),
    [
        ("squared_error", "squared_error"),
        ("binary_cross_entropy", "binary_cross_entropy"),
        ("binary_cross_entropy", "squared_error"),
    ],
)
@pytest.mark.parametrize(
    "images", [ROWS, IMAGES, IMAGES.reshape(60, 8, 4, 2)], ids=np.shape
)
def test_trained_networks_are_trained_further_by_another_estimator(loss, again, images):
    """The first reconstructions are those of the first estimator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", skae.LayoutWarning)
        first = ConvAutoencoder(4, loss=loss, max_epochs=2, random_state=0)
        first.fit(images)
    second = DenoisingAutoencoder(
        4,
        encoder=first.encoder_,
        decoder=first.decoder_,
        loss=again,
        lr=1e-12,
        max_epochs=1,
    ).fit(images)
    assert_allclose(second.reconstruct(images), first.reconstruct(images), atol=1e-5)
    assert_allclose(second.transform(images), first.transform(images), atol=1e-5)


def test_networks_of_an_estimator_are_not_changed_by_another():
    first = AutoencoderTransformer(4, max_epochs=1, random_state=0).fit(ROWS)
    before = first.reconstruct(ROWS)
    DenoisingAutoencoder(
        4, encoder=first.encoder_, decoder=first.decoder_, max_epochs=2
    ).fit(ROWS)
    assert_array_equal(first.reconstruct(ROWS), before)


@pytest.mark.parametrize("images", [ROWS, IMAGES.reshape(60, 8, 4, 2)], ids=np.shape)
def test_a_stack_of_trained_networks_is_trained_without_the_last_link(images):
    loss = "binary_cross_entropy"
    first = AutoencoderTransformer(6, loss=loss, max_epochs=2, random_state=0)
    codes = first.fit_transform(images)
    second = AutoencoderTransformer(4, max_epochs=2, random_state=0).fit(codes)
    deep = AutoencoderTransformer(
        4,
        encoder=nn.Sequential(first.encoder_, second.encoder_),
        decoder=nn.Sequential(second.decoder_, first.decoder_),
        loss=loss,
        lr=1e-12,
        max_epochs=1,
    ).fit(images)
    stacked = first.inverse_transform(second.reconstruct(codes))
    assert_allclose(deep.reconstruct(images), stacked, atol=1e-5)


def test_a_custom_sequence_of_decoders_is_not_changed():
    decoder = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.ReLU(), nn.Linear(8, 64)))
    assert without_link(decoder, nn.Identity) is decoder


def test_part_of_a_decoder_is_a_decoder():
    ae = AutoencoderTransformer(4, max_epochs=1, random_state=0).fit(ROWS)
    again = AutoencoderTransformer(
        4, encoder=ae.encoder_, decoder=ae.decoder_[:-1], lr=1e-12, max_epochs=1
    ).fit(ROWS)
    assert_allclose(again.reconstruct(ROWS), ae.reconstruct(ROWS), atol=1e-5)

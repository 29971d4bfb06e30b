"""What parameters may hold, and how nested ones are reached."""

import re

import numpy as np
import pytest
import torch
from conftest import ESTIMATORS
from sklearn.base import BaseEstimator, clone
from sklearn.utils._param_validation import InvalidParameterError
from skorch.callbacks import EarlyStopping
from torch import nn

from skae import (
    AutoencoderTransformer,
    Contraction,
    Conv,
    DenoisingAutoencoder,
    Dense,
    GaussianNoise,
    L1Sparsity,
    SwapNoise,
    VariationalAutoencoder,
)
from skae._data.rows import resolve_dtype
from skae._estimators.checks import check_instances
from skae._estimators.parameters import (
    check_nested,
    is_net_param,
    set_nested_penalties,
)
from skae._objective.penalties import check_unique, named_penalties
from skae._training.plan import resolve_device

X = np.random.default_rng(0).standard_normal((30, 6)).astype(np.float32)
FAST = {"max_epochs": 1, "random_state": 0}


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_parameter_has_a_constraint(cls):
    assert set(cls._parameter_constraints) == set(cls().get_params(deep=False))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_shared_parameters_have_one_default_each(cls):
    plain = AutoencoderTransformer().get_params(deep=False)
    variational = "activation optimizer lr max_epochs early_stopping"
    own = {
        "SparseAutoencoder": {"sparsity"},
        "ConvAutoencoder": {"activation"},
        "VariationalAutoencoder": set(variational.split()),
    }
    for name, value in cls().get_params(deep=False).items():
        if name in plain and name not in own.get(cls.__name__, ()):
            assert value == plain[name], name


# Settings of the net ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("optimizer__betas", True),
        ("iterator_train__num_workers", True),
        ("iterator_valid__batch_size", True),
        ("callbacks__stopping__patience", True),
        ("compile__mode", True),
        ("optimizer", False),
        ("optimizer__", False),
        ("encoder__channels", False),
        ("module__x", False),
        ("lr", False),
    ],
)
def test_prefixes_tell_what_belongs_to_the_net(name, expected):
    assert is_net_param(name) is expected


def test_settings_of_the_net_are_parameters():
    ae = AutoencoderTransformer(net_params={"optimizer__betas": (0.8, 0.9)})
    assert ae.get_params()["optimizer__betas"] == (0.8, 0.9)
    assert "optimizer__betas" not in ae.get_params(deep=False)
    ae.set_params(optimizer__eps=1e-6)
    assert ae.net_params == {"optimizer__betas": (0.8, 0.9), "optimizer__eps": 1e-6}
    group = ae.set_params(**FAST).fit(X).net_.optimizer_.param_groups[0]
    assert (group["betas"], group["eps"]) == ((0.8, 0.9), 1e-6)


def test_setting_one_does_not_change_the_dict_of_the_user():
    mine = {"optimizer__betas": (0.8, 0.9)}
    ae = AutoencoderTransformer(net_params=mine).set_params(optimizer__eps=1e-6)
    assert mine == {"optimizer__betas": (0.8, 0.9)}
    assert clone(ae).net_params == ae.net_params


@pytest.mark.parametrize(
    "settings",
    [
        {"train_split": None},
        {"optimizer__betas": (0.8, 0.9), "train_split": None},
        {"callbacks__print_log": None},
    ],
)
def test_what_get_params_gives_set_params_takes(settings):
    ae = AutoencoderTransformer(net_params=settings)
    again = AutoencoderTransformer().set_params(**ae.get_params())
    assert again.net_params == settings
    assert set(vars(again)) == set(vars(ae))  # and no stray attribute


def test_parameters_of_callbacks_can_be_set():
    ae = AutoencoderTransformer(
        callbacks=[("stopping", EarlyStopping(monitor="train_loss"))], **FAST
    )
    ae.set_params(callbacks__stopping__patience=33).fit(X)
    assert dict(ae.net_.callbacks_)["stopping"].patience == 33


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"lr": 0.1}, r"net_params={'lr': ...} and the parameter lr set the same"),
        ({"callbacks": []}, "the parameter callbacks set the same thing"),
        ({"optimiser": 1}, "'optimiser', which skorch lacks. Did you mean 'optimizer'"),
        ({"optimizr__betas": 1}, "'optimizr__betas', which skorch lacks"),
        ({"zzz": 1}, r"net_params holds 'zzz', which skorch lacks\.$"),
        ({"module": nn.Linear}, "'module', which skorch lacks"),
        ({"module__width": 3}, "'module__width', which skorch lacks"),
        ({"criterion": nn.MSELoss}, "'criterion', which skorch lacks"),
        ({"seed": 3}, "'seed', which skorch lacks"),
    ],
)
def test_settings_that_skorch_lacks_or_we_have_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        AutoencoderTransformer(net_params=settings).fit(X)


@pytest.mark.parametrize(
    ("own", "value", "name"),
    [
        ("lr", 0.5, "optimizer__lr"),
        ("weight_decay", 0.5, "optimizer__weight_decay"),
        ("batch_size", 7, "iterator_train__batch_size"),
    ],
)
def test_the_same_thing_said_twice_is_refused(own, value, name):
    ae = AutoencoderTransformer(**{own: value}, net_params={name: value})
    match = f"{own}={value} and {name}={value} set the same thing. Set one of them"
    with pytest.raises(ValueError, match=re.escape(match)):
        ae.fit(X)


def test_the_net_may_say_it_alone():
    ae = AutoencoderTransformer(
        net_params={"optimizer__weight_decay": 0.5}, lr_schedule="constant", **FAST
    )
    group = ae.set_params(optimizer__lr=0.25).fit(X).net_.optimizer_.param_groups[0]
    assert (group["weight_decay"], group["lr"]) == (0.5, 0.25)


# The network said twice ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["hidden_layer_sizes", "activation"])
def test_a_network_said_twice_is_refused(name):
    value = {"hidden_layer_sizes": (4,), "activation": "tanh"}[name]
    ae = AutoencoderTransformer(encoder=Conv(), **{name: value})
    match = rf"{name}={re.escape(repr(value))} and encoder=Conv\(\) cannot be given"
    with pytest.raises(ValueError, match=match):
        ae.fit(X)


# Penalties ----------------------------------------------------------------------------


def test_one_penalty_has_a_name():
    penalty = L1Sparsity()
    assert named_penalties(None) == []
    assert named_penalties(penalty) == [("penalty", penalty)]


def test_named_penalties_are_as_given():
    pairs = [("a", L1Sparsity()), ("b", print)]
    assert named_penalties(pairs) == pairs


@pytest.mark.parametrize(
    "penalty",
    [
        [L1Sparsity()],
        [("a",)],
        [("a", L1Sparsity(), 1)],
        [(L1Sparsity(), "a")],
        [("a", 0.5)],
        ["ab"],
    ],
)
def test_lists_of_something_else_are_refused(penalty):
    match = r"must be a callable or a list of \(name, callable\), but holds"
    with pytest.raises(TypeError, match=match):
        named_penalties(penalty)


@pytest.mark.parametrize(
    "names",
    [
        ["a", "b", "a"],
        ["loss"],
        ["reconstruction"],
        ["batch_size"],
        ["a__b"],
    ],
)
def test_names_that_the_history_could_not_tell_apart_are_refused(names):
    taken = "a" if names[0] == "a" else names[0]
    match = f"A penalty cannot be named '{taken}'.*a name of its own"
    with pytest.raises(ValueError, match=match):
        check_unique(names)


def test_names_that_differ_are_fine():
    check_unique(["a", "b", "sparsity"])


def test_a_penalty_may_not_take_the_name_of_the_class_term():
    ae = VariationalAutoencoder(penalty=[("kl", L1Sparsity())])
    own = [name for name, _ in ae._penalties()]
    ae.set_params(penalty=[(own[0], L1Sparsity())])
    with pytest.raises(ValueError, match=f"A penalty cannot be named '{own[0]}'"):
        ae.fit(X)


def test_parameters_of_named_penalties_are_listed_and_set():
    ae = AutoencoderTransformer(
        penalty=[("few", L1Sparsity(0.1)), ("flat", Contraction(0.2))]
    )
    params = ae.get_params()
    assert params["penalty__few__weight"] == 0.1
    assert params["penalty__flat__n_probes"] == 1
    assert params["penalty__few"] is ae.penalty[0][1]
    ae.set_params(penalty__few__weight=0.7, penalty__flat__jacobian="exact")
    assert ae.penalty[0][1].weight == 0.7
    assert ae.penalty[1][1].jacobian == "exact"
    assert ae.get_params()["penalty__few__weight"] == 0.7


def test_a_named_penalty_can_be_replaced_and_then_set():
    ae = AutoencoderTransformer(penalty=[("one", L1Sparsity(0.1))])
    ae.set_params(penalty__one__weight=0.9, penalty__one=L1Sparsity(0.2))
    assert ae.penalty[0][1].weight == 0.9


def test_a_list_and_its_parameters_can_be_set_at_once():
    ae = AutoencoderTransformer()
    ae.set_params(penalty=[("one", L1Sparsity(0.1))], penalty__one__weight=0.9)
    assert ae.get_params()["penalty__one__weight"] == 0.9


def test_setting_a_clone_leaves_the_original():
    ae = AutoencoderTransformer(penalty=[("one", L1Sparsity(0.1))])
    clone(ae).set_params(penalty__one__weight=0.9)
    assert ae.penalty[0][1].weight == 0.1


@pytest.mark.parametrize("name", ["penalty__two__weight", "penalty__two"])
def test_a_penalty_that_is_not_there_cannot_be_set(name):
    ae = AutoencoderTransformer(penalty=[("one", L1Sparsity(0.1))])
    match = f"Invalid parameter {name!r}: the penalties are 'one'"
    with pytest.raises(ValueError, match=match):
        ae.set_params(**{name: 0.9})


def test_parameters_of_one_penalty_need_no_name():
    ae = AutoencoderTransformer(penalty=L1Sparsity(0.1))
    ae.set_params(penalty__weight=0.9)
    assert ae.penalty.weight == 0.9


def test_functions_have_no_parameters():
    ae = AutoencoderTransformer(penalty=[("mine", print)])
    nested = {name for name in ae.get_params() if name.startswith("penalty")}
    assert nested == {"penalty", "penalty__mine"}


@pytest.mark.parametrize("junk", [[1], [("a",)], ["ab"], [("a", 3)]])
def test_parameters_can_be_listed_whatever_they_hold(junk):
    assert AutoencoderTransformer(penalty=junk).get_params()["penalty"] == junk


def test_parameters_of_an_architecture_can_be_set():
    ae = AutoencoderTransformer(encoder=Dense((4,)))
    ae.set_params(encoder__hidden_layer_sizes=(5, 6))
    assert ae.encoder.hidden_layer_sizes == (5, 6)


# Types and devices --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("float32", np.float64, np.float32),
        ("float64", np.float32, np.float64),
        ("auto", np.float64, np.float64),
        ("auto", np.float32, np.float32),
        ("auto", np.uint8, np.float32),
        ("auto", np.float16, np.float32),
    ],
)
def test_the_type_to_compute_in(dtype, given, expected):
    assert resolve_dtype(dtype, np.zeros(3, dtype=given)) == expected


@pytest.mark.parametrize("available", [True, False])
def test_auto_is_a_gpu_where_there_is_one(monkeypatch, available):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert resolve_device("auto").type == ("cuda" if available else "cpu")


@pytest.mark.parametrize("device", ["cpu", "cuda:1", "mps", torch.device("cpu")])
def test_devices_are_taken_as_named(device):
    assert resolve_device(device) == torch.device(device)


# What the slots hold ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ae", "match"),
    [
        (
            AutoencoderTransformer(penalty=L1Sparsity),
            r"penalty=L1Sparsity is a class: pass an instance, L1Sparsity\(\)",
        ),
        (
            AutoencoderTransformer(penalty=[("few", L1Sparsity)]),
            r"penalty__few=L1Sparsity is a class: pass an instance",
        ),
        (
            AutoencoderTransformer(corruption=GaussianNoise),
            r"corruption=GaussianNoise is a class: .* GaussianNoise\(\)",
        ),
        (
            DenoisingAutoencoder(noise=GaussianNoise),
            r"noise=GaussianNoise is a class: pass an instance, GaussianNoise\(\)",
        ),
        (
            AutoencoderTransformer(loss=nn.MSELoss),
            r"loss=MSELoss is a class: .* MSELoss\(reduction='none'\)",
        ),
    ],
)
def test_classes_are_refused_where_instances_are_meant(ae, match):
    with pytest.raises(TypeError, match=match):
        check_instances(ae)


@pytest.mark.parametrize("name", ["penalty", "corruption"])
def test_what_a_list_of_penalties_holds_is_checked(name):
    junk = [("few", L1Sparsity(-1))] if name == "penalty" else SwapNoise(2)
    with pytest.raises(InvalidParameterError, match=r"' parameter of (L1|Swap)"):
        check_instances(AutoencoderTransformer(**{name: junk}))


@pytest.mark.parametrize(
    "ae",
    [
        AutoencoderTransformer(encoder=Dense(init="zeros")),
        AutoencoderTransformer(decoder=Conv(kernel_size=2.5)),
        DenoisingAutoencoder(noise=SwapNoise(2)),
        VariationalAutoencoder(penalty=Contraction(jacobian="numeric")),
    ],
)
def test_numbers_in_every_slot_are_checked(ae):
    with pytest.raises(
        InvalidParameterError, match=r"parameter of (Dense|Conv|Swap|C)"
    ):
        check_instances(ae)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_defaults_pass_the_check_of_the_slots(cls):
    check_instances(cls())


def test_own_objects_and_functions_pass_the_check_of_the_slots():
    class Own(BaseEstimator):
        def __call__(self, x, output, module):
            return x.sum(1)

    ae = AutoencoderTransformer(
        encoder=nn.Linear,
        decoder=Dense,
        penalty=[("own", Own()), ("more", print)],
        loss=nn.MSELoss(reduction="none"),
        callbacks=[EarlyStopping, ("stop", EarlyStopping())],
    )
    check_instances(ae)


@pytest.mark.parametrize("wrap", [lambda bar: bar, lambda bar: ("bar", bar)])
def test_callbacks_of_scikit_learn_are_refused(wrap):
    callback = pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")
    ae = AutoencoderTransformer(callbacks=[wrap(callback.ProgressBar())])
    match = "is one of scikit-learn: use set_callbacks"
    with pytest.raises(TypeError, match=match):
        check_instances(ae)


@pytest.mark.parametrize(
    ("ae", "key", "remedy"),
    [
        (AutoencoderTransformer(encoder="conv"), "encoder__channels", "Conv()"),
        (AutoencoderTransformer(encoder=Dense), "encoder__init", "Dense()"),
        (AutoencoderTransformer(), "decoder__hidden_layer_sizes", "Dense()"),
        (AutoencoderTransformer(), "corruption__clip", "GaussianNoise()"),
        (AutoencoderTransformer(), "penalty__weight", "L1Sparsity()"),
        (
            AutoencoderTransformer(),
            "penalty__few__weight",
            "[('few', L1Sparsity())]",
        ),
        (DenoisingAutoencoder(), "noise__low", "SaltAndPepperNoise()"),
    ],
)
def test_nested_parameters_need_an_object_to_set_them_on(ae, key, remedy):
    slot = key.partition("__")[0]
    match = re.escape(f"has no parameters. Set {slot}={remedy} to search {key}.")
    with pytest.raises(ValueError, match=match):
        check_nested(ae.get_params(deep=False), {key: 1})


def test_nested_parameters_of_an_object_pass():
    ae = AutoencoderTransformer(encoder=Conv(), penalty=[("few", L1Sparsity())])
    check_nested(
        ae.get_params(deep=False), {"encoder__channels": 4, "penalty__few__weight": 1.0}
    )
    check_nested(
        ae.get_params(deep=False), {"decoder": Dense(), "decoder__init": "random"}
    )
    check_nested(
        ae.get_params(deep=False),
        {"optimizer__betas": (0.8, 0.9), "nothing__at_all": 1},
    )


def test_penalties_of_one_name_do_not_collapse():
    first, second = L1Sparsity(0.1), L1Sparsity(0.2)
    penalty = [("one", first), ("one", second), ("other", print)]
    found = set_nested_penalties(penalty, {"other": len})
    assert found == [("one", first), ("one", second), ("other", len)]
    with pytest.raises(ValueError, match="cannot be named 'one'"):
        check_unique([name for name, _ in found])


def test_functions_among_the_penalties_have_nothing_to_set():
    match = r"penalty__mine__weight cannot be set: .*Set penalty__mine=L1Sparsity\(\)"
    with pytest.raises(ValueError, match=match):
        set_nested_penalties([("mine", print)], {"mine__weight": 1.0})


class Shorter(AutoencoderTransformer):
    """A subclass in the manner of scikit-learn, with a signature of its own."""

    def __init__(self, n_components=2, random_state=0):
        super().__init__(n_components, max_epochs=1, random_state=random_state)


def test_a_subclass_may_have_a_shorter_signature():
    ae = Shorter()
    assert ae.get_params() == {"n_components": 2, "random_state": 0}
    ae.set_params(n_components=3).partial_fit(X).partial_fit(X)
    assert clone(ae).fit(X).transform(X).shape == (30, 3)

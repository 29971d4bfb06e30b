"""A converter for skl2onnx: a pipeline with an autoencoder becomes one ONNX model."""

from __future__ import annotations

from functools import partial

from skae._estimators.base import BaseAutoencoder
from skae._estimators.opening import open_model
from skae._persistence.onnx import build_onnx


def register_converters():
    """Register a converter for every autoencoder with skl2onnx.

    Call it once, before ``skl2onnx.to_onnx`` or ``skl2onnx.convert_sklearn`` gets a
    pipeline that contains an autoencoder. The converted autoencoder computes
    `transform`: its encoder, in float32 whatever the type of the input. Custom
    subclasses are registered as well, if they are defined before the call.

    Read more in the :ref:`user guide <guide-onnx>`.

    Returns
    -------
    None
        The converters stay registered until the end of the process.

    Raises
    ------
    ImportError
        If the package skl2onnx is missing.

    See Also
    --------
    skae.AutoencoderTransformer.to_onnx : Write an encoder, a decoder or both.

    Examples
    --------
    >>> import numpy as np
    >>> import skl2onnx
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skae import AutoencoderTransformer
    >>> from skae.export import register_converters
    >>> X, y = load_digits(return_X_y=True)
    >>> X = X.astype(np.float32)
    >>> ae = AutoencoderTransformer(16, max_epochs=1, random_state=0)
    >>> pipe = make_pipeline(StandardScaler(), ae, LogisticRegression(max_iter=1000))
    >>> pipe = pipe.fit(X[:300], y[:300])
    >>> register_converters()
    >>> model = skl2onnx.to_onnx(pipe, X[:1])
    >>> [output.name for output in model.graph.output]
    ['output_label', 'output_probability']
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            "register_converters needs the package skl2onnx: pip install skae[onnx]."
        ) from error

    for cls in _subclasses(BaseAutoencoder):
        update_registered_converter(cls, "SkaeAutoencoder", _declare, _convert)


def _subclasses(cls):
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _declare(operator):
    """Declare shape and type of the codes: double precision for such input."""
    from skl2onnx.common.data_types import guess_tensor_type

    codes = guess_tensor_type(operator.inputs[0].type)
    n_rows = operator.inputs[0].get_first_dimension()
    codes.shape = [n_rows, open_model(operator.raw_operator).n_components]
    operator.outputs[0].type = codes


def _convert(scope, operator, container):
    """Put the encoder between the input and the output of an operator."""
    import onnx_ir
    from onnx import TensorProto
    from skl2onnx.common.data_types import guess_proto_type

    estimator = operator.raw_operator
    name, opset = type(estimator).__name__, container.target_opset
    model = build_onnx(open_model(estimator), name, "encoder", opset)
    _drop_zero_states(model.graph)
    _rename(model.graph, scope.get_unique_operator_name("skae") + "/")
    graph = onnx_ir.to_proto(model.graph)
    opsets = model.opset_imports

    add = partial(container.add_node, op_version=opsets[""])
    new_name = scope.get_unique_variable_name
    columns = []  # a data frame has one input for each column
    for variable in operator.inputs:
        rows = new_name("rows")
        columns.append(new_name("columns"))
        add("Flatten", variable.onnx_name, rows, axis=1)
        add("Cast", rows, columns[-1], to=TensorProto.FLOAT)
    add("Concat", columns, graph.input[0].name, axis=1)
    container.nodes.extend(graph.node)
    container.initializers.extend(graph.initializer)
    codes = operator.outputs[0]
    kind = guess_proto_type(codes.type)
    add("Cast", graph.output[0].name, codes.onnx_name, to=kind)
    container.node_domain_version_pair_sets.update(opsets.items())


def _rename(graph, prefix):
    """Put a prefix before all names of a graph, also inside branches."""
    values = [*graph.inputs, *graph.initializers.values()]
    for node in graph.all_nodes():
        node.name = prefix + node.name
        values += node.outputs
    for value in values:
        if value.name:  # an unused output has none
            value.name = prefix + value.name


def _drop_zero_states(graph):
    """Leave out the initial states of LSTMs where they are zero, the default.

    torch writes them behind an input that is absent, of which skl2onnx cannot tell the
    place.
    """
    for node in graph:
        states = node.inputs[5:7]
        if node.op_type == "LSTM" and states and all(map(_is_zero, states)):
            node.resize_inputs(4)


def _is_zero(value):
    """Tell whether a value is an expanded zero, or a slice of one."""
    while value is not None and value.const_value is None:
        node = value.producer()
        if node is None or node.op_type not in ("Expand", "Slice"):
            return False
        value = node.inputs[0]
    return value is not None and not value.const_value.numpy().any()

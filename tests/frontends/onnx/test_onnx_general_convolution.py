"""Convolutions by other operators: computed kernels, and transposed convolutions with groups."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import sofie_jit
from sofie_jit import frontends
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.operators.conv_transpose import ConvTranspose
from sofie_jit.verification.evaluate import evaluate

RNG = np.random.default_rng(0)
FORMS = [
    ("Conv", (2, 4, 7, 6), (6, 4, 3, 2), {}),
    ("Conv", (2, 4, 7, 6), (6, 2, 3, 2), {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 3], "dilations": [1, 2]}),
    ("Conv", (2, 4, 9), (4, 1, 3), {"group": 4, "auto_pad": "SAME_UPPER"}),
    ("Conv", (1, 2, 4, 5, 3), (2, 2, 2, 2, 2), {"strides": [1, 2, 1]}),
    ("ConvTranspose", (2, 4, 5, 3), (4, 3, 3, 2), {}),
    ("ConvTranspose", (2, 4, 5, 3), (4, 3, 3, 2), {"group": 2, "strides": [2, 3], "pads": [1, 0, 2, 1]}),
    ("ConvTranspose", (2, 4, 5), (4, 1, 3), {"group": 4, "strides": [3], "output_padding": [2], "dilations": [2]}),
    ("ConvTranspose", (2, 4, 5), (4, 1, 2), {"group": 4, "strides": [3], "auto_pad": "SAME_UPPER"}),
    ("ConvTranspose", (2, 4, 5), (4, 2, 1), {"group": 2, "pads": [1, 2]}),
    ("ConvTranspose", (1, 2, 3, 4, 2), (2, 1, 2, 2, 2), {"group": 2, "strides": [1, 2, 1]}),
]


def numbers(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("computed", [True, False], ids=["computed", "constant"])
@pytest.mark.parametrize(("op_type", "x_shape", "w_shape", "attributes"), FORMS)
def test_forms(op_type, x_shape, w_shape, attributes, computed, tmp_path):
    x, w = numbers(*x_shape), numbers(*w_shape)
    b = numbers(w_shape[0] if op_type == "Conv" else w_shape[1] * attributes.get("group", 1))
    node = helper.make_node(op_type, ["x", "w", "b"], ["y"], **attributes)
    shapes = {"x": x_shape, "w": w_shape, "b": b.shape} if computed else {"x": x_shape}
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    weights = [] if computed else [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(
        helper.make_graph([node], "g", inputs, [output], weights), opset_imports=[helper.make_opsetid("", 20)]
    )
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    operator = (Conv if op_type == "Conv" else ConvTranspose)(**attributes)
    expected = operator.evaluate(x.astype(float), w.astype(float), b.astype(float))
    given = [x, w, b] if computed else [x]
    (found,) = evaluate(frontends.open(path)(), given)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    if x_shape[1] == 4 and len(x_shape) == 4:
        np.testing.assert_allclose(sofie_jit.load(path).infer(given), expected, atol=1e-5)

"""LSTM, GRU and RNN against ONNX Runtime: activations, directions, states; by kernels and step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from single_node import Constant, Random, check, computed, model

from sofie_jit import frontends
from sofie_jit.errors import UnsupportedLayerError

pytest.importorskip("onnxruntime")

TIME, BATCH, FEATURES, UNITS = 5, 3, 2, 4
X = Random(0).numbers(TIME, BATCH, FEATURES)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
COUNTS = {"RNN": 1, "GRU": 2, "LSTM": 3}
WITH_ALPHA = {
    "LeakyRelu": (0.01, 0.3), "ThresholdedRelu": (1.0, 0.2), "Elu": (1.0, 0.7), "HardSigmoid": (0.2, 0.4),
    "Affine": (1.0, 0.6), "ScaledTanh": (1.0, 0.8),
}  # fmt: skip
"""Activation -> its default alpha, and another one."""
WITH_BETA = {"HardSigmoid": (0.5, 0.3), "Affine": (0.0, 0.1), "ScaledTanh": (1.0, 1.5)}
BY_KERNELS = [
    "Sigmoid", "Tanh", "Relu", "Softsign", "Softplus", "LeakyRelu", "ThresholdedRelu", "Elu", "HardSigmoid",
]  # fmt: skip


def weights(op: str, directions: int = 1) -> list[Any]:
    """W, R and B."""
    rows = GATES[op] * UNITS
    shapes = (rows, FEATURES), (rows, UNITS), (2 * rows,)
    random = Random(directions)
    return [Constant(random.numbers(directions, *shape) / np.float32(3)) for shape in shapes]


def compare(op: str, given: list[Any], attributes: dict[str, Any]) -> None:
    outputs = ["y0", "y1", "y2"][: 3 if op == "LSTM" else 2]
    content = model(op, given, {"hidden_size": UNITS, **attributes}, 14, outputs=outputs)
    check(f"{op} {attributes}", content, given, tolerance=1e-5)


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("clip", [{}, {"clip": 50.0}], ids=["kernel", "steps"])
def test_activations(op: str, clip: dict[str, float]) -> None:
    """With a clip they are computed step by step. Parameters belong to the activations that have them, in order."""
    given = [X, *weights(op)]
    for name in [*BY_KERNELS, *(("Affine", "ScaledTanh") if clip else ())]:
        names, explicit = [name] * COUNTS[op], {}
        for which in (0, 1):  # the defaults, and others
            options: dict[str, Any] = {"activations": names, **clip}
            for attribute, table in (("activation_alpha", WITH_ALPHA), ("activation_beta", WITH_BETA)):
                if name in table:
                    options[attribute] = [table[name][which] + 0.1 * i * which for i in range(len(names))]
            compare(op, given, options)
            explicit = explicit or options
        contents = [
            model(op, given, {"hidden_size": UNITS, **options}, 14)
            for options in (explicit, {"activations": names, **clip})
        ]
        np.testing.assert_array_equal(*(computed(content, given)[0] for content in contents), err_msg=name)
    mixed = ["Sigmoid", "LeakyRelu", "Elu"][-COUNTS[op] :]
    compare(op, given, {"activations": mixed, "activation_alpha": [0.3, 0.6][-len(mixed) :], **clip})
    compare(op, given, clip)


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("clip", [{}, {"clip": 0.6}], ids=["kernel", "steps"])
def test_directions_and_states(op: str, clip: dict[str, float]) -> None:
    both = weights(op, 2)
    states = list(Random(3).numbers(2, 2, BATCH, UNITS))[: 2 if op == "LSTM" else 1]
    lengths = np.int32([5, 2, 4])
    compare(op, [X, *both, None, *states], {"direction": "bidirectional", **clip})
    compare(op, [X, *both, lengths, *states], {"direction": "bidirectional", **clip})
    compare(op, [X, *weights(op), lengths], clip)
    compare(op, [X, *weights(op)[:2]], {"direction": "reverse", **clip})
    names = ["Softsign", "Tanh", "Relu", "Sigmoid", "Softplus", "Elu"][: 2 * COUNTS[op]]
    compare(op, [X, *both], {"direction": "bidirectional", "activations": names, **clip})


def test_further_options() -> None:
    peepholes = Constant(Random(4).numbers(1, 3 * UNITS))
    compare("LSTM", [X, *weights("LSTM"), None, None, None, peepholes], {})
    compare("LSTM", [X, *weights("LSTM")], {"input_forget": 1})
    compare("LSTM", [X, *weights("LSTM"), None, None, None, peepholes], {"input_forget": 1, "clip": 0.4})
    for clip in ({}, {"clip": 0.5}):
        compare("GRU", [X, *weights("GRU")], {"linear_before_reset": 1, **clip})
    for op in GATES:  # weights that the model computes
        compare(op, [X, *(weight.array for weight in weights(op))], {})


@pytest.mark.parametrize("op", GATES)
def test_batch_in_front(op: str) -> None:
    """``layout=1``, which ONNX Runtime does not have."""
    given, states = weights(op, 2), list(Random(3).numbers(2, 2, BATCH, UNITS))[: 2 if op == "LSTM" else 1]
    options = {"hidden_size": UNITS, "direction": "bidirectional"}
    outputs = ["y0", "y1", "y2"][: 1 + len(states)]
    inputs = [X, *given, None, *states]
    expected = computed(model(op, inputs, options, 14, outputs=outputs), inputs)
    turned = [X.swapaxes(0, 1).copy(), *given, None, *(state.swapaxes(0, 1).copy() for state in states)]
    y, *after = computed(model(op, turned, {**options, "layout": 1}, 14, outputs=outputs), turned)
    np.testing.assert_array_equal(y, expected[0].transpose(2, 0, 1, 3))
    for state, other in zip(after, expected[1:], strict=True):
        np.testing.assert_array_equal(state, other.swapaxes(0, 1))


REFUSED: dict[str, tuple[str, list[Any], dict[str, Any], str]] = {
    "directions": ("RNN", [X, *weights("RNN")], {"direction": "bidirectional"}, "but its weights are for 1 directions"),
    "two directions": ("RNN", [X, *weights("RNN", 2)], {}, "direction is 'forward', but its weights are for 2"),
    "too few": ("LSTM", [X, *weights("LSTM")], {"activations": ["Tanh"]}, "it has 1 activation; expected 3"),
    "too many": ("RNN", [X, *weights("RNN")], {"activations": ["Tanh"] * 2}, "it has 2 activations; expected 1"),
    "unknown": ("RNN", [X, *weights("RNN")], {"activations": ["Sine"]}, r"activations are \['sine'\]; expected 1 of"),
    "too few in steps": ("GRU", [X, *weights("GRU")], {"activations": ["Tanh"], "clip": 1.0}, "expected 2 of sigmoid"),
    "long": (
        "RNN",
        [Random(0).numbers(257, 1, 2), *weights("RNN")],
        {"clip": 1.0},
        "number of steps up to 256",
    ),
    "empty": (
        "RNN",
        [Random(0).numbers(0, 1, 2), *weights("RNN")],
        {"clip": 1.0},
        "number of steps up to 256",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    op, given, attributes, message = REFUSED[name]
    with pytest.raises(UnsupportedLayerError, match=message):
        frontends.open(model(op, given, {"hidden_size": UNITS, **attributes}, 14))()

"""Files with a single node, compared with ONNX Runtime or with a formula; evaluated in numpy, nothing is compiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import ValueInfoProto, helper, numpy_helper

from sofie_jit import frontends
from sofie_jit.verification.evaluate import evaluate

ML, MICROSOFT = "ai.onnx.ml", "com.microsoft"


class Constant:
    """An input that is an initializer."""

    def __init__(self, value: Any, dtype: str = ""):
        self.array = np.asarray(value, dtype or None)


class Random:
    """Random arrays, the same ones in each run of a module."""

    def __init__(self, seed: int):
        self._rng = np.random.default_rng(seed)

    def numbers(self, *shape: int) -> np.ndarray:
        return self._rng.normal(size=shape).astype(np.float32)

    def integers(self, dtype: str, *shape: int) -> np.ndarray:
        return self._rng.integers(0 if dtype.startswith("u") else -100, 100, shape).astype(dtype)


def model(
    op: str, given: Sequence[Any], attributes: dict[str, Any], opset: int = 20, domain: str = "",
    outputs: Sequence[str] = ("y0",), sizes: Sequence[int | str] | None = None,
) -> bytes:  # fmt: skip
    """A file with one node.

    ``given`` are arrays, constants, or None for an input that is left out; ``sizes`` is the shape of the first one in
    the file, with names of open sizes. An output named "" is left out.
    """
    names = ["" if value is None else f"x{number}" for number, value in enumerate(given)]
    weights = [
        numpy_helper.from_array(value.array, name)
        for name, value in zip(names, given, strict=True)
        if isinstance(value, Constant)
    ]
    infos = [
        helper.make_tensor_value_info(
            name,
            helper.np_dtype_to_tensor_dtype(value.dtype),
            sizes if sizes is not None and name == "x0" else value.shape,
        )
        for name, value in zip(names, given, strict=True)
        if isinstance(value, np.ndarray)
    ]
    results = [ValueInfoProto(name=name) for name in outputs if name]  # of any type
    values = {k: numpy_helper.from_array(v.array) if isinstance(v, Constant) else v for k, v in attributes.items()}
    node = helper.make_node(op, names, outputs, "node", domain=domain, **values)
    versions = {"": 18, domain: opset}
    return helper.make_model(
        helper.make_graph([node], "graph", infos, results, weights),
        opset_imports=[helper.make_opsetid(*entry) for entry in versions.items()],
        ir_version=8,
    ).SerializeToString()


def feed_of(given: Sequence[Any]) -> dict[str, np.ndarray]:
    """The inputs of a model of :func:`model`."""
    return {f"x{number}": value for number, value in enumerate(given) if isinstance(value, np.ndarray)}


def computed(content: bytes, given: Sequence[Any]) -> list[np.ndarray]:
    """The outputs in numpy."""
    return evaluate(frontends.open(content)(), list(feed_of(given).values()))


def check(
    name: str, content: bytes, given: Sequence[Any], formula: Callable[..., np.ndarray] | None = None,
    tolerance: float = 2e-6,
) -> None:  # fmt: skip
    """Compares the outputs with ``formula`` of the inputs, or with ONNX Runtime's: values, types and shapes."""
    feed = feed_of(given)
    if formula is not None:
        expected = [formula(*feed.values())]
    else:
        import onnxruntime

        expected = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, feed)
    for y, other in zip(computed(content, given), expected, strict=True):
        assert (y.dtype, y.shape) == (other.dtype, other.shape), name
        if other.dtype.kind == "f":
            scale = np.abs(other[np.isfinite(other)]).max(initial=0)
            np.testing.assert_allclose(y, other, rtol=tolerance, atol=tolerance * scale, err_msg=name)
        else:
            np.testing.assert_array_equal(y, other, err_msg=name)

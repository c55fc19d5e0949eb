"""Networks of one layer of files without packages, as Keras writes them, for the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sofie_jit import RModel
from sofie_jit.frontends.keras.saved_model import Group, LayerGroups, SavedModel, Weight
from sofie_jit.frontends.keras.translation import connected, translate
from sofie_jit.verification.evaluate import evaluate


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def network_of(
    class_name: str,
    config: Mapping[str, Any],
    weights: Mapping[str, np.ndarray],
    inputs: Mapping[str, tuple[tuple[int | None, ...], str]],
    calls: Sequence[str] = ("x",),
    version: str = "2.2.4",
    **keywords: Any,
) -> RModel:
    """The network of one layer, called with some of the ``inputs``, whose shapes and types these are."""
    layers: list[dict[str, Any]] = [
        {"class_name": "InputLayer", "name": name, "inbound_nodes": [],
         "config": {"name": name, "batch_input_shape": list(shape), "dtype": dtype}}
        for name, (shape, dtype) in inputs.items()
    ]  # fmt: skip
    nodes = [[[name, 0, 0, keywords] for name in calls]]
    layers.append({"class_name": class_name, "name": "layer", "inbound_nodes": nodes,
                   "config": {"name": "layer", **config}})  # fmt: skip
    model = {
        "class_name": "Model",
        "config": {"name": "m", "layers": layers, "input_layers": [[name, 0, 0] for name in inputs],
                   "output_layers": [["layer", 0, 0]]},
    }  # fmt: skip
    groups = LayerGroups([Group("layer", [Weight(name, array) for name, array in weights.items()])] if weights else [])
    rmodel = translate(connected(SavedModel("test", model, groups, version, version)))
    rmodel.generate()
    return rmodel


def output_of(
    class_name: str, config: Mapping[str, Any], weights: Mapping[str, np.ndarray], x: np.ndarray, version: str = "2.2.4"
) -> np.ndarray:
    """The output of one layer for ``x``."""
    inputs = {"x": ((None, *x.shape[1:]), x.dtype.name)}
    return evaluate(network_of(class_name, config, weights, inputs, version=version), {"x": x})[0]

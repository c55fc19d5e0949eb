"""Wrappers of TensorFlow's model-optimization package that are left in a file: pruning and clustering.

Source: https://github.com/tensorflow/model-optimization, ``tensorflow_model_optimization/python/core``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.layers.sublayers import sublayer_weights
from sofie_jit.frontends.keras.masks import passes
from sofie_jit.ir.builder import Symbol

PRUNED = {
    **dict.fromkeys(
        ("Dense", "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose", "LocallyConnected1D",
         "LocallyConnected2D"),
        ("kernel",),
    ),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), ("pointwise_kernel",)),
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), ("cell/kernel", "cell/recurrent_kernel")),
    "Embedding": ("embeddings",),
}  # fmt: skip
"""Class -> the weights that are pruned; those of other layers are not."""


def _pruned(spec: Mapping[str, Any]) -> WeightNames:
    return () if spec["package"] else PRUNED.get(spec["class_name"], ())


def _pruned_weights(config: Mapping[str, Any]) -> WeightNames:
    masks = [f"{kind}/{name}" for name in _pruned(config["layer"]) for kind in ("mask", "threshold")]
    return (*sublayer_weights("layer", config["layer"]), *masks, "pruning_step")


@layer("PruneLowMagnitude", weights=_pruned_weights, mask=passes, builtin=False)
def pruned(call: LayerCall, x: Symbol, **kwargs: Any) -> Any:
    """The wrapped layer with its kernels times their masks."""
    call.config.ignore("pruning_schedule", "block_size", "block_pooling_type", "sparsity_m_by_n")
    spec = call.config["layer"]
    inner = call.sublayer("layer", spec)
    for name in _pruned(spec):
        kernel = inner.weight(name)
        inner.layer.weights[name] = kernel * call.weight(f"mask/{name}", kernel.shape)
    return inner(x, **kwargs)


def _clustered(spec: Mapping[str, Any]) -> WeightNames:
    """The weights that are clustered: those that are pruned, and the depthwise kernels of separable convolutions."""
    if spec["class_name"].startswith("Separable") and not spec["package"]:
        return ("pointwise_kernel",)
    return _pruned(spec)


def _clustered_weights(config: Mapping[str, Any]) -> WeightNames:
    inner = sublayer_weights("layer", config["layer"])
    names = _clustered(config["layer"])
    first = [f"layer/{name}" for name in names]
    others = [name for name in inner if name not in first]
    trained = [name for name in others if not name.endswith(("moving_mean", "moving_variance"))]
    centroids, indices = ([f"{kind}/{name}" for name in names] for kind in ("centroids", "indices"))
    return (*trained, *first, *centroids, *indices, *(name for name in others if name not in trained))


@layer("ClusterWeights", weights=_clustered_weights, mask=passes, builtin=False)
def clustered(call: LayerCall, x: Symbol, **kwargs: Any) -> Any:
    """The wrapped layer with every element of its kernels replaced by the nearest centroid."""
    config, inner = call.config, call.sublayer("layer", call.config["layer"])
    config.ignore("number_of_clusters", "cluster_centroids_init", "cluster_gradient_aggregation", "data_format")
    if config.get("preserve_sparsity") or config.get("cluster_per_channel"):
        call.refuse("clusters that preserve zeros, or of each channel, are not supported; call strip_clustering()")
    for name in _clustered(config["layer"]):
        kernel, centroids = inner.weight(name), call.weight(f"centroids/{name}", (None,))
        distances = np.abs(kernel[..., np.newaxis] - centroids)
        inner.layer.weights[name] = centroids[np.argmin(distances, axis=-1)]
    return inner(x, **kwargs)

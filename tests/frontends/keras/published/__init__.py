"""Small versions of models as people publish them, 2016 to 2026, in the manner of their time.

Each function builds one with the library that it gets, ``keras`` or ``tf_keras``. :data:`MODELS` has all of them by
name; ``docs/reliability.md`` lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

MODELS: dict[str, Callable[[Any], Any]] = {}
"""Name -> a function from the module ``keras`` or ``tf_keras`` to a model."""
VOCABULARY = 12
"""The smallest size of an Embedding; integer inputs are below it."""


def published(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Adds a builder to :data:`MODELS`; its docstring says who publishes such models."""
    assert build.__name__ not in MODELS
    MODELS[build.__name__] = build
    return build


def functions(k: Any) -> Any:
    """The functions of tensors that a model of the library ``k`` calls: ``keras.ops``, or TensorFlow's for Keras 2."""
    if hasattr(k, "ops"):
        return k.ops
    import tensorflow as tf

    return SimpleNamespace(
        **{name: getattr(tf, name) for name in ("abs", "exp", "reshape", "transpose", "matmul", "tanh", "squeeze",
                                                "expand_dims", "split", "square", "pad", "range", "cast", "one_hot",
                                                "where", "shape", "stack", "gather", "broadcast_to", "cumsum")},
        sum=tf.reduce_sum, mean=tf.reduce_mean, max=tf.reduce_max, concatenate=tf.concat, softmax=tf.nn.softmax,
        not_equal=tf.math.not_equal, sqrt=tf.math.sqrt, silu=tf.nn.silu, einsum=tf.einsum, relu6=tf.nn.relu6,
        maximum=tf.maximum, minimum=tf.minimum, argmin=tf.argmin, argmax=tf.argmax, log=tf.math.log, sin=tf.sin,
        cos=tf.cos, roll=tf.roll, top_k=tf.math.top_k, depth_to_space=tf.nn.depth_to_space, sigmoid=tf.sigmoid,
        logical_not=tf.logical_not,
    )  # fmt: skip


def _load() -> None:
    from published import (  # noqa: F401
        forecasts,
        generative,
        graphs,
        images,
        physics,
        recommenders,
        segmentation,
        sequences,
        tables,
        text,
        transformers,
        vision,
    )


_load()

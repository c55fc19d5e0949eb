"""Layers of files that are refused, each with what was found and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from single_layers import network_of, normal

from sofie_jit.errors import SofieError

Case = tuple[dict[str, Any], dict[str, tuple[int | None, ...]], str]
"""Options, the shapes of the inputs, and the message."""
ROW: dict[str, tuple[int | None, ...]] = {"x": (None, 4)}
SERIES: dict[str, tuple[int | None, ...]] = {"x": (None, 6, 4)}
IMAGE: dict[str, tuple[int | None, ...]] = {"x": (None, 6, 5, 4)}
TWO: dict[str, tuple[int | None, ...]] = {"x": (None, 6, 4), "y": (None, 5, 4)}

REFUSED: dict[str, list[Case]] = {
    "Attention": [
        ({"score_mode": "cosine"}, TWO, "score_mode='cosine' is not supported; expected 'dot' or 'concat'"),
        ({}, SERIES, r"its input should be \[query, value\] or \[query, value, key\]"),
    ],
    "MaxPooling2D": [
        ({"pool_size": [2, 2, 2]}, IMAGE, r"pool_size=\[2, 2, 2\] must be an integer or 2 of them"),
        ({"pool_size": 2, "padding": "half"}, IMAGE, "padding='half' is not supported; expected"),
        ({"pool_size": 2}, SERIES, r"its input has shape .*; expected 4 dimensions, the batch included"),
        ({"pool_size": 2, "data_format": "NHWC"}, IMAGE, "data_format='NHWC' is not supported; expected"),
    ],
    "ZeroPadding2D": [({"padding": [1, 2, 3]}, IMAGE, r"padding=\[1, 2, 3\] must be a number, or one or two")],
    "Masking": [({"mask_value": "zero"}, SERIES, "mask_value='zero' is not a number")],
    "Subtract": [({}, {"x": (None, 4), "y": (None, 4), "z": (None, 4)}, "it merges 2 tensors, but is called with 3")],
    "Concatenate": [({"axis": 1}, {"x": (None, 4), "y": (None, 6, 4)}, "its inputs have different ranks: ")],
    "Dot": [({"axes": 0}, {"x": (None, 4), "y": (None, 4)}, "axes=0 sums over the batch; only the axes after it")],
    "Reshape": [({"target_shape": [0, 4]}, ROW, r"target_shape=.* has no elements; remove the layer")],
    "Resizing": [
        ({"height": 3, "width": 3, "crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, IMAGE,
         "crop_to_aspect_ratio and pad_to_aspect_ratio cannot both be True"),
        ({"height": 3, "width": 3, "pad_to_aspect_ratio": True, "fill_mode": "edge"}, IMAGE,
         "fill_mode='edge' is not supported; expected 'constant'"),
        ({"height": 3, "width": 3}, ROW, r"its input has shape .*; expected \(batch, height, width, channels\)"),
    ],
    "HashedCrossing": [({"num_bins": 4}, {"x": (None, 1), "y": (None, 1)}, "it crosses .*; expected two")],
    "Merge": [({"mode": "raw"}, {"x": (None, 4), "y": (None, 4)}, "its mode is a function")],
    "UpSampling2D": [({"size": 2, "interpolation": "cubic"}, IMAGE, "interpolation='cubic' is not supported")],
    "keras_hub>RotaryEmbedding": [
        ({"max_wavelength": 1e4, "rope_type": "yarn"}, SERIES, "rope_type='yarn' is not supported; expected"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("class_name", REFUSED)
def test_refused(class_name: str) -> None:
    for config, shapes, message in REFUSED[class_name]:
        inputs = {name: (shape, "float32") for name, shape in shapes.items()}
        with pytest.raises(SofieError, match=rf"layer.*: .*({message})"):
            network_of(class_name, config, {}, inputs, list(shapes), "2.12.0")


WITH_WEIGHTS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, tuple[int | None, ...]], str]] = [
    ("Dense", {"units": 3, "use_bias": False}, {"kernel": normal(4, 3)}, {"x": (None, None)}, "axis must be known"),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "padding": "causal", "use_bias": False}, {"kernel": normal(2, 2, 4, 3)},
     IMAGE, "padding='causal' is defined for one dimension only"),
    ("Conv1D", {"filters": 3, "kernel_size": 2, "use_bias": False}, {"kernel": normal(2, 4, 3)}, {"x": (None, 6, None)},
     "the number of channels must be known"),
    ("LSTM", {"units": 3, "use_bias": False}, {"kernel": normal(4, 12), "recurrent_kernel": normal(3, 12)}, ROW,
     r"expected \(batch, time, features\) with a known number of features"),
    ("ConvLSTM2D", {"filters": 3, "kernel_size": 2, "use_bias": False},
     {"kernel": normal(2, 2, 4, 12), "recurrent_kernel": normal(2, 2, 3, 12)}, IMAGE,
     r"expected \(batch, time, 2 spatial axes and channels\)"),
    ("LocallyConnected1D", {"filters": 3, "kernel_size": 2, "implementation": 4, "use_bias": False},
     {"kernel": normal(5, 8, 3)}, SERIES, "implementation=4 is not supported; expected 1, 2 or 3"),
    ("keras_hub>PositionEmbedding", {"sequence_length": 5}, {"position_embeddings": normal(5, 4)}, SERIES,
     "its input has 6 steps, its table of positions 5 rows from 0 on"),
]  # fmt: skip


@pytest.mark.parametrize("case", WITH_WEIGHTS, ids=[case[0] for case in WITH_WEIGHTS])
def test_refused_with_weights(case: Any) -> None:
    class_name, config, weights, shapes, message = case
    inputs = {name: (shape, "float32") for name, shape in shapes.items()}
    with pytest.raises(SofieError, match=rf"layer.*: .*({message})"):
        network_of(class_name, config, weights, inputs, list(shapes))


@pytest.mark.parametrize(
    ("class_name", "option"), [("Reshape", "target_shape"), ("RepeatVector", "n"), ("Permute", "dims")]
)
def test_configs_without_a_required_option(class_name: str, option: str) -> None:
    with pytest.raises(SofieError, match=rf"layer.*: its config lacks the option '{option}'"):
        network_of(class_name, {}, {}, {"x": ((None, 4), "float32")})

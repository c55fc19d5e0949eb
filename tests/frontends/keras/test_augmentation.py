"""Augmentations of images against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from tolerance import ABSOLUTE, check_file, distance, leaves

AUGMENTATIONS: dict[str, dict[str, Any]] = {
    "AugMix": {}, "CutMix": {}, "MaxNumBoundingBoxes": {"max_number": 3}, "MixUp": {}, "RandAugment": {},
    "RandomBrightness": {"factor": 0.5}, "RandomColorDegeneration": {"factor": 0.5}, "RandomColorJitter": {},
    "RandomContrast": {"factor": 0.5}, "RandomCrop": {"height": 8, "width": 9}, "RandomElasticTransform": {},
    "RandomErasing": {}, "RandomFlip": {}, "RandomGaussianBlur": {}, "RandomGrayscale": {},
    "RandomHue": {"factor": 0.5}, "RandomInvert": {}, "RandomPerspective": {}, "RandomPosterization": {"factor": 4},
    "RandomRotation": {"factor": 0.5}, "RandomSaturation": {"factor": 0.5}, "RandomSharpness": {"factor": 0.5},
    "RandomShear": {}, "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1},
    "RandomZoom": {"height_factor": 0.1}, "Solarization": {}, "AutoContrast": {},
}  # fmt: skip


def test_augmentations(tmp_path: Path) -> None:
    import keras

    inputs = keras.Input((8, 9, 3))
    outputs = {name: getattr(keras.layers, name)(**options)(inputs) for name, options in AUGMENTATIONS.items()}
    x = np.random.default_rng(0).integers(0, 256, size=(3, 8, 9, 3)).astype(np.float32)
    x[0, :, :, 1] = 7
    check_file(keras.Model(inputs, outputs), x, tmp_path, ".keras")


def _random_crop_of_keras_3_6(x: np.ndarray, height: int, width: int) -> np.ndarray:
    from keras import ops

    largest = [
        max(min(x.shape[1], x.shape[2] * height // width), 1),
        max(min(x.shape[2], x.shape[1] * width // height), 1),
    ]
    top, left = ((old - new) // 2 for old, new in zip(x.shape[1:3], largest, strict=True))
    return ops.image.resize(x[:, top : top + height, left : left + width], (height, width))


@pytest.mark.parametrize(("height", "width"), [(3, 4), (12, 5), (5, 20), (8, 9), (11, 11)])
def test_random_crop(height: int, width: int, tmp_path: Path) -> None:
    """Each version of Keras 3 has its own rule for images of another size."""
    import h5py
    import keras

    inputs = keras.Input((8, 9, 2))
    model = keras.Model(inputs, keras.layers.RandomCrop(height, width)(inputs))
    model.save(tmp_path / "m.h5")
    x = np.random.default_rng(0).normal(size=(3, 8, 9, 2)).astype(np.float32)
    resized = keras.preprocessing.image.smart_resize(x, (height, width))
    expected = {
        "3.3.3": resized,
        "3.6.0": _random_crop_of_keras_3_6(x, height, width),
        "3.8.0": model.predict(x, verbose=0),
    }
    for version, y in expected.items():
        with h5py.File(tmp_path / "m.h5", "r+") as file:
            file.attrs["keras_version"] = version
        got = sofie_jit.load(tmp_path / "m.h5").infer(x)
        assert got.shape == np.shape(y), version
        assert distance(got, np.asarray(y)) <= ABSOLUTE, version
    if (height, width) != (8, 9):
        with h5py.File(tmp_path / "m.h5", "r+") as file:
            del file.attrs["keras_version"], file["model_weights"].attrs["keras_version"]
        with pytest.raises(sofie_jit.UnsupportedLayerError, match="does not say which one saved it"):
            sofie_jit.load(tmp_path / "m.h5")


# -- images with labels, masks and boxes -------------------------------------------------------------------------------


def _labelled(*rows: int) -> dict[str, Any]:
    """Images with labels, masks of classes, weights and boxes, for each row of the batch."""
    rng = np.random.default_rng(0)
    return {
        "images": rng.integers(0, 256, (*rows, 8, 9, 3)).astype(np.uint8),
        "labels": rng.normal(size=(*rows, 4)).astype(np.float32),
        "segmentation_masks": rng.integers(0, 5, (*rows, 8, 9, 1)).astype(np.int32),
        "weights": rng.normal(size=(*rows, 2)).astype(np.float32),
        "bounding_boxes": {
            "boxes": rng.uniform(0, 8, (*rows, 3, 4)).astype(np.float32),
            "labels": rng.integers(0, 5, (*rows, 3)).astype(np.int32),
        },
    }


LABELLED: dict[str, dict[str, Any]] = {
    "RandomFlip": {}, "RandomRotation": {"factor": 0.5}, "MixUp": {}, "RandAugment": {}, "AutoContrast": {},
    "RandomBrightness": {"factor": 0.5}, "RandomZoom": {"height_factor": 0.1}, "MaxNumBoundingBoxes": {"max_number": 2},
}  # fmt: skip


def test_labelled_images(tmp_path: Path) -> None:
    """Labels, masks and boxes stay as they are, but for the number of boxes; several layers leave images integers."""
    import keras

    x = _labelled(3)
    flat = keras.tree.flatten_with_path(x)
    symbols = [keras.Input(a.shape[1:], dtype=a.dtype.name, name="_".join(path)) for path, a in flat]
    given = keras.tree.pack_sequence_as(x, symbols)
    outputs = {}
    for name, options in [*LABELLED.items(), ("MaxNumBoundingBoxes", {"max_number": 5})]:
        layer = getattr(keras.layers, name)(**options)
        layer.bounding_box_format = "xyxy"
        outputs[layer.name] = layer(keras.tree.map_structure(lambda symbol: symbol, given))
    outputs["cut_mix"] = keras.layers.CutMix()({key: given[key] for key in ("images", "labels", "weights")})
    model, arrays = keras.Model(symbols, outputs), [a for _, a in flat]
    loaded = check_file(model, arrays, tmp_path, ".keras")
    got, want = (leaves(result) for result in (loaded.infer(*arrays), model(arrays, training=False)))
    assert [y.dtype.name for y in got] == [y.dtype.name for y in want]

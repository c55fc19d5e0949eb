"""Writes keras3/: genuine files of the Keras 3 that is installed."""

from __future__ import annotations

import keras

from models import HERE, MODELS, random_inputs, randomize, recompress, save_expected

for seed, make in enumerate(MODELS):
    keras.utils.clear_session()
    model = make(keras)
    randomize(model, seed)
    inputs = random_inputs(model, seed)
    path = HERE / "keras3" / model.name
    save_expected(path, inputs, model.predict(list(inputs.values()), verbose=0))
    model.save(path.with_suffix(".h5"))
    model.save(path.with_suffix(".keras"))
    if model.name == "functional":
        recompress(path.with_suffix(".keras"))
    if model.name == "recurrent":
        model.save_weights(path.with_suffix(".weights.h5"))
        path.with_suffix(".json").write_text(model.to_json())

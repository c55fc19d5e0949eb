"""Writes keras2/: genuine files of Keras 2, which lives on as the package tf-keras."""

from __future__ import annotations

import tf_keras as keras

from models import HERE, MODELS, random_inputs, randomize, recompress, save_expected

for seed, make in enumerate(MODELS):
    keras.backend.clear_session()
    model = make(keras)
    randomize(model, seed)
    inputs = random_inputs(model, seed)
    path = HERE / "keras2" / model.name
    save_expected(path, inputs, model.predict(list(inputs.values()), verbose=0))
    model.save(path.with_suffix(".h5"))
    if model.name == "functional":
        model.save(path.with_suffix(".keras"))
        recompress(path.with_suffix(".keras"))
        model.save_weights(path.with_name("functional_weights.h5"), save_format="h5")
        path.with_suffix(".json").write_text(model.to_json())

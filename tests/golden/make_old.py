"""Writes old/<library>_<version>.h5: one network, written by the Keras that runs this script.

``python make_old.py keras`` or ``python make_old.py tensorflow.keras``, in an environment with that version. It runs
with Python 3.6 and newer, which the oldest versions need.
"""

import importlib
import sys
from pathlib import Path

import numpy as np

keras = importlib.import_module(sys.argv[1])
layers = importlib.import_module(sys.argv[1] + ".layers")
models = importlib.import_module(sys.argv[1] + ".models")

image = layers.Input((8, 7, 3), name="image")
x = layers.Conv2D(4, (3, 2), strides=(2, 2), padding="same", use_bias=False)(image)
x = layers.BatchNormalization()(x)
x = layers.Activation("relu")(x)
x = layers.MaxPooling2D((2, 2), padding="same")(x)
x = layers.Dropout(0.25)(layers.Flatten()(x))

sequence = layers.Input((5, 4), name="sequence")
y = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(sequence)
y = layers.TimeDistributed(layers.Dense(3))(y)
y = layers.GRU(3, recurrent_activation="hard_sigmoid")(layers.LeakyReLU(0.2)(y))

shared = models.Sequential([layers.Dense(4, activation="tanh", input_shape=(3,)), layers.Dense(3)])
top = layers.Concatenate()([x, shared(y)])
model = models.Model([image, sequence], [layers.Dense(3, activation="softmax")(top), shared(y)])

random = np.random.RandomState(0)
statistics = [len(w.shape) == 1 and bool((w == 1).all()) for w in model.get_weights()]  # gamma and the variance
model.set_weights(
    [
        random.uniform(0.5, 1.5, w.shape) if ones else random.normal(0, 0.5, w.shape)
        for w, ones in zip(model.get_weights(), statistics)  # noqa: B905
    ]
)
inputs = {"image": random.normal(size=(3, 8, 7, 3)), "sequence": random.normal(size=(3, 5, 4))}
inputs = {name: value.astype("float32") for name, value in inputs.items()}
outputs = model.predict([inputs["image"], inputs["sequence"]])

version = importlib.import_module("tensorflow").__version__ if "." in sys.argv[1] else keras.__version__
path = Path(__file__).resolve().parent / "old" / "{}_{}".format(sys.argv[1].replace("tensorflow.", "tf_"), version)
path.parent.mkdir(exist_ok=True)
model.save(str(path) + ".h5")
arrays = {"input:" + name: value for name, value in inputs.items()}
arrays.update(("output:" + str(number), value) for number, value in enumerate(outputs))
np.savez(str(path) + ".npz", **arrays)

"""Makes the demo's files: trains a small network on scikit-learn's handwritten digits and saves it with Keras.

Run it with ``python -m sofie_jit.demo.train [DIRECTORY]`` where Keras, TensorFlow and scikit-learn are installed
(the extra ``sofie_jit[test]`` has them). It writes

* ``digits.h5``: the trained network, as Keras saves it, without the optimizer's state,
* ``digits.npz``: a hundred images it was not trained on, ``images`` (100, 8, 8, 1) float32 in 0..1, their ``labels``
  (100,), and ``keras``, what Keras's own ``model(images)`` answers, (100, 10) float32.

Seeds are fixed: on one machine the same versions write the same numbers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

HELD_OUT = 100


def main(directory: Path) -> None:
    """Trains the network and writes ``digits.h5`` and ``digits.npz`` to ``directory``."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    from keras import layers
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    keras.utils.set_random_seed(0)
    digits = load_digits()
    images = (digits.images[..., None] / 16).astype(np.float32)
    train_x, test_x, train_y, test_y = train_test_split(
        images, digits.target, test_size=HELD_OUT, random_state=0, stratify=digits.target
    )
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), name="image"),
            layers.Conv2D(16, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax", name="digit"),
        ],
        name="digits",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(train_x, train_y, batch_size=32, epochs=30, verbose=0)
    answers = np.asarray(model(test_x, training=False))
    model.save(directory / "digits.h5", include_optimizer=False)
    np.savez_compressed(directory / "digits.npz", images=test_x, labels=test_y, keras=answers)
    print(f"{model.count_params():,} parameters, held-out accuracy {np.mean(answers.argmax(1) == test_y):.1%}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)

"""Generators, discriminators, autoencoders, and image restoration."""

from __future__ import annotations

from typing import Any

import numpy as np

from published import functions, published


@published
def vae_encoder(k: Any) -> Any:
    """Mean and logarithm of the variance, Keras's example 2017."""
    L = k.layers
    inputs = k.Input((12, 12, 1))
    x = L.Conv2D(4, 3, activation="relu", strides=2, padding="same")(inputs)
    x = L.Dense(8, activation="relu")(L.Flatten()(L.Conv2D(8, 3, activation="relu", strides=2, padding="same")(x)))
    return k.Model(inputs, [L.Dense(2, name="z_mean")(x), L.Dense(2, name="z_log_var")(x)], name="encoder")


@published
def vae_decoder(k: Any) -> Any:
    """Transposed convolutions, Keras's example 2017."""
    L = k.layers
    inputs = k.Input((2,))
    x = L.Reshape((3, 3, 8))(L.Dense(3 * 3 * 8, activation="relu")(inputs))
    for filters in (8, 4):
        x = L.Conv2DTranspose(filters, 3, activation="relu", strides=2, padding="same")(x)
    return k.Model(inputs, L.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")(x), name="decoder")


@published
def autoencoder_of_models(k: Any) -> Any:
    """Encoder and decoder as models of one model, 2018."""
    L = k.layers
    inputs, code = k.Input((8, 8, 1)), k.Input((6,))
    encoder = k.Model(inputs, L.Dense(6)(L.Flatten()(L.Conv2D(4, 3, 2, "same", activation="relu")(inputs))), name="enc")
    x = L.Reshape((4, 4, 2))(L.Dense(32)(code))
    decoder = k.Model(code, L.Conv2DTranspose(1, 3, 2, "same", activation="sigmoid")(x), name="dec")
    return k.Model(inputs, decoder(encoder(inputs)), name="autoencoder")


@published
def denoising_autoencoder(k: Any) -> Any:
    """Pools and upsampling, Keras's blog 2016."""
    L = k.layers
    inputs = k.Input((16, 16, 1))
    x = L.MaxPooling2D((2, 2), padding="same")(L.Conv2D(6, (3, 3), activation="relu", padding="same")(inputs))
    x = L.MaxPooling2D((2, 2), padding="same")(L.Conv2D(6, (3, 3), activation="relu", padding="same")(x))
    for _ in range(2):
        x = L.UpSampling2D((2, 2))(L.Conv2D(6, (3, 3), activation="relu", padding="same")(x))
    return k.Model(inputs, L.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x))


@published
def dcgan_generator(k: Any) -> Any:
    """BatchNormalization with momentum 0.8 and LeakyReLU, 2017."""
    L = k.layers
    model = k.Sequential([k.Input((10,)), L.Dense(8 * 3 * 3, activation="relu"), L.Reshape((3, 3, 8))])
    for filters in (8, 4):
        model.add(L.UpSampling2D())
        model.add(L.Conv2D(filters, kernel_size=3, padding="same"))
        model.add(L.BatchNormalization(momentum=0.8))
        model.add(L.LeakyReLU(0.2))
    model.add(L.Conv2D(1, kernel_size=3, padding="same"))
    model.add(L.Activation("tanh"))
    noise = k.Input(shape=(10,))
    return k.Model(noise, model(noise))


@published
def dcgan_discriminator(k: Any) -> Any:
    """Strides with ZeroPadding2D by hand, 2017."""
    L = k.layers
    return k.Sequential([
        k.Input((14, 14, 1)), L.Conv2D(4, kernel_size=3, strides=2, padding="same"), L.LeakyReLU(0.2), L.Dropout(0.25),
        L.Conv2D(8, kernel_size=3, strides=2, padding="same"), L.ZeroPadding2D(padding=((0, 1), (0, 1))),
        L.BatchNormalization(momentum=0.8), L.LeakyReLU(0.2), L.Flatten(), L.Dense(1, activation="sigmoid"),
    ])  # fmt: skip


@published
def acgan_generator(k: Any) -> Any:
    """Noise multiplied by the embedding of a class, Keras's example 2017."""
    L = k.layers
    latent, image_class = k.Input((8,)), k.Input((1,), dtype="int32")
    cnn = k.Sequential([
        k.Input((8,)), L.Dense(3 * 3 * 4, activation="relu"), L.Reshape((3, 3, 4)),
        L.Conv2DTranspose(6, 5, strides=1, padding="valid", activation="relu"), L.BatchNormalization(),
        L.Conv2DTranspose(1, 5, strides=2, padding="same", activation="tanh"),
    ])  # fmt: skip
    embedded = L.Flatten()(L.Embedding(12, 8)(image_class))
    return k.Model([latent, image_class], cnn(L.multiply([latent, embedded])))


@published
def conditional_discriminator(k: Any) -> Any:
    """A class as a further channel of the image, 2019."""
    L = k.layers
    image, label = k.Input((8, 8, 1)), k.Input((1,))
    channel = L.Reshape((8, 8, 1))(L.Dense(64)(L.Embedding(12, 5)(label)))
    x = L.LeakyReLU(0.2)(L.Conv2D(4, (3, 3), strides=(2, 2), padding="same")(L.Concatenate()([image, channel])))
    return k.Model([image, label], L.Dense(1, activation="sigmoid")(L.Dropout(0.4)(L.Flatten()(x))))


@published
def pix2pix(k: Any) -> Any:
    """TensorFlow's tutorial: Sequential blocks with skips, 2019."""
    L = k.layers
    inputs = k.Input((16, 16, 3))
    x, skips = inputs, []
    for filters in (4, 6, 8):
        down = k.Sequential([L.Conv2D(filters, 4, strides=2, padding="same", use_bias=False), L.BatchNormalization(),
                             L.LeakyReLU()])  # fmt: skip
        x = down(x)
        skips.append(x)
    for filters, skip in zip((6, 4), reversed(skips[:-1]), strict=True):
        up = k.Sequential([L.Conv2DTranspose(filters, 4, strides=2, padding="same", use_bias=False),
                           L.BatchNormalization(), L.Dropout(0.5), L.ReLU()])  # fmt: skip
        x = L.Concatenate()([up(x), skip])
    return k.Model(inputs, L.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh")(x))


@published
def patch_gan(k: Any) -> Any:
    """A discriminator of patches of two images, 2019."""
    L = k.layers
    source, target = k.Input((16, 16, 3), name="input_image"), k.Input((16, 16, 3), name="target_image")
    x = L.LeakyReLU()(L.Conv2D(4, 4, strides=2, padding="same", use_bias=False)(L.concatenate([source, target])))
    x = L.Conv2D(6, 4, strides=1, use_bias=False)(L.ZeroPadding2D()(x))
    x = L.ZeroPadding2D()(L.LeakyReLU()(L.BatchNormalization()(x)))
    return k.Model([source, target], L.Conv2D(1, 4, strides=1)(x))


@published
def cyclegan(k: Any) -> Any:
    """Reflected borders and residuals normalized per image, Keras's example 2020."""
    L, f = k.layers, functions(k)
    inputs = k.Input((12, 12, 3))
    x = f.pad(inputs, [[0, 0], [3, 3], [3, 3], [0, 0]], mode="reflect")
    x = L.Activation("relu")(L.GroupNormalization(groups=-1)(L.Conv2D(4, 7, use_bias=False)(x)))
    y = f.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
    x = L.add([x, L.GroupNormalization(groups=-1)(L.Conv2D(4, 3, use_bias=False)(y))])
    x = L.Conv2DTranspose(4, 3, strides=2, padding="same", use_bias=False)(x)
    return k.Model(inputs, L.Activation("tanh")(L.Conv2D(3, 7, padding="same")(x)))


@published
def style_gan(k: Any) -> Any:
    """A mapped style that scales and shifts normalized channels, 2021."""
    L, f = k.layers, functions(k)
    noise, constant = k.Input((6,)), k.Input((4, 4, 5))
    style = noise / f.sqrt(f.mean(f.square(noise), axis=-1, keepdims=True) + 1e-8)
    for _ in range(2):
        style = L.LeakyReLU(0.2)(L.Dense(6)(style))
    x = L.Conv2D(5, 3, padding="same")(L.UpSampling2D(2, interpolation="bilinear")(constant))
    x = x - f.mean(x, axis=(1, 2), keepdims=True)
    x = x / f.sqrt(f.mean(f.square(x), axis=(1, 2), keepdims=True) + 1e-5)
    scale, shift = (L.Reshape((1, 1, 5))(L.Dense(5)(style)) for _ in range(2))
    return k.Model([noise, constant], L.Conv2D(3, 1)(x * (scale + 1) + shift))


@published
def super_resolution(k: Any) -> Any:
    """Subpixels of a single channel, Keras's example 2020."""
    L, f = k.layers, functions(k)
    inputs = k.Input((None, None, 1))
    options = {"activation": "relu", "kernel_initializer": "orthogonal", "padding": "same"}
    x = L.Conv2D(6, 3, **options)(L.Conv2D(6, 5, **options)(inputs))
    x = L.Conv2D(9, 3, **options)(x)
    return k.Model(inputs, f.depth_to_space(x, 3))


@published
def edsr(k: Any) -> Any:
    """Residual blocks without normalization, 2021."""
    L, f = k.layers, functions(k)
    inputs = k.Input((8, 8, 3))
    x = before = L.Conv2D(8, 3, padding="same")(L.Rescaling(1.0 / 255)(inputs))
    for _ in range(2):
        y = L.Conv2D(8, 3, padding="same")(L.Conv2D(8, 3, padding="same", activation="relu")(x))
        x = L.Add()([x, y * 0.1])
    x = L.Add()([before, L.Conv2D(8, 3, padding="same")(x)])
    x = f.depth_to_space(L.Conv2D(16, 3, padding="same")(x), 2)
    return k.Model(inputs, L.Rescaling(255)(L.Conv2D(3, 3, padding="same")(x)))


@published
def dncnn(k: Any) -> Any:
    """The noise subtracted from the image, 2018."""
    L = k.layers
    inputs = k.Input((None, None, 1))
    x = L.Activation("relu")(L.Conv2D(6, 3, padding="same")(inputs))
    x = L.Activation("relu")(
        L.BatchNormalization(axis=3, momentum=0.0, epsilon=0.0001)(L.Conv2D(6, 3, padding="same")(x))
    )
    return k.Model(inputs, L.Subtract()([inputs, L.Conv2D(1, 3, padding="same")(x)]))


@published
def low_light(k: Any) -> Any:
    """Zero-DCE: curves applied to the image again and again, Keras's example 2021."""
    L, f = k.layers, functions(k)
    image = k.Input((None, None, 3))
    x = L.Conv2D(6, 3, activation="relu", padding="same")(image)
    y = L.Conv2D(6, 3, activation="relu", padding="same")(x)
    curves = L.Conv2D(6, 3, activation="tanh", padding="same")(L.Concatenate(axis=-1)([x, y]))
    enhanced = image
    for curve in f.split(curves, 2, axis=-1):
        enhanced = enhanced + curve * (f.square(enhanced) - enhanced)
    return k.Model(image, enhanced)


@published
def diffusion(k: Any) -> Any:
    """Sinusoidal times added to residual blocks with attention, Keras's example 2022."""
    L, f = k.layers, functions(k)
    image, time = k.Input((8, 8, 3)), k.Input((1,))
    angles = time * np.exp(-2.0 * np.arange(4, dtype=np.float32))
    t = L.Dense(8, activation="swish")(f.concatenate([f.sin(angles), f.cos(angles)], axis=-1))
    x = L.Conv2D(8, 3, padding="same")(image)
    y = L.Conv2D(8, 3, padding="same")(L.Activation("swish")(L.GroupNormalization(4)(x)))
    y = y + L.Reshape((1, 1, 8))(L.Dense(8)(t))
    x = x + L.Conv2D(8, 3, padding="same", kernel_initializer="zeros")(
        L.Activation("swish")(L.GroupNormalization(4)(y))
    )
    flat = L.Reshape((64, 8))(L.GroupNormalization(4)(x))
    x = x + L.Reshape((8, 8, 8))(L.MultiHeadAttention(2, 4)(flat, flat))
    return k.Model([image, time], L.Conv2D(3, 3, padding="same")(L.UpSampling2D(2)(L.AveragePooling2D(2)(x))))

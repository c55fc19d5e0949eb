"""STFTSpectrogram and MelSpectrogram."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sofie_jit.frontends.keras.layers.call import LayerCall
from sofie_jit.frontends.keras.layers.registry import WeightNames, layer
from sofie_jit.frontends.keras.masks import stops
from sofie_jit.ir import ops
from sofie_jit.ir.builder import Symbol
from sofie_jit.ir.dims import product, static_dim
from sofie_jit.ir.operators.conv import Conv
from sofie_jit.ir.types import check_table

# -- STFTSpectrogram -------------------------------------------------------------------------------------------------


def stft_weights(config: Mapping[str, Any]) -> WeightNames:
    """The windowed bases of the transform that the mode needs."""
    return tuple(f"{part}_kernel" for part in ("real", "imag") if config["mode"] not in ({"real", "imag"} - {part}))


@layer("STFTSpectrogram", weights=stft_weights, mask=stops)
def stft_spectrogram(call: LayerCall, x: Symbol) -> Symbol:
    """The spectrum of each channel over time, by a convolution with the bases, in one of seven modes."""
    config, mode = call.config, call.config["mode"]
    config.ignore("window", "periodic", "scaling")  # are in the weights
    channels_last = config["data_format"] == "channels_last"
    length = int(config["frame_length"])
    step = int(config["frame_step"] or length // 2)
    bins = int(config["fft_length"] or 2 ** int(np.ceil(np.log2(length)))) // 2 + 1
    names = stft_weights(config)
    kernel = np.concatenate([call.weight(name, (length, 1, bins)) for name in names], axis=-1)

    signals = ops.swapaxes(x, 1, 2) if channels_last else x
    rows = ops.reshape(signals, (product(*signals.shape[:2]), signals.shape[2], 1))
    pad = "VALID" if config["padding"] == "valid" else "SAME_UPPER"
    operator = Conv(strides=[step], auto_pad=pad, layout="NHWC", kernel_layout="HWIO")
    frames = call.add(operator, rows, call.constant(kernel, "kernel"))
    spectra = ops.reshape(frames, (*signals.shape[:2], *frames.shape[1:]))  # (batch, channels, time, frequencies)
    if mode not in ("real", "imag", "stft"):
        spectra = _of_complex(mode, *ops.split(spectra, 2, -1))

    batch, channels, time, frequencies = spectra.shape
    if config["expand_dims"]:
        return ops.transpose(spectra, (0, 2, 3, 1)) if channels_last else spectra
    if channels_last:
        return ops.reshape(ops.swapaxes(spectra, 1, 2), (batch, time, product(channels, frequencies)))
    return ops.reshape(ops.swapaxes(spectra, 2, 3), (batch, product(channels, frequencies), time))


def _of_complex(mode: str, real: Symbol, imaginary: Symbol) -> Symbol:
    if mode == "angle":
        return ops.arctan2(imaginary, real)
    power = ops.add(ops.square(real), ops.square(imaginary))
    if mode == "psd":  # the inner frequencies count twice, for their mirror images
        twice = np.full(static_dim("Spectrogram", power.shape, -1), 2, power.dtype)
        twice[[0, -1]] = 1
        return ops.multiply(power, twice)
    magnitude = ops.sqrt(ops.maximum(power, ops.EPSILON))
    return magnitude if mode == "magnitude" else ops.log(ops.maximum(magnitude, ops.EPSILON))


# -- MelSpectrogram --------------------------------------------------------------------------------------------------


@layer("MelSpectrogram", mask=stops)
def mel_spectrogram(call: LayerCall, x: Symbol) -> Symbol:
    """The spectrum over time in bands of the mel scale, by default in decibels.

    With ``power_to_db``, values more than ``top_db`` below the maximum of the whole batch are raised to that level, so
    a row of the result depends on the others, as in Keras.
    """
    config, dtype = call.config, call.dtype
    size = int(config["fft_length"])
    length, stride = int(config["sequence_length"] or size), int(config["sequence_stride"])
    x = ops.cast(x, dtype)
    real, imaginary = ops.stft(x, length, stride, size, config["window"], center=True)
    power = ops.add(ops.square(real), ops.square(imaginary))
    exponent = float(config["mag_exp"])
    loudness = power if exponent == 2 else ops.power(ops.sqrt(power), exponent)
    bands = _mel_bands(
        int(config["num_mel_bins"]), size // 2 + 1, float(config["sampling_rate"]), float(config["min_freq"]),
        float(config["max_freq"] or int(config["sampling_rate"] / 2)),
    )  # fmt: skip
    mel = ops.matmul(loudness, call.constant(bands.astype(dtype), "bands"))
    for option in ("top_db", "min_power", "ref_power"):
        config.ignore(option)
    if config["power_to_db"]:
        least = float(config["min_power"])
        reference = 10 * np.log10(max(abs(float(config["ref_power"])), least))
        mel = ops.subtract(ops.multiply(ops.log10(ops.maximum(mel, least)), 10.0), reference)
        mel = ops.maximum(mel, ops.subtract(ops.max(mel), float(config["top_db"])))
    return ops.swapaxes(mel, -1, -2)


def _mel_bands(bands: int, bins: int, sampling_rate: float, low: float, high: float) -> np.ndarray:
    """Triangular filters over the frequencies, (bins, bands), in float64; those of Keras, in float32, are 1e-5 off."""

    def mel(hertz: Any) -> Any:
        return 1127 * np.log1p(np.asarray(hertz) / 700)

    check_table("MelSpectrogram", bands, bins)
    frequencies = mel(np.linspace(0, sampling_rate / 2, bins)[1:, np.newaxis])
    edges = np.linspace(mel(low), mel(high), bands + 2)
    lower, center, upper = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.minimum((frequencies - lower) / (center - lower), (upper - frequencies) / (upper - center))
    return np.concatenate([np.zeros((1, bands)), np.maximum(triangles, 0)])

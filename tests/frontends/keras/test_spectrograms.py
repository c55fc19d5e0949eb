"""STFTSpectrogram and MelSpectrogram against Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from tolerance import ABSOLUTE, check, check_file, distance

keras = pytest.importorskip("keras")

MODES = ["log", "magnitude", "psd", "real", "imag", "angle", "stft"]
SIZES: dict[str, Any] = {"frame_length": 32, "frame_step": 10}
STFT: dict[str, dict[str, Any]] = {
    **{mode: {"mode": mode, **SIZES} for mode in MODES},
    "expanded": {**SIZES, "expand_dims": True},
    "same": {**SIZES, "padding": "same", "scaling": "spectrum"},
    "longer transform": {**SIZES, "fft_length": 48, "window": "hamming", "periodic": True},
    "no window": {"frame_length": 20, "window": None, "scaling": None, "mode": "psd"},
    "stft expanded": {**SIZES, "mode": "stft", "expand_dims": True},
}
MEL: dict[str, dict[str, Any]] = {
    "defaults": {"fft_length": 64, "sequence_stride": 20, "num_mel_bins": 12},
    "short windows": {"fft_length": 64, "sequence_stride": 25, "sequence_length": 40, "num_mel_bins": 8,
                      "window": "hamming"},
    "linear": {"fft_length": 64, "sequence_stride": 20, "num_mel_bins": 10, "power_to_db": False, "mag_exp": 1.0},
    "options": {"fft_length": 50, "sequence_stride": 20, "num_mel_bins": 10, "sampling_rate": 8000, "min_freq": 100.0,
                "max_freq": 3000.0, "top_db": 40.0, "ref_power": 2.0, "min_power": 1e-6, "mag_exp": 1.5},
}  # fmt: skip


def signals(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(("data_format", "suffix"), [("channels_last", ".h5"), ("channels_first", ".keras")])
def test_stft_spectrogram(data_format: str, suffix: str, tmp_path: Path) -> None:
    shape = (75, 2) if data_format == "channels_last" else (2, 75)
    inputs = keras.Input(shape)
    outputs = [keras.layers.STFTSpectrogram(data_format=data_format, **options)(inputs) for options in STFT.values()]
    check_file(keras.Model(inputs, outputs), signals(3, *shape), tmp_path, suffix)


def test_signals_of_any_length() -> None:
    inputs = keras.Input((None, 2))
    options = {"frame_length": 16, "frame_step": 8, "fft_length": 32}
    outputs = [keras.layers.STFTSpectrogram(mode=mode, **options)(inputs) for mode in ("magnitude", "psd", "stft")]
    model = keras.Model(inputs, outputs)
    loaded = sofie_jit.load(model)
    for length in (16, 40, 75):
        check(loaded.infer(signals(3, length, 2)), model, signals(3, length, 2))


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_mel_spectrogram(suffix: str, tmp_path: Path) -> None:
    inputs = keras.Input((210,))
    model = keras.Model(inputs, [keras.layers.MelSpectrogram(**options)(inputs) for options in MEL.values()])
    x = signals(3, 210) * np.array([[1.0], [1e-2], [1e-3]], np.float32)  # the loudest row sets the floor of all
    loaded = check_file(model, x, tmp_path, suffix)
    assert loaded.infer(x[:0])[0].shape == (0, 12, 11)


def test_a_second_of_sound() -> None:
    """Keras computes the bands in float32: it may be further from the definition, in float64, than we are."""
    layer = keras.layers.MelSpectrogram(num_mel_bins=80, sampling_rate=8000, power_to_db=False)
    inputs = keras.Input((8000,))
    x = signals(2, 8000)
    got = sofie_jit.load(keras.Model(inputs, layer(inputs))).infer(x)

    padded = np.pad(x.astype(np.float64), [(0, 0), (1024, 1024)], mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, 2048, axis=1)[:, ::512]
    power = np.abs(np.fft.rfft(frames * (0.5 - 0.5 * np.cos(2 * np.pi / 2048 * np.arange(2048))))) ** 2
    mel = [1127 * np.log(1 + hertz / 700) for hertz in (np.linspace(0, 4000, 1025)[1:], 20.0, 4000.0)]
    edges = np.linspace(mel[1], mel[2], 82)
    bands = [np.interp(mel[0], edges[i : i + 3], [0, 1, 0]) for i in range(80)]
    want = np.einsum("btf,mf->bmt", power[..., 1:], bands)
    ours, theirs = distance(got, want), distance(np.asarray(layer(x)), want)
    assert ours <= max(2 * theirs, ABSOLUTE)
    assert ours < 3e-7

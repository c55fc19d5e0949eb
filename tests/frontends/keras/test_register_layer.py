"""Custom layers: taught with register_layer, with a C++ kernel of their own, or replaced at load."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sofie_jit
from sofie_jit import KernelOperator, frontends, register_layer
from sofie_jit import extend as custom
from sofie_jit.errors import ModelFileError
from sofie_jit.ir import ops
from sofie_jit.verification.evaluate import evaluate
from tolerance import check_file, distance, randomize

DOCS = Path(__file__).parents[3] / "docs" / "custom_layers.md"


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Leaves no layer registered."""
    yield
    for key in list(custom._registered):
        package, _, name = key.rpartition(">")
        custom.unregister_layer(name, package=package or None)


@pytest.fixture
def custom_model() -> Any:
    """A model with a layer of a user's own, which has a weight and an option."""
    import keras

    @keras.saving.register_keras_serializable(package="tests")
    class Scale(keras.layers.Layer):
        def __init__(self, offset: float, **options: Any):
            super().__init__(**options)
            self.offset = offset

        def build(self, shape: Any) -> None:
            self.factor = self.add_weight(name="factor", shape=(shape[-1],))

        def call(self, x: Any) -> Any:
            return x * self.factor + self.offset

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "offset": self.offset}

    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(2)(Scale(0.5)(keras.layers.Dense(3)(inputs)))
    return randomize(keras.Model(inputs, outputs))


X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("package", [None, "tests"])
def test_composed_of_operators(custom_model: Any, package: str | None, suffix: str, tmp_path: Path) -> None:
    @register_layer("Scale", package=package, weights=["factor"])
    def scale(call: Any, x: Any) -> Any:
        return x * call.weight("factor", (x.shape[-1],)) + call.config["offset"]

    check_file(custom_model, X, tmp_path, suffix)


def test_functions_without_a_module(custom_model: Any) -> None:
    """Functions of ``exec`` have no module, if its variables have no ``__name__``."""
    names: dict[str, Any] = {}
    exec("def scale(call, x):\n    return x * call.weight('factor', (3,)) + call.config['offset']", names)
    assert names["scale"].__module__ is None
    register_layer("Scale", weights=["factor"])(names["scale"])
    register_layer("Scale", weights=["factor"])(names["scale"])  # in place of the first
    assert sofie_jit.check(custom_model).ok


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_wrapper_whose_layer_has_the_options_of_its_keras(library: str, suffix: str, tmp_path: Path) -> None:
    """hard_sigmoid has another slope in Keras 2."""
    module = importlib.import_module(library)

    @module.saving.register_keras_serializable(package=f"tests_{library}")
    class Twice(module.layers.Wrapper):  # type: ignore[misc, name-defined]
        def call(self, x: Any) -> Any:
            return self.layer(x) + self.layer(x)

    @register_layer("Twice", package=f"tests_{library}", weights=["layer/kernel", "layer/bias"])
    def twice(call: Any, x: Any) -> Any:
        return call.sublayer("layer", call.config["layer"])(x) * 2

    inputs = module.Input((4,))
    model = randomize(module.Model(inputs, Twice(module.layers.Dense(3, activation="hard_sigmoid"))(inputs)))
    model.save(tmp_path / f"m{suffix}")
    np.testing.assert_allclose(evaluate(frontends.open(tmp_path / f"m{suffix}")(), X)[0], model(X), atol=1e-6)


def test_exceptions_of_a_registered_function_are_its_own(custom_model: Any) -> None:
    register_layer("Scale", weights=["factor"])(lambda call, x: x + int("one"))
    message = (
        r"scale\w* \(.*Scale\): cannot be translated .* or this is a bug of the function that is registered for Scale"
    )
    with pytest.raises(ModelFileError, match=message) as caught:
        frontends.open(custom_model)()
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_an_activation_of_the_users_own_is_a_layer_without_weights(suffix: str, tmp_path: Path) -> None:
    import keras

    def twice(x: Any) -> Any:
        return keras.ops.tanh(x) * 2

    model = randomize(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation=twice)]))
    model.save(tmp_path / f"m{suffix}")
    with pytest.raises(sofie_jit.UnsupportedLayerError, match=r"'twice' is not one of.*register_layer\('twice'\)"):
        sofie_jit.load(tmp_path / f"m{suffix}")
    register_layer("twice")(lambda call, x: ops.tanh(x) * 2)
    check_file(model, X, tmp_path, suffix)


def test_an_option_that_is_not_read_is_refused(custom_model: Any, tmp_path: Path) -> None:
    register_layer("Scale", weights=["factor"])(lambda call, x: x * call.weight("factor"))
    custom_model.save(tmp_path / "m.keras")
    with pytest.raises(sofie_jit.UnsupportedLayerError, match=r"offset=0\.5 is not supported"):
        sofie_jit.load(tmp_path / "m.keras")


def test_registering_again_replaces_and_names_of_our_own_are_taken(custom_model: Any, tmp_path: Path) -> None:
    for factor in (3.0, 1.0):

        @register_layer("Scale", weights=["factor"])
        def scale(call: Any, x: Any, factor: float = factor) -> Any:
            return x * call.weight("factor") * factor + call.config["offset"]

    check_file(custom_model, X, tmp_path, ".keras")
    with pytest.raises(sofie_jit.OptionError, match="no function is registered for 'Missing'"):
        sofie_jit.unregister_layer("Missing")
    with pytest.raises(sofie_jit.OptionError, match="'Dense' already has a handler"):
        register_layer("Dense")(scale)


def test_without_it_the_message_says_what_to_do(custom_model: Any, tmp_path: Path) -> None:
    custom_model.save(tmp_path / "m.keras")
    with pytest.raises(sofie_jit.UnsupportedLayerError, match=r"custom class of 'tests'.*register_layer.*replace="):
        sofie_jit.load(tmp_path / "m.keras")


KERNEL = """
#include <cmath>

// the distance of every number from a point
template <class T>
void distance(std::size_t n, T point, const T *x, T *y)
{
   for (std::size_t i = 0; i < n; ++i)
      y[i] = std::fabs(x[i] - point);
}
"""


def lambda_model() -> Any:
    import keras

    inputs = keras.Input((4,))
    x = keras.layers.Lambda(lambda t: abs(t - 0.25), name="distance")(keras.layers.Dense(6)(inputs))
    return randomize(keras.Model(inputs, keras.layers.Dense(2)(x)))


def own_kernel(x: Any) -> Any:
    return x.builder.add(KernelOperator(source=KERNEL, function="distance", parameters=[0.25]), x)


@pytest.mark.parametrize(
    "function", [lambda t: abs(t - 0.25), lambda t: ops.absolute(t - np.float32(0.25)), own_kernel],
    ids=["arithmetic", "ops", "kernel"],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_replace(function: Any, suffix: str, tmp_path: Path) -> None:
    model = lambda_model()
    model.save(tmp_path / f"m{suffix}")
    for batch in (1, 5, 300):
        x = np.random.default_rng(0).normal(size=(batch, 4)).astype(np.float32)
        got = sofie_jit.load(tmp_path / f"m{suffix}", replace={"distance": function}).infer(x)
        assert distance(got, np.asarray(model(x))) < 2e-6  # Keras cannot rebuild a Lambda in float64


def of_kernels(*factors: int) -> sofie_jit.RModel:
    """Kernels with one function name and different sources."""
    rmodel = sofie_jit.RModel("kernels")
    rmodel.add_input_tensor_info("x", "float32", (None, 3))
    for factor in factors:
        source = (
            "template <class T> void scale(std::size_t n, const T *x, T *y)"
            f"{{ for (std::size_t i = 0; i < n; ++i) y[i] = {factor} * x[i]; }}"
        )
        kernel = KernelOperator(source=source, function="scale", inputs=["x"], outputs=[f"y{factor}"])
        rmodel.add_operator(kernel)
        rmodel.add_output_tensor_names(kernel.outputs)
    return rmodel


def test_kernels_of_one_name_do_not_clash() -> None:
    """Within a model, among the models of a process, and in a header."""
    x = np.arange(3, dtype=np.float32)[np.newaxis]
    rmodel = of_kernels(2, 3)
    for found, factor in zip(rmodel.compile().infer(x), (2, 3), strict=True):
        np.testing.assert_array_equal(found, factor * x)
    for factor in (4, 5):
        np.testing.assert_array_equal(of_kernels(factor).compile().infer(x), factor * x)
    header = rmodel.compile().header
    assert len(set(re.findall(r"namespace (user_\w+)", header))) == 2
    assert "y[i] = 2 * x[i]" in header
    assert "y[i] = 3 * x[i]" in header


@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_a_kernel_goes_into_exported_headers(tmp_path: Path) -> None:
    model = lambda_model()
    model.save(tmp_path / "m.keras")
    loaded = sofie_jit.load(tmp_path / "m.keras", replace={"distance": own_kernel})
    loaded.save_header(tmp_path / "m.hxx")
    (tmp_path / "main.cc").write_text(
        '#include "m.hxx"\n#include <cstdio>\nint main() { const TMVA_SOFIE_m::Session s("m.dat"); const float x[4] = '
        '{1, 2, 3, 4}; for (float y : s.infer(x)) std::printf("%.9g\\n", y); }\n'
    )
    subprocess.run(["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "main.cc", "-o", "m"], cwd=tmp_path, check=True)
    run = subprocess.run(["./m"], cwd=tmp_path, check=True, capture_output=True, text=True)
    want = loaded.infer(np.array([[1, 2, 3, 4]], np.float32))[0]
    np.testing.assert_allclose(np.array(run.stdout.split(), float), want, rtol=1e-5)


def test_what_replace_refuses(tmp_path: Path) -> None:
    lambda_model().save(tmp_path / "m.keras")
    with pytest.raises(sofie_jit.ModelFileError, match=r"names 'lambda_7', which is not a layer.*distance"):
        sofie_jit.load(tmp_path / "m.keras", replace={"lambda_7": abs})
    with pytest.raises(sofie_jit.GraphError, match=r"must return tensors.*it returned 3"):
        sofie_jit.load(tmp_path / "m.keras", replace={"distance": lambda t: 3})
    with pytest.raises(sofie_jit.GraphError, match=r"distance \(.*<lambda>\(\), cannot be called .* \(float32 \(batch"):
        sofie_jit.load(tmp_path / "m.keras", replace={"distance": lambda: 3})
    with pytest.raises(sofie_jit.GraphError, match="Python cannot test it"):
        sofie_jit.load(tmp_path / "m.keras", replace={"distance": lambda t: t if t > 0 else -t})
    with pytest.raises(sofie_jit.GraphError, match="defines no function 'near'"):
        bad = KernelOperator(source=KERNEL, function="near")
        sofie_jit.load(tmp_path / "m.keras", replace={"distance": lambda t: t.builder.add(bad, t)})
    with pytest.raises(sofie_jit.CompileError, match="see the source given to KernelOperator"):
        bad = KernelOperator(
            source="template <class T> void wrong(std::size_t, const T *, T *y) { y = 1.5; }", function="wrong"
        )
        sofie_jit.load(tmp_path / "m.keras", replace={"distance": lambda t: t.builder.add(bad, t)})
    with pytest.raises(ZeroDivisionError):
        sofie_jit.load(tmp_path / "m.keras", replace={"distance": lambda t: t * (1 / 0)})


def test_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's examples run, one after the other."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "docs"}
    blocks = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    for number, block in enumerate(blocks):
        exec(compile(block, f"custom_layers.md, block {number}", "exec"), names)

"""Modules of PyTorch, live, as .pt2 and as TorchScript files, against torch. Skipped where torch is not installed."""

from __future__ import annotations

import copy
import inspect
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch, which has an environment of its own in .ci/run")

import argument_modules  # noqa: E402, F401  (further cases)
import control_modules  # noqa: E402, F401
import function_modules  # noqa: E402, F401
import layer_modules  # noqa: E402, F401
import network_modules  # noqa: E402, F401
from modules import CASES, Case  # noqa: E402
from without_torch import WithoutTorch  # noqa: E402

import sofie_jit  # noqa: E402
from sofie_jit import frontends  # noqa: E402
from sofie_jit.frontends.base import Translation  # noqa: E402
from sofie_jit.models.arguments import open_shape  # noqa: E402
from sofie_jit.verification.difference import TOLERANCE, distance  # noqa: E402
from sofie_jit.verification.evaluate import evaluate  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
BATCHES = (1, 3, 4)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.disable(logging.CRITICAL)
    torch.manual_seed(0)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def without_torch() -> Any:
    """A process in which ``import torch`` fails."""
    process = WithoutTorch()
    yield process
    process.close()


def made(case: Case) -> Any:
    """The module of a case, with statistics that are not the default ones."""
    module = case.module().eval()
    for buffer in module.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return module


def flat(value: Any) -> list[np.ndarray]:
    """The tensors and numbers in nested results, in order, without None."""
    if value is None:
        return []
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [array for part in value for array in flat(part)]
    return [value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)]


def in_float64(module: Any, inputs: Any) -> list[np.ndarray] | None:
    """The outputs in float64; None for modules that mix types."""
    try:
        return flat(copy.deepcopy(module).double()(*(x.double() if x.is_floating_point() else x for x in inputs)))
    except RuntimeError:
        return None


def check(found: list[np.ndarray], module: Any, inputs: Any) -> None:
    """Asserts that ``found`` are the outputs of a module, by the rule of tests/tolerance.py."""
    expected = flat(module(*inputs))
    assert [(y.shape, y.dtype) for y in found] == [(y.shape, y.dtype) for y in expected]
    exact = in_float64(module, inputs)
    for index, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        if not np.issubdtype(theirs.dtype, np.floating):
            assert np.array_equal(ours, theirs), index
        elif distance(ours, theirs) > TOLERANCE:
            assert exact is not None, index
            assert distance(ours, exact[index]) <= max(2 * distance(theirs, exact[index]), TOLERANCE), index


def check_file(
    process: WithoutTorch, path: Path, options: dict[str, Any], case: Case, module: Any, compiled: bool = False
) -> None:
    """Asserts that a file, loaded in a process without torch, gives the outputs of a module for several batches."""
    batches = [case.inputs(batch) for batch in (BATCHES if case.open_batch else (4,))]
    found = process.outputs(path, options, [[x.numpy() for x in inputs] for inputs in batches], compiled)
    for inputs, outputs in zip(batches, found, strict=True):
        check(outputs, module, inputs)


def check_translation(translation: Translation, case: Case, module: Any) -> None:
    """Asserts that a translation, evaluated in numpy, gives the outputs of a module for several batches."""
    network = translation()
    for batch in BATCHES if case.open_batch else (4,):
        inputs = case.inputs(batch)
        check(evaluate(network, [x.numpy() for x in inputs]), module, inputs)


def shapes_of(case: Case, module: Any, inputs: Any) -> Any:
    """``dynamic_shapes=`` with an open batch, or the open sizes of the case."""
    names = {name for shape in case.shapes or () for name in shape if isinstance(name, str)}
    dims = {name: torch.export.Dim(name, min=4, max=999) for name in sorted(names)}
    dims["batch"] = torch.export.Dim("batch")
    shapes = case.shapes or [("batch", *x.shape[1:]) for x in inputs]
    found = tuple({axis: dims[name] for axis, name in enumerate(shape) if isinstance(name, str)} for shape in shapes)
    kinds = [parameter.kind for parameter in inspect.signature(module.forward).parameters.values()]
    return (found,) if inspect.Parameter.VAR_POSITIONAL in kinds else found


def script_options(case: Case, inputs: Any) -> dict[str, Any]:
    """The options of a TorchScript file."""
    return {
        "input_shapes": case.shapes or [(None, *x.shape[1:]) for x in inputs],
        "input_dtypes": [str(x.dtype).removeprefix("torch.") for x in inputs],
    }


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.exportable])
def test_exported(name: str, tmp_path: Path, without_torch: WithoutTorch) -> None:
    case = CASES[name]
    module, inputs = made(case), case.inputs(4)
    program = torch.export.export(
        module, inputs, dynamic_shapes=shapes_of(case, module, inputs) if case.open_batch else None
    )
    torch.export.save(program, tmp_path / "m.pt2")
    check_file(without_torch, tmp_path / "m.pt2", {}, case, module)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.traceable])
def test_traced(name: str, tmp_path: Path, without_torch: WithoutTorch) -> None:
    case = CASES[name]
    module, inputs = made(case), case.inputs(4)
    torch.jit.save(torch.jit.trace(module, inputs, check_trace=False, strict=False), tmp_path / "m.pt")
    check_file(without_torch, tmp_path / "m.pt", script_options(case, inputs), case, module)


def check_compiled(model: sofie_jit.Model, case: Case, module: Any) -> None:
    """Asserts that a compiled model gives the outputs of a module for several batches."""
    for batch in (1, 2, 5) if case.open_batch else (4,):
        inputs = case.inputs(batch)
        check(flat(model.infer(*(x.numpy() for x in inputs))), module, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_all_sources_compiled(name: str, tmp_path: Path, without_torch: WithoutTorch) -> None:
    case = CASES[name]
    module, inputs = made(case), case.inputs(4)
    if case.exportable:
        dims = shapes_of(case, module, inputs) if case.open_batch else None
        program = torch.export.export(module, inputs, dynamic_shapes=dims)
        torch.export.save(program, tmp_path / "m.pt2")
        check_file(without_torch, tmp_path / "m.pt2", {}, case, module, compiled=True)
        check_compiled(sofie_jit.load(module, example_inputs=inputs, dynamic_shapes=dims), case, module)
    if case.traceable:
        torch.jit.save(torch.jit.trace(module, inputs, check_trace=False, strict=False), tmp_path / "m.pt")
        check_file(without_torch, tmp_path / "m.pt", script_options(case, inputs), case, module, compiled=True)


COMPILED = ("mlp", "cnn", "lstm", "transformer_encoder", "edge_conv", "scattering", "mixed_types", "resizing",
            "cond_nested", "while_with_branch")  # fmt: skip


@pytest.mark.parametrize("name", COMPILED)
def test_live_modules_compiled(name: str) -> None:
    case = CASES[name]
    module = made(case)
    inputs = case.inputs(4)
    model = sofie_jit.load(module, example_inputs=inputs, dynamic_shapes=shapes_of(case, module, inputs))
    check_compiled(model, case, module)


@pytest.mark.parametrize("name", ["cnn", "lstm", "attention", "transformer_norm_first", "reductions", "embedding",
                                  "norms_of_all_kinds", "borders"])  # fmt: skip
def test_core_operators(name: str) -> None:
    """Programs after run_decompositions, which consist of the core ATen opset."""
    case = CASES[name]
    module, inputs = made(case), case.inputs(4)
    dims = shapes_of(case, module, inputs) if case.open_batch else None
    program = torch.export.export(module, inputs, dynamic_shapes=dims).run_decompositions()
    check_translation(frontends.open(program), case, module)


class Attention(torch.nn.Module):
    """Layers that PyTorch computes by one operator each while no gradients are recorded."""

    def __init__(self) -> None:
        super().__init__()
        layer = torch.nn.TransformerEncoderLayer
        self.layers = torch.nn.ModuleList(
            layer(8, 2, 12, 0.0, activation, 1e-3, batch_first=True, norm_first=first)
            for activation in ("relu", "gelu")
            for first in (False, True)
        )
        self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        missing = torch.zeros(x.shape[:2], dtype=torch.bool)
        missing[:, 3:] = True
        later = torch.ones(5, 5, dtype=torch.bool).triu(1)
        found = [layer(x) for layer in self.layers] + [self.layers[0](x, src_mask=later)]
        found.append(self.layers[0](x, src_key_padding_mask=missing))
        for options in (
            {"need_weights": False},
            {"average_attn_weights": False},
            {"key_padding_mask": missing},
            {"attn_mask": later, "average_attn_weights": False},
        ):
            found += [part for part in self.attention(x, x, x, **options) if part is not None]
        return found


def test_operators_of_whole_layers(tmp_path: Path) -> None:
    module, case = Attention().eval(), Case(Attention, lambda batch: (torch.randn(batch, 5, 8),))
    with torch.no_grad():
        traced = torch.jit.trace(module, case.inputs(4), check_trace=False)
        assert {"aten::_transformer_encoder_layer_fwd", "aten::_native_multi_head_attention"} <= {
            node.kind() for node in traced.inlined_graph.nodes()
        }
        torch.jit.save(traced, tmp_path / "m.pt")
        check_translation(frontends.open(tmp_path / "m.pt", input_shapes=[(None, 5, 8)]), case, module)


@torch.jit.script
def sizes(x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:  # pragma: no cover
    found = [x.reshape(x.size()), x + len(x), x * x.dim(), x + x.numel(), x * x.size(-1)]
    first, second = torch.cat([x, x + 1], 1).split(x.size(1), 1)
    third, last = torch.cat([x, x + 1], 1).chunk(2, 1)
    found += [
        first,
        second * 2,
        x[:, x.size(1) - 1],
        third,
        last * 3,
    ]
    if x.is_floating_point() and not y.is_floating_point() and x.dim() == 3:
        found.append(-x)
    return found


class Scripted(torch.nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        return sizes(x, y)


def test_sizes_in_code(tmp_path: Path) -> None:
    module, inputs = Scripted(), (torch.randn(4, 2, 3), torch.ones(4, dtype=torch.int64))
    torch.jit.save(torch.jit.script(module), tmp_path / "m.pt")
    network = frontends.open(
        tmp_path / "m.pt", input_shapes=[(None, "n", 3), (4,)], input_dtypes=["float32", "int64"]
    )()
    check(evaluate(network, [x.numpy() for x in inputs]), module, inputs)


def test_states_of_zeros_are_left_out() -> None:
    """Kernels begin with zeros without reading them."""
    for name, counts in (("lstm", {4}), ("states_as_inputs", {6, 7})):
        case = CASES[name]
        module, inputs = made(case), case.inputs(4)
        program = torch.export.export(module, inputs, dynamic_shapes=shapes_of(case, module, inputs))
        found = {len(op.inputs) for op in frontends.open(program)().operators if op.op_type in ("LSTM", "GRU")}
        assert found == counts


def test_dynamic_dimensions_have_names() -> None:
    rows, steps = torch.export.Dim("rows"), torch.export.Dim("steps", min=3, max=100)
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Softmax(1)).eval()
    model = sofie_jit.load(module, example_inputs=torch.randn(2, 7, 3), dynamic_shapes=({0: rows, 1: steps},))
    assert model.input_shapes == [(None, None, 3)]
    for shape in ((1, 5, 3), (4, 9, 3)):
        x = torch.randn(shape)
        check(flat(model.infer(x.numpy())), module, (x,))


def test_compare_with_torch(tmp_path: Path) -> None:
    case = CASES["resnet"]
    module, inputs = made(case), case.inputs(2)
    program = torch.export.export(module, inputs, dynamic_shapes=shapes_of(case, module, inputs))
    torch.export.save(program, tmp_path / "m.pt2")
    found = sofie_jit.compare(tmp_path / "m.pt2", layers=True, batches=[2])
    assert found.ok
    assert {"1", "1.conv1", "2.relu"} <= {layer.name.partition(" ")[0] for layer in found.layers}
    assert all(layer.ok for layer in found.layers)
    assert found.library == "PyTorch"


def test_modules_that_need_examples() -> None:
    with pytest.raises(sofie_jit.OptionError, match=r"example_inputs=\(torch\.zeros"):
        sofie_jit.load(torch.nn.Linear(2, 3))


def test_training_mode_is_left_as_it_was() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout())
    frontends.open(module, example_inputs=torch.zeros(3, 2))
    assert module.training


class Scaled(torch.nn.Module):
    def forward(self, x: torch.Tensor, *, scale: torch.Tensor, shift: torch.Tensor | None = None) -> torch.Tensor:
        return x * scale if shift is None else x * scale + shift


class OneRow(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(1, 4)


def test_the_batch_of_live_modules_is_open(recwarn: pytest.WarningsRecorder) -> None:
    linear, x = torch.nn.Linear(4, 2), torch.randn(1, 4)
    for module, inputs, keywords in (
        (linear, (x,), {}),
        (linear, x, {}),
        (linear, (torch.randn(3, 4),), {}),
        (Scaled(), (x,), {"scale": torch.randn(1, 1)}),
        (Scaled(), (x,), {"scale": torch.randn(1, 1), "shift": torch.randn(4)}),
    ):
        translation = frontends.open(module, example_inputs=inputs, example_kwargs=keywords or None)
        shapes = [kind.shape for kind in translation.inputs.values()]
        assert [open_shape(shape) for shape in shapes] == [(None, 4), (None, 1), (4,)][: len(shapes)]
    assert not [warning for warning in recwarn if "exactly" in str(warning.message)]
    with pytest.warns(UserWarning, match=r"OneRow is loaded for exactly 1 row, .*; dynamic_shapes= says"):
        (kind,) = frontends.open(OneRow(), example_inputs=(x,)).inputs.values()
    assert kind.shape == (1, 4)


def test_nested_outputs() -> None:
    module = made(CASES["nested_outputs"])
    model = sofie_jit.load(module, example_inputs=torch.zeros(2, 3, 4))
    found = model.infer(np.ones((2, 3, 4), np.float32))
    assert set(found) == {"a", "b", "c"}
    assert isinstance(found["b"], list)
    assert isinstance(found["b"][1], tuple)
    assert found["c"]["d"].shape == ()


class Heads(torch.nn.Module):
    """A module that takes and returns dicts."""

    def __init__(self) -> None:
        super().__init__()
        self.flavour, self.mass = torch.nn.Linear(4, 3), torch.nn.Linear(2, 1)

    def forward(self, x: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"flavour": self.flavour(x["jets"]).softmax(-1), "mass": self.mass(x["tracks"])}


def test_tensors_in_dicts_are_named_by_their_keys(tmp_path: Path) -> None:
    module, given = Heads().eval(), {"jets": torch.randn(3, 4), "tracks": torch.randn(3, 2)}
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (given,), dynamic_shapes=({"jets": {0: batch}, "tracks": {0: batch}},))
    torch.export.save(program, tmp_path / "m.pt2")
    arrays = {key: value.numpy() for key, value in given.items()}
    expected = {key: value.detach().numpy() for key, value in module(given).items()}
    for source in (program, tmp_path / "m.pt2"):
        model = sofie_jit.load(source)
        assert model.output_names == ["flavour", "mass"]
        found = model.infer(arrays)
        assert {key: np.allclose(found[key], y, atol=1e-6) for key, y in expected.items()} == {
            "flavour": True,
            "mass": True,
        }
    assert model.rmodel.input_keys == {"jets": "x_jets", "tracks": "x_tracks"}
    model.save_onnx(tmp_path / "m.onnx")
    assert sofie_jit.load(tmp_path / "m.onnx").output_names == ["flavour", "mass"]


class Nested(torch.nn.Module):
    """A module whose results have the same keys at several places."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, dict[str, dict[str, torch.Tensor]]]:
        return x + 1, {"jets": {"y": x * 2}, "tracks": {"y": x * 3}}


def test_nested_keys_are_joined(tmp_path: Path) -> None:
    program = torch.export.export(Nested(), (torch.randn(2, 3),))
    assert sofie_jit.load(program).output_names == ["add", "jets_y", "tracks_y"]
    torch.jit.save(torch.jit.script(Nested()), tmp_path / "m.pt")
    model = sofie_jit.load(tmp_path / "m.pt", input_shapes=[(None, 3)])
    assert model.output_names == ["output_0", "jets_y", "tracks_y"]

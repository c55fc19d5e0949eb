"""Reading of PyTorch's archives: layouts of all versions, and files that are damaged or hostile."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import archives
import numpy as np
import pytest

import sofie_jit
from sofie_jit import frontends
from sofie_jit.errors import ModelFileError, SofieError, UnsupportedLayerError
from sofie_jit.verification.evaluate import evaluate

GOLDEN = Path(__file__).parents[2] / "golden" / "pytorch"
X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = X @ archives.WEIGHTS["w"].T + archives.WEIGHTS["b"]


def result(path: Path, x: np.ndarray = X, **options: Any) -> np.ndarray:
    """The first output of a model, evaluated in numpy."""
    rmodel = frontends.open(path, **options)()
    return evaluate(rmodel, x)[0]


# -- layouts -----------------------------------------------------------------------------------------------------------


def test_raw_weights_of_torch_2_9(tmp_path: Path) -> None:
    assert np.array_equal(result(archives.exported(tmp_path / "m.pt2")), Y)
    assert np.array_equal(result(tmp_path / "m.pt2", untrusted=True), Y)


def test_pickled_weights_of_torch_2_8(tmp_path: Path) -> None:
    model = archives.program(archives.LINEAR, "y", (4, 3), ("w", "b"))
    members = {
        "archive_format": b"pt2", "models/model.json": json.dumps(model).encode(),
        "data/weights/model.pt": archives.state_dict(), "data/constants/model.pt": b"",
    }  # fmt: skip
    assert np.array_equal(result(archives.write(tmp_path / "m.pt2", members)), Y)


def file_of_torch_2_5(path: Path, weights: bytes) -> Path:
    """A ``.pt2`` file as torch 2.5 writes it, of a linear layer."""
    model = archives.program(archives.LINEAR, "y", (4, 3), ("w", "b"))
    model["schema_version"] = {"major": 7, "minor": 3}
    members = {
        "serialized_exported_program.json": json.dumps(model).encode(),
        "serialized_state_dict.pt": weights, "serialized_constants.pt": b"", "version": b"7.3",
    }  # fmt: skip
    return archives.write(path, members, root="")


def test_layout_of_torch_2_5(tmp_path: Path) -> None:
    assert np.array_equal(result(file_of_torch_2_5(tmp_path / "m.pt2", archives.state_dict())), Y)


def test_weights_with_attributes(tmp_path: Path) -> None:
    """Parameters and buffers with attributes in Python, which torch.export gives to some of them."""
    attributes = {"_dynamo_static_input_type": "unguarded", "scale": 2.0}

    def parameter(tensor: archives.Stored) -> archives.Call:
        return archives.Call(
            archives.Global("torch._utils", "_rebuild_parameter_with_state"), (tensor, True, {}, attributes)
        )

    def of_class(tensor: archives.Stored) -> archives.Call:
        function, kind = archives.Global("torch._utils", "_rebuild_parameter"), archives.Global("torch", "Tensor")
        arguments = (function, kind, (tensor, True, {}), attributes)
        return archives.Call(archives.Global("torch._tensor", "_rebuild_from_type_v2"), arguments)

    for wrapped in (parameter, of_class, lambda tensor: of_class(parameter(tensor))):
        assert np.array_equal(result(file_of_torch_2_5(tmp_path / "m.pt2", archives.state_dict(wrapped))), Y)
    foreign = archives.Global("os", "system")
    hostile = archives.Call(archives.Global("torch._tensor", "_rebuild_from_type_v2"), (foreign, foreign, ("ls",), {}))
    refused(file_of_torch_2_5(tmp_path / "m.pt2", archives.state_dict(lambda _: hostile)), "could run code")


def test_compressed_members(tmp_path: Path) -> None:
    path = archives.exported(tmp_path / "m.pt2")
    with zipfile.ZipFile(path) as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    assert np.array_equal(result(archives.write(tmp_path / "n.pt2", members, compression=zipfile.ZIP_DEFLATED)), Y)


def test_strided_and_shared_weights(tmp_path: Path) -> None:
    storage = np.arange(8, dtype=np.float32)
    attributes = {
        "w": archives.Stored("0", "FloatStorage", (2, 3), (1, 2), 1),
        "b": archives.Stored("0", "FloatStorage", (2,), (0,), 7),
    }
    path = archives.script(tmp_path / "m.pt", "return torch.linear(x, self.w, self.b)", attributes, {"0": storage})
    w = np.lib.stride_tricks.as_strided(storage[1:], (2, 3), (4, 8))
    assert np.array_equal(result(path, input_shapes=[(None, 3)]), X @ w.T + 7)


# -- other files -------------------------------------------------------------------------------------------------------


def test_ranges_of_sizes(tmp_path: Path) -> None:
    def text(expression: str) -> dict[str, Any]:
        return {"as_expr": {"expr_str": expression}}

    model = archives.program([archives.node("torch.ops.aten.relu.default", "y", self="x")], "y", (4, 8))
    model["graph_module"]["graph"]["tensor_values"]["x"]["sizes"] = [text("s0"), text("4*s1"), text("4*s1 + 2")]
    model["range_constraints"] = {
        "s0": {"min_val": 3, "max_val": 9}, "s1": {"min_val": 2, "max_val": None}, "4*s1": {"min_val": 8},
    }  # fmt: skip
    loaded = sofie_jit.load(archives.exported(tmp_path / "m.pt2", model))
    assert loaded.dims == {"batch": [("x", 0)], "x_1": [("x", 1)], "x_2": [("x", 2)]}
    assert loaded.infer(np.ones((3, 8, 10), np.float32)).shape == (3, 8, 10)
    for shape, message in (
        ((2, 8, 10), "batch = 2 must be at least 3"),
        ((10, 8, 10), "9 must be at least batch = 10"),
        ((3, 9, 10), "x_1 = 9 must be equal to"),
        ((3, 8, 14), "x_2 = 14 must be equal to"),
    ):
        with pytest.raises(sofie_jit.InputError, match=message):
            loaded.infer(np.ones(shape, np.float32))
    with pytest.raises(sofie_jit.ShapeError, match="3 must be at most 2"):
        loaded.rmodel.bind({"batch": 2})


def refused(path: Path, message: str, error: type[SofieError] = ModelFileError, **options: Any) -> None:
    """Asserts that a file is refused, with the name of the file in the message."""
    with pytest.raises(error, match=message) as caught:
        frontends.open(path, **options)()
    assert str(path) in str(caught.value)


def test_files_without_a_graph(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    weights.write_bytes(archives.state_dict())
    refused(weights, "holds weights or a pickled module.*save the model with torch.export.save")
    package = {"archive_format": b"pt2", "data/aotinductor/model/model.so": b"\x7fELF"}
    refused(archives.write(tmp_path / "m.pt2", package), "no graph, as packages of AOTInductor do")


def test_newer_schema(tmp_path: Path) -> None:
    model = archives.program(archives.LINEAR, "y", (4, 3), ("w", "b"))
    model["schema_version"] = {"major": 99, "minor": 0}
    refused(archives.exported(tmp_path / "m.pt2", model), "version 99; versions 5 to 8 are known")


@pytest.mark.parametrize("name", ["posix\nsystem", "builtins\neval", "torch\nload", "__torch__\nM", "torch.nn\nLinear"])
def test_pickles_with_foreign_globals(tmp_path: Path, name: str) -> None:
    hostile = archives.Raw(b"c" + name.encode() + b"\n(X\x04\x00\x00\x00truetR")
    inner = tmp_path / "inner.pt"
    archives.write(inner, {"data.pkl": archives.pickled({"w": hostile})}, root="archive")
    model = archives.program(archives.LINEAR, "y", (4, 3), ("w", "b"))
    members = {
        "archive_format": b"pt2", "models/model.json": json.dumps(model).encode(),
        "data/weights/model.pt": inner.read_bytes(),
    }  # fmt: skip
    refused(archives.write(tmp_path / "m.pt2", members), "could run code")


@pytest.mark.parametrize(
    ("opcodes", "message"),
    [
        (b"r\xff\xff\xff\x7f", "damaged"),  # a memory of 2^31 values
        (b"]q\x00h\x00a", "contains itself"),
        (b"](" * 500 + b"e" * 500, "nested too deeply|damaged"),
        (b"X\xff\xff\xff\x7fa", "damaged"),
        (b"\x8b\xff\xff\xff\x7f", "damaged|needs"),
        (b"i__torch__\nM\n", "which no model of PyTorch needs|damaged"),
        (b"Nh\x07", "damaged"),
        (b"", "ends with 0 values"),
    ],
)
def test_damaged_pickles(tmp_path: Path, opcodes: bytes, message: str) -> None:
    members = {
        "code/__torch__.py": b"",
        "data.pkl": b"\x80\x02" + opcodes + b".",
        "constants.pkl": archives.pickled(()),
    }
    refused(archives.write(tmp_path / "m.pt", members), message, input_shapes=[(1,)])


@pytest.mark.parametrize(
    ("sizes", "strides", "offset"),
    [((2, 4), (3, 1), 0), ((2, 3), (3, 1), 1), ((2, 3), (3, -1), 0), ((2,), (1, 1), 0), ((1 << 40, 1 << 40), (0, 0), 0),
     ((1 << 36,), (0,), 0), ((-1,), (1,), 0), ((2, 3), (1 << 62, 1), 0), ((1,), (1,), 1 << 40)],
)  # fmt: skip
def test_tensors_beyond_their_storage(
    tmp_path: Path, sizes: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> None:
    attributes = {"w": archives.Stored("0", "FloatStorage", sizes, strides, offset)}
    path = archives.script(tmp_path / "m.pt", "return x", attributes, {"0": np.zeros(6, np.float32)})
    refused(path, "needs|sizes|declares|damaged", input_shapes=[(None, 3)])


def test_bool_storages_hold_0_and_1_only(tmp_path: Path) -> None:
    attributes = {"w": archives.Stored("0", "BoolStorage", (3,), (1,))}
    path = archives.script(tmp_path / "m.pt", "return x", attributes, {"0": np.array([0, 1, 2], np.uint8)})
    refused(path, "bytes other than 0 and 1", input_shapes=[(None, 3)])


def test_bombs(tmp_path: Path) -> None:
    path = archives.exported(tmp_path / "m.pt2")
    with zipfile.ZipFile(path) as archive:
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    members["data/weights/weight_0"] = bytes(1 << 29)
    refused(archives.write(tmp_path / "n.pt2", members, compression=zipfile.ZIP_DEFLATED), "declares 536,8")


def test_directory_of_many_entries(tmp_path: Path) -> None:
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 0xFFFF, 0xFFFF, 1 << 25, 0, 0)
    path = tmp_path / "m.pt2"
    path.write_bytes(
        b"PK\1\2" + bytes(24) + struct.pack("<H", 16) + bytes(16) + b"m/archive_format" + bytes(1 << 25) + end
    )
    with pytest.raises(ModelFileError):
        frontends.open(path)


def test_graphs_that_contradict_themselves(tmp_path: Path) -> None:
    def model(**arguments: Any) -> Path:
        nodes = [archives.node("torch.ops.aten.linear.default", "y", **arguments)]
        return archives.exported(tmp_path / "m.pt2", archives.program(nodes, "y", (4, 3), ("w", "b")))

    refused(model(input="x", weight="p_w", bias="z"), "uses 'z', which the model does not define")
    refused(model(input="x"), "do not fit linear: weight, which is missing")
    refused(model(input="x", weight="p_w", other="x"), "other, which the operator does not have")
    refused(model(input="x", weight={"as_int": 3}), "weight|linear", SofieError)
    refused(model(input="x", weight="p_b", bias={"as_none": True}), "x/|linear|y", SofieError)
    unknown = [archives.node("torch.ops.aten.frobnicate.default", "y", self="x")]
    path = archives.exported(tmp_path / "u.pt2", archives.program(unknown, "y", (4, 3)))
    refused(path, r"aten.frobnicate\): the operator is not supported", UnsupportedLayerError)
    foreign = [archives.node("torch.ops.mylib.f.default", "y", self="x")]
    path = archives.exported(tmp_path / "f.pt2", archives.program(foreign, "y", (4, 3)))
    refused(path, "mylib.f.*not supported", UnsupportedLayerError)


def test_all_problems_are_listed(tmp_path: Path) -> None:
    nodes = [
        archives.node("torch.ops.aten.frobnicate.default", "a", self="x"),
        archives.node("torch.ops.aten.bernoulli.default", "b", self="a"),
        archives.node("torch.ops.aten.relu.default", "c", self="b"),
    ]
    report = sofie_jit.check(archives.exported(tmp_path / "m.pt2", archives.program(nodes, "c", (4, 3))))
    assert [bool(node.problem) for node in report.nodes] == [True, True, False]


def test_state_is_refused(tmp_path: Path) -> None:
    nodes = [
        archives.node("torch.ops.aten.add_.Tensor", "n", self="p_w", other={"as_int": 1}),
        archives.node("torch.ops.aten.linear.default", "y", input="x", weight="p_w"),
    ]
    path = archives.exported(tmp_path / "m.pt2", archives.program(nodes, "y", (4, 3), ("w",)))
    refused(path, "it changes 'w', a part of the module", UnsupportedLayerError)


# -- TorchScript -------------------------------------------------------------------------------------------------------


def script_result(folder: Path, forward: str, **options: Any) -> np.ndarray:
    """The output of code for X."""
    return result(archives.script(folder / "m.pt", forward, **options), input_shapes=[(None, 3)])


def test_statements_of_torchscript(tmp_path: Path) -> None:
    forward = """
n, m, = torch.size(x)
parts = annotate(List[Tensor], [])
for i in range(3):
  _0 = torch.append(parts, torch.mul(x, i))
y = torch.stack(parts)
if torch.eq(m, 3):
  z = torch.sum(y, [0])
else:
  z = x
k = 0
go = torch.lt(k, 2)
while go:
  z = torch.add(z, 1)
  k = torch.add(k, 1)
  go = torch.lt(k, 2)
d = {"a": z, "b": x}
return torch.add(d["a"], __torch__.helper(x, scale=2., ))
"""
    helper = "def helper(x: Tensor,\n    scale: float=1.) -> Tensor:\n  return torch.mul(x, scale)\n"
    assert np.array_equal(script_result(tmp_path, forward, more=helper), 3 * X + 2 + 2 * X)


def test_sizes_are_changed_in_place(tmp_path: Path) -> None:
    """Traces of einops contain such code."""
    forward = """
rows = ops.prim.NumToTensor(torch.size(x, 0))
product = torch.mul(rows, CONSTANTS.c0)
count = int(torch.mul_(product, 3))
return torch.reshape(x, [count, 1])
"""
    path = archives.script(tmp_path / "m.pt", forward.replace("CONSTANTS.c0", "1"))
    assert np.array_equal(result(path, input_shapes=[(None, 3)]), X.reshape(-1, 1))


def test_complex_numbers_in_code(tmp_path: Path) -> None:
    forward = "return torch.imag(torch.mul(torch.mul(x, 0.5+2.j), -1j))"
    assert np.allclose(script_result(tmp_path, forward), -0.5 * X)


def test_changes_in_place_reach_views_and_originals(tmp_path: Path) -> None:
    forward = """
y = torch.clone(x)
v = torch.select(y, 1, 0)
_0 = torch.mul_(v, 2)
_1 = torch.add_(y, 1)
_2 = torch.copy_(torch.slice(y, 1, 1, 2), torch.zeros([1, 1]))
return torch.add(y, torch.unsqueeze(v, 1))
"""
    y = X.copy()
    y[:, 0] *= 2
    y += 1
    y[:, 1] = 0
    assert np.array_equal(script_result(tmp_path, forward), y + y[:, :1])


def test_devices_mean_nothing(tmp_path: Path) -> None:
    forward = 'return torch.to(x, torch.device("cuda:0"), 7, False, False, None)'
    assert script_result(tmp_path, forward).dtype == np.float64


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        ("self.count = 1\nreturn x", "changes the attribute 'count'"),
        ("_0 = torch.append(self.sizes, 1)\nreturn x", "changes a list or dict of the module"),
        ("self.sizes[0] = 1\nreturn x", "changes a list or dict of the module"),
        ('self.named["a"] = 1\nreturn x', "changes a list or dict of the module"),
        ("_0 = torch.add_(self.w, 1)\nreturn torch.mul(x, self.w)", "it changes 'w'"),
        ('ops.prim.RaiseException("wrong size")', "the model refuses these inputs: wrong size"),
        ("return ops.torchvision.nms(x, x, 0.5)", "ops.torchvision.nms"),
        ("return torch.frobnicate(x)", "aten.frobnicate.*not supported"),
        ("import os", "Import"),
        ("return [y for y in x]", "ListComp is not supported"),
        ("return (lambda: x)()", "Lambda is not supported"),
        ('return __import__("os").system("true")', "__import__|not supported|attribute"),
        ("while True:\n  pass", "takes more than"),
        ("return (self).forward(x, )", "levels deep|too big"),
        ("return " + "(" * 150 + "x" + ")" * 150, "nested more than"),
        ("return undefined", "output|undefined"),
        ("return x.__class__", "has no attribute|attribute"),
        ("for i in range(1000000000):\n  pass\nreturn x", "too long"),
        ("l = torch.mul([1, 2, 3], 1000000000)\nreturn x", "not supported"),
        ("return torch.add(x)", "add"),
        ("return torch.unsqueeze(x, 99)", "axis 99"),
    ],
)
def test_code_that_is_refused(tmp_path: Path, forward: str, message: str) -> None:
    options: Any = {"attributes": {"w": archives.Stored("0", "FloatStorage", (3,), (1,)), "count": 0,
                               "sizes": [3, 4], "named": {"a": 2}}}  # fmt: skip
    path = archives.script(tmp_path / "m.pt", forward, tensors={"0": np.ones(3, np.float32)}, **options)
    refused(path, message, SofieError, input_shapes=[(None, 3)])


@pytest.mark.parametrize("size", [0, 1, 4])
def test_parts_of_open_axes(size: int, tmp_path: Path) -> None:
    """Parts of one element, which are empty if the axis is."""
    forward = """
first = torch.slice(x, 1, 0, 1)
last = torch.slice(x, 1, -1, 9223372036854775807)
_0 = torch.expand(first, [-1, torch.size(x, 1)])
return torch.cat([torch.sub(x, first), torch.mul(x, last), _0, first], 1)
"""
    x = np.random.default_rng(size).normal(size=(3, size)).astype(np.float32)
    model = sofie_jit.load(archives.script(tmp_path / "m.pt", forward), input_shapes=[(None, None)])
    first, last = x[:, :1], x[:, -1:]
    expected = np.concatenate([x - first, x * last, np.broadcast_to(first, x.shape), first], 1)
    np.testing.assert_array_equal(model.infer(x), expected)


@pytest.mark.parametrize(
    "forward",
    [
        "a = torch.unbind(x, 1)\nreturn a[0]",
        "a = torch.split(x, 2, 1)\nreturn a[0]",
        "return torch.view(x, [torch.size(x, 1), 2, -1])",
        "return torch.squeeze(torch.slice(x, 1, 0, 2), 1)",
        "y = torch.clone(x)\n_0 = torch.zero_(torch.slice(y, 1, 0, 9223372036854775807, 2))\nreturn y",
        "return torch.group_norm(torch.unsqueeze(x, 2), 1)",
        "return torch.layer_norm(x, [torch.size(x, 1)])",
    ],
)
def test_refusals_of_open_sizes(forward: str, tmp_path: Path) -> None:
    """One error says what to do; with known sizes the model loads."""
    path = archives.script(tmp_path / "m.pt", forward)
    with pytest.raises(SofieError, match=r"; fix the sizes that are open: .*input_shapes=") as caught:
        frontends.open(path, input_shapes=[(None, None)])()
    assert len(str(caught.value).splitlines()) == 1
    frontends.open(path, input_shapes=[(2, 4)])().generate()


# -- mutants -----------------------------------------------------------------------------------------------------------


def mutated(data: bytes, generator: random.Random) -> bytes:
    """A copy of a file with some bytes changed, removed or repeated."""
    changed = bytearray(data)
    for _ in range(generator.choice((1, 1, 2, 8))):
        place = generator.randrange(max(len(changed), 1))
        kind = generator.randrange(5)
        if kind == 0:
            changed[place : place + 1] = bytes([generator.randrange(256)])
        elif kind == 1:
            changed[place : place + 1] = bytes([generator.randrange(128)])
        elif kind == 2:
            del changed[place : place + generator.choice((1, 4, 100))]
        elif kind == 3:
            changed[place:place] = changed[place : place + generator.choice((1, 8, 60))]
        else:
            changed[place : place + 4] = generator.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f"))
    return bytes(changed)


def mutated_archive(data: bytes, generator: random.Random) -> bytes:
    """A copy of an archive with changes in the content of one member, whose checksum is right; or in any byte."""
    if generator.randrange(4) == 0:
        return mutated(data, generator)
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(changed, "w") as new:
        described = [name for name in old.namelist() if name.endswith((".json", ".py", ".pkl", "model.pt"))]
        chosen = generator.choice(described if generator.randrange(8) else old.namelist())
        for name in old.namelist():
            content = old.read(name)
            if name == chosen:
                content = _words(content, generator) if generator.randrange(2) else mutated(content, generator)
            new.writestr(name, content)
    return changed.getvalue()


WORD = re.compile(rb"-?\d+|[A-Za-z_][\w.]*|[\[\]{}(),:=]")


def _words(content: bytes, generator: random.Random) -> bytes:
    """Some text with words replaced by others of it, or by numbers at the limits."""
    for _ in range(generator.choice((1, 1, 2, 4))):
        found = list(WORD.finditer(content))
        if not found:
            break
        place = generator.choice(found)
        others = [b"0", b"-1", b"9223372036854775807", b"4294967296", b"null", b"None", b"1e999", b'""', b"[]"]
        new = generator.choice(others) if generator.randrange(3) == 0 else generator.choice(found).group()
        content = content[: place.start()] + new + content[place.end() :]
    return content


def try_mutants(folder: Path, seed: int, count: int) -> int:
    """Translates mutants of the golden archives; how many of them load. Raises every error that is not a SofieError."""
    generator = random.Random(seed)
    shapes = {"sequence": [(None, 5, 3)], "graph": [(None, 6, 2)], "scripted": [(None, 4)]}
    files = [*sorted(GOLDEN.glob("*.pt2")), *(GOLDEN / f"{name}.pt" for name in shapes)]
    loaded = 0
    for number in range(count):
        path = files[number % len(files)]
        mutant = folder / path.name
        mutant.write_bytes(mutated_archive(path.read_bytes(), generator))
        try:
            frontends.open(mutant, **({} if path.suffix == ".pt2" else {"input_shapes": shapes[path.stem]}))()
            loaded += 1
        except SofieError:
            pass
    return loaded


@pytest.mark.parametrize("count", [150, pytest.param(20_000, marks=pytest.mark.slow)])
def test_mutants_raise_one_error_or_load(tmp_path: Path, count: int) -> None:
    assert 0 < try_mutants(tmp_path, count, count) < count

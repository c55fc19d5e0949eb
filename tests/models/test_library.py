"""Compiled libraries: the same results as the model, everywhere, and refusals of all others."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from sofie_jit import RModel
from sofie_jit.cli import main
from sofie_jit.codegen.print_jit import jit_text
from sofie_jit.demo import MODEL_FILE, load_digits
from sofie_jit.ir.types import COMPUTED
from sofie_jit.jit import library_file, processor
from sofie_jit.jit.library_file import LibraryFile
from sofie_jit.jit.library_source import code_source
from sofie_jit.models.model import Model
from sofie_jit.operators import Add, Cast, Concat, Exp, Gather, Gemm, Mul, NonZero, ReduceSum, Relu
from sofie_jit.passes.pipeline import lower

pytestmark = pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="needs a C++ compiler")

EXAMPLE = Path(__file__).parents[2] / "examples" / "c" / "digits.c"
SEVEN = EXAMPLE.parents[1] / "seven.txt"


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return load_digits().images


@pytest.fixture(scope="module")
def model() -> Model:
    return sofie_jit.load(MODEL_FILE)


@pytest.fixture(scope="module")
def path(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model.save_library(tmp_path_factory.mktemp("library") / "digits.so")


@pytest.fixture(scope="module")
def library(path: Path) -> Model:
    return sofie_jit.load(path)


def relu_network(name: str, scale: float = 1.0) -> RModel:
    """``relu(x w)``, with three outputs."""
    network = RModel(name)
    network.add_input_tensor_info("x", "float32", (None, 3))
    network.add_initialized_tensor("w", np.full((3, 3), scale, np.float32))
    network.add_operator(Gemm(inputs=["x", "w"], outputs=["xw"]))
    network.add_operator(Relu(inputs=["xw"], outputs=["y"]))
    network.add_output_tensor_names("y")
    return network


def with_facts(path: Path, target: Path, **changes: object) -> Path:
    """A copy of a library whose facts say something else."""
    file = LibraryFile(path)
    facts = library_file.Facts(**{**vars(file.facts), **changes})
    content = file.content()
    size = len(json.dumps(vars(file.facts), separators=(",", ":")).encode())
    end = len(library_file.MARK) + 16
    image = content[: len(content) - end - file._network[1] - size]
    target.write_bytes(b"".join(library_file.joined(image, facts, file.network())))
    return target


# -- results -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 1, 2, 33, 100, 2000])
@pytest.mark.parametrize("threads", [1, 3])
def test_same_bits(model: Model, library: Model, images: np.ndarray, rows: int, threads: int) -> None:
    x = np.resize(images, (rows, *images.shape[1:]))
    for _ in range(6):  # the fast path takes over
        np.testing.assert_array_equal(library.infer(x, threads=threads), model.infer(x, threads=threads))


@pytest.mark.parametrize("rows", [1, 2000])
@pytest.mark.parametrize("threads", [1, 3])
def test_same_bits_in_c(model: Model, path: Path, images: np.ndarray, rows: int, threads: int) -> None:
    """Through sofie_jit.h, which shares a big batch among threads by itself."""
    x = np.ascontiguousarray(np.resize(images, (rows, *images.shape[1:])), np.float32)
    want = model.infer(x)
    y = np.zeros_like(want)
    functions = ctypes.CDLL(str(path))
    functions.sofie_jit_open.restype = ctypes.c_void_p
    opened = ctypes.c_void_p(functions.sofie_jit_open())
    inputs, outputs = (ctypes.c_void_p * 1)(x.ctypes.data), (ctypes.c_void_p * 1)(y.ctypes.data)
    assert functions.sofie_jit_run(opened, (ctypes.c_int64 * 1)(rows), inputs, outputs, threads) == 0
    functions.sofie_jit_close(opened)
    np.testing.assert_array_equal(y, want)


def test_description(model: Model, library: Model) -> None:
    for name in (
        "name",
        "input_names",
        "output_names",
        "input_shapes",
        "output_shapes",
        "input_dtypes",
        "output_dtypes",
    ):
        assert getattr(library, name) == getattr(model, name)
    assert repr(library) == repr(model)
    assert "DirectConv" in library.summary()

    assert "dense" in library.draw().dot.lower()
    assert "DirectConv" in library._repr_html_()


def test_arguments(library: Model, images: np.ndarray) -> None:
    expected = library.infer(images)
    np.testing.assert_array_equal(library.infer({"image": images.astype(np.float64)}), expected)
    np.testing.assert_array_equal(library.predict(images, batch_size=7), expected)
    out = np.empty_like(expected)
    assert library.infer(images, out=out) is out
    np.testing.assert_array_equal(out, expected)
    with pytest.raises(sofie_jit.ShapeError, match="image"):
        library.infer(images[:, :7])


def test_what_a_compiler_makes_of_it(library: Model, images: np.ndarray, tmp_path: Path) -> None:
    """With a compiler at hand, the network in the library can be compiled again, profiled and saved as a header."""
    np.testing.assert_array_equal(library.specialize((2, 8, 8, 1)).infer(images[:2]), library.infer(images[:2]))
    assert len(library.profile(images).records) > 3
    assert "DirectConv" in library.save_header(tmp_path / "digits.hxx").read_text()


def test_dispatch(tmp_path: Path) -> None:
    network = relu_network("dispatch", 0.1)
    x = np.random.default_rng(0).normal(size=(17, 3)).astype(np.float32)
    library = sofie_jit.load(network.save_library(tmp_path / "m.so", dispatch=True))
    assert LibraryFile(tmp_path / "m.so").facts.features == []
    np.testing.assert_array_equal(library.infer(x), network.compile().infer(x))


def test_several_inputs_outputs_and_open_dimensions(tmp_path: Path) -> None:
    network = RModel("several")
    network.add_input_tensor_info("a", "float32", (None, "time", 2))
    network.add_input_tensor_info("b", "int64", (None, "other"))
    network.add_operator(Concat(axis=2, inputs=["a", "a"], outputs=["twice"]))
    network.add_operator(ReduceSum(axes=[1], keepdims=False, inputs=["b"], outputs=["sum"]))
    network.add_output_tensor_names("twice", "sum")
    network.output_structure = {"all": [0], "sum": 1}
    model, library = network.compile(), sofie_jit.load(network.save_library(tmp_path / "several.so"))
    a, b = np.ones((3, 4, 2), np.float32), np.arange(15).reshape(3, 5)
    got, expected = library.infer(a, b), model.infer(a, b)
    assert got.keys() == expected.keys()
    np.testing.assert_array_equal(got["all"][0], expected["all"][0])
    np.testing.assert_array_equal(got["sum"], expected["sum"])
    assert library.output_shapes == model.output_shapes == [(None, None, 4), (None,)]
    with pytest.raises(sofie_jit.ShapeError, match="batch sizes differ"):
        library.infer(a, b[:2])


def test_errors_of_a_call(tmp_path: Path) -> None:
    network = RModel("table")
    network.add_input_tensor_info("i", "int64", (None,))
    network.add_initialized_tensor("table", np.arange(6, dtype=np.float32).reshape(3, 2))
    network.add_operator(Gather(axis=0, inputs=["table", "i"], outputs=["y"]))
    network.add_output_tensor_names("y")
    library = sofie_jit.load(network.save_library(tmp_path / "table.so"))
    np.testing.assert_array_equal(library.infer([2, 0]), [[4, 5], [0, 1]])
    with pytest.raises(sofie_jit.OutOfRangeError, match="Gather"):
        library.infer([3])


def counter_network() -> RModel:
    """Adds its input to a state."""
    network = RModel("counter")
    network.add_input_tensor_info("x", "float32", (1,))
    network.add_state_tensor_info("total", "float32", (1,))
    network.add_operator(Add(inputs=["total", "x"], outputs=["sum"]))
    network.update_state("total", "sum")
    network.add_output_tensor_names("sum")
    return network


def test_states(tmp_path: Path) -> None:
    counter = sofie_jit.load(counter_network().save_library(tmp_path / "counter.so"))
    assert [counter.infer([1])[0], counter.infer([5])[0]] == [1, 6]
    copy = pickle.loads(pickle.dumps(counter))
    counter.reset_states()
    assert (counter.infer([2])[0], copy.infer([2])[0]) == (2, 8)
    assert counter.output_structure == 0
    np.save(tmp_path / "x.npy", np.float32([3]))
    command = ["run", str(tmp_path / "counter.so"), str(tmp_path / "x.npy"), "-o", str(tmp_path / "sum.npy")]
    assert main(command) == 0
    assert np.load(tmp_path / "sum.npy") == 3


def test_pickle(library: Model, images: np.ndarray) -> None:
    expected = library.infer(images)
    for _ in range(5):
        library.infer(images)
    for copy in (pickle.loads(pickle.dumps(library)), pickle.loads(pickle.dumps(library.infer)).__self__):
        np.testing.assert_array_equal(getattr(copy, "infer", library.infer)(images), expected)
    program = "import pickle, sys; print(pickle.load(sys.stdin.buffer).infer([[[[0]] * 8] * 8]).argmax())"
    run = subprocess.run([sys.executable, "-c", program], input=pickle.dumps(library), capture_output=True)
    assert int(run.stdout) == library.infer(np.zeros((1, 8, 8, 1))).argmax(), run.stderr.decode()


def test_a_replaced_file(tmp_path: Path) -> None:
    """The system's loader knows libraries by their paths; the right code runs nevertheless."""
    x, file = np.ones((1, 3), np.float32), tmp_path / "m.so"
    first = sofie_jit.load(relu_network("one", 1.0).save_library(file))
    second = sofie_jit.load(relu_network("two", 2.0).save_library(file))
    assert (first.infer(x)[0, 0], second.infer(x)[0, 0], first.infer(x)[0, 0]) == (3, 6, 3)
    assert first.rmodel.initialized["w"][0, 0] == 1
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(first)).infer(x), first.infer(x))


# -- without anything else ---------------------------------------------------------------------------------------------

ALONE = """
import sys
for name in ("cppyy", "cppyy_backend", "libcppyy", "h5py", "keras", "onnx"):
    sys.modules[name] = None
import numpy as np
import sofie_jit
from sofie_jit.cli import main
from sofie_jit.codegen.print_jit import jit_text
folder = sys.argv[1]
model = sofie_jit.load(folder + "/digits.so")
x = np.load(folder + "/x.npy")
for threads in (1, 2):
    for _ in range(6):
        assert (model.infer(x, threads=threads) == np.load(folder + "/y.npy")).all()
assert main(["run", folder + "/digits.so", folder + "/x.npy", "-o", folder + "/z.npy"]) == 0
assert (np.load(folder + "/z.npy") == np.load(folder + "/y.npy")).all()
assert main(["demo", folder + "/digits.so"]) == 0
assert main(["cache"]) == 0
assert main(["info", folder + "/digits.so"]) == main(["check", folder + "/digits.so"]) == 0
assert main(["emit", folder + "/digits.so", "-o", folder + "/digits.hxx"]) == 0
assert main(["convert", folder + "/digits.so", folder + "/digits.onnx"]) == 0
assert main(["compare", folder + "/digits.so", "--no-times", "--rows", "20"]) == 0
assert main(["profile", folder + "/digits.so"]) == 1  # it would compile
assert main(["doctor"]) == 1
assert "sofie_jit.jit.compiler" not in sys.modules or not sofie_jit.jit.compiler.compiler()._compile_text
print("alone")
"""


def test_needs_numpy_only(path: Path, library: Model, images: np.ndarray, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / "digits.so")
    np.save(tmp_path / "x.npy", images)
    np.save(tmp_path / "y.npy", library.infer(images))
    environment = {"PATH": "/nonexistent", "HOME": "/nonexistent", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    run = subprocess.run(
        [sys.executable, "-c", ALONE, str(tmp_path)], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert run.stdout.endswith("alone\n"), run.stderr
    assert "compiled libraries need only numpy" in run.stdout
    message = "a profile needs code that reads the clock, which is compiled now, also for a compiled library: cppyy"
    assert run.stderr.startswith(f"sofie-jit profile: {message}")
    assert "or load a compiled library" not in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_save_onnx(library: Model, model: Model, images: np.ndarray, tmp_path: Path) -> None:
    """The ONNX file of a library has the names and types of the model's, and computes the same."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    ends = []
    for number, each in enumerate((model, library)):
        graph = onnx.load(each.save_onnx(tmp_path / f"{number}.onnx")).graph
        ends.append([*graph.input, *graph.output])
    assert ends[0] == ends[1]
    (found,) = onnxruntime.InferenceSession(tmp_path / "1.onnx").run(None, {"image": images})
    assert np.abs(found - library.infer(images)).max() <= 1e-6
    fixed = library.save_onnx(tmp_path / "fixed.onnx", input_shapes=[(1, 8, 8, 1)])
    assert onnx.load(fixed).graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1


def test_compare(path: Path, library: Model, tmp_path: Path) -> None:
    """The reference of a library is its network in numpy, with states that start from zero."""
    found = sofie_jit.compare(path, batches=[2])
    assert found
    assert (found.library, {time.engine for time in found.times}) == ("numpy", {"sofie_jit", "numpy"})
    np.testing.assert_array_equal(found.computed[0], library.infer(found.inputs[0]))
    with pytest.raises(sofie_jit.InputError, match="computes no outputs of layers: compare the model file that it"):
        sofie_jit.compare(path, layers=True)
    counter = counter_network().save_library(tmp_path / "counter.so")
    assert sofie_jit.compare(counter, np.float32([3]), batches=[]).expected[0] == 3
    assert sofie_jit.compare(counter, batches=[])


def test_compare_dicts(tmp_path: Path) -> None:
    """The outputs of a dict are compared in its order, which need not be that of the network."""
    network = RModel("two")
    network.add_input_tensor_info("x", "float32", (None, 4))
    network.add_operator(ReduceSum(axes=[1], keepdims=False, inputs=["x"], outputs=["sum"]))
    network.add_operator(Add(inputs=["x", "x"], outputs=["twice"]))
    network.add_output_tensor_names("sum", "twice")
    network.output_structure = {"second": 1, "first": 0}
    found = sofie_jit.compare(network.save_library(tmp_path / "two.so"), rows=3, batches=[])
    assert found
    assert [(output.name, output.shape) for output in found.outputs] == [("twice", (3, 4)), ("sum", (3,))]


def test_bench(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engines = "sofie_jit,onnxruntime" if importlib.util.find_spec("onnxruntime") else "sofie_jit"
    assert main(["bench", str(path), "--engines", engines, "--rounds", "1", "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    assert cells[0]["engine"] == "sofie_jit"
    assert not any(cell["problem"] for cell in cells)


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_c_example(path: Path, library: Model, tmp_path: Path) -> None:
    include = Path(sofie_jit.__file__).parent / "include"
    command = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{include}", str(EXAMPLE), str(path), "-o", "digits"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    run = subprocess.run([str(tmp_path / "digits")], input=SEVEN.read_text(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    probabilities = np.array(run.stdout.split(), np.float32)
    seven = np.loadtxt(SEVEN, dtype=np.float32).reshape(1, 8, 8, 1)
    np.testing.assert_array_equal(probabilities, library.infer(seven)[0])
    assert probabilities.argmax() == 7


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_untrusted(path: Path) -> None:
    with pytest.raises(sofie_jit.ModelFileError, match="machine code that would run with all rights"):
        sofie_jit.load(path, untrusted=True)
    assert not sofie_jit.check(path, untrusted=True).ok


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_incomplete(path: Path, tmp_path: Path, kept: float) -> None:
    content = path.read_bytes()
    (tmp_path / "m.so").write_bytes(content[: int(kept * len(content))])
    with pytest.raises(sofie_jit.ModelFileError, match="incomplete or was stripped"):
        sofie_jit.load(tmp_path / "m.so")


def test_other_machine_code() -> None:
    with pytest.raises(sofie_jit.ModelFileError, match="sofie_jit did not write"):
        sofie_jit.load(os.path.realpath(sys.executable))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"machine": "m68k"}, "it is for m68k on linux, and this is"),
        ({"system": "plan9"}, "on plan9"),
        ({"features": ["avx10", "avx2"]}, "a processor with avx10"),
        ({"interface": "0", "version": "0.0.7"}, r"written by sofie_jit 0\.0\.7 \(interface 0\)"),
        ({"identity": "0" * 32}, "of different networks"),
    ],
)
@pytest.mark.skipif(processor.features() is None, reason="the system does not tell what its processor has")
def test_other_machines(path: Path, tmp_path: Path, changes: dict[str, object], message: str) -> None:
    other = with_facts(path, tmp_path / "m.so", **changes)
    with pytest.raises(sofie_jit.ModelFileError, match=message):
        sofie_jit.load(other)
    assert sofie_jit.check(other).ok, "its description can still be read"


def test_damaged_descriptions_run_nothing(path: Path, tmp_path: Path) -> None:
    """A description that names something else than operators is refused."""
    file = LibraryFile(path)
    network = {**file.network(), "operators": [{"class": ["os", "system", {"command": "false"}]}]}
    size = len(json.dumps(vars(file.facts), separators=(",", ":")).encode())
    content = file.content()
    image = content[: len(content) - len(library_file.MARK) - 16 - file._network[1] - size]
    (tmp_path / "m.so").write_bytes(b"".join(library_file.joined(image, file.facts, network)))
    report = sofie_jit.check(tmp_path / "m.so")
    assert "os.system is not a part of networks" in str(report)


def test_options(path: Path, tmp_path: Path) -> None:
    with pytest.raises(sofie_jit.OptionError, match="compiled already"):
        sofie_jit.load(path, optimize=False)
    with pytest.raises(sofie_jit.OptionError, match="verify the model"):
        sofie_jit.load(path, verify=True)
    with pytest.raises(sofie_jit.OptionError, match="compiled library models have no option config="):
        sofie_jit.load(path, config="{}")
    with pytest.raises(sofie_jit.OptionError, match="give only one"):
        relu_network("m").save_library(tmp_path / "m.so", dispatch=True, march="native")
    with pytest.raises(sofie_jit.OptionError, match=r"is written as \.so or \.dylib"):
        relu_network("m").save_library(tmp_path / "m.h5")
    with pytest.raises(sofie_jit.CompileError, match="no_such_processor") as error:
        relu_network("m").save_library(tmp_path / "m.so", march="no_such_processor")
    assert "haswell" not in str(error.value)  # compilers list all processors
    assert not list(tmp_path.iterdir())


def test_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler -O2")
    with pytest.raises(sofie_jit.MissingDependencyError, match="no-such-compiler was found"):
        relu_network("m").save_library(tmp_path / "m.so")
    assert main(["build", str(MODEL_FILE), "-o", str(tmp_path / "m.so")]) == 1
    assert "apt-get install" in capsys.readouterr().err


def test_build_command(tmp_path: Path, images: np.ndarray, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", shutil.which("g++") or "c++")
    assert main(["build", str(MODEL_FILE), "-o", str(tmp_path / "m.so")]) == 0
    np.testing.assert_array_equal(sofie_jit.load(tmp_path / "m.so").infer(images), model.infer(images))


def test_sizes_that_depend_on_the_data(tmp_path: Path) -> None:
    network = RModel("found")
    network.add_input_tensor_info("x", "float32", (None, "width"))
    network.add_operator(NonZero(count="n", inputs=["x"], outputs=["places"]))
    network.add_operator(Relu(inputs=["x"], outputs=["y"]))
    network.add_output_tensor_names("y", "places")
    library = sofie_jit.load(network.save_library(tmp_path / "m.so"))
    x = np.array([[0, -1.5, 2], [3, 0, 0]], np.float32)
    for again in (library, pickle.loads(pickle.dumps(library))):
        for array in (x, x[:0], np.zeros((4, 5), np.float32)):
            y, places = again.infer(array)
            np.testing.assert_array_equal(places, np.nonzero(array))
            np.testing.assert_array_equal(y, np.maximum(array, 0))

    functions = ctypes.CDLL(str(tmp_path / "m.so"))
    functions.sofie_jit_open.restype = ctypes.c_void_p
    functions.sofie_jit_set_size_name.restype = ctypes.c_char_p
    assert functions.sofie_jit_set_size_count() == 1
    assert functions.sofie_jit_set_size_name(0) == b"n"
    sizes, shape = (ctypes.c_int64 * 3)(2, 3, -1), (ctypes.c_int64 * 2)()
    functions.sofie_jit_largest_sizes(sizes, ctypes.byref(sizes, 16))
    assert sizes[2] == 6
    functions.sofie_jit_output_shape(1, sizes, shape)
    assert list(shape) == [2, 6]
    y, places, found = np.zeros((2, 3), np.float32), np.full(12, -7, np.int64), (ctypes.c_int64 * 1)(-1)
    outputs = (ctypes.c_void_p * 3)(y.ctypes.data, places.ctypes.data, ctypes.addressof(found))
    opened = ctypes.c_void_p(functions.sofie_jit_open())
    assert functions.sofie_jit_run(opened, sizes, (ctypes.c_void_p * 1)(x.ctypes.data), outputs, 2) == 0
    functions.sofie_jit_close(opened)
    assert list(found) == [3]
    np.testing.assert_array_equal(places[:6].reshape(2, 3), np.nonzero(x))
    assert (places[6:] == -7).all()


def test_threads_in_c_divide_rows_of_any_type(tmp_path: Path) -> None:
    network = RModel("types")
    network.add_input_tensor_info("scale", "float32", (None, 3))
    network.add_operator(Exp(inputs=["scale"], outputs=["b"]))
    for dtype in COMPUTED:
        network.add_input_tensor_info(f"x {dtype}", dtype, (None, 3))
        network.add_operator(Cast(to="float32", inputs=[f"x {dtype}"], outputs=[f"a {dtype}"]))
        network.add_operator(Mul(inputs=[f"a {dtype}", "b"], outputs=[f"c {dtype}"]))
        network.add_operator(Cast(to=dtype, inputs=[f"c {dtype}"], outputs=[f"y {dtype}"]))
        network.add_output_tensor_names(f"y {dtype}")
    rows = 100_001
    rng = np.random.default_rng(0)
    scale = rng.normal(size=(rows, 3)).astype(np.float32)
    arrays = [scale, *(rng.integers(0, 9, (rows, 3)).astype(dtype) for dtype in COMPUTED)]
    want = network.compile().infer(*arrays)
    found = [np.zeros_like(y) for y in want]
    functions = ctypes.CDLL(str(network.save_library(tmp_path / "m.so")))
    functions.sofie_jit_open.restype = ctypes.c_void_p
    opened = ctypes.c_void_p(functions.sofie_jit_open())
    inputs, outputs = ((ctypes.c_void_p * len(group))(*(x.ctypes.data for x in group)) for group in (arrays, found))
    assert functions.sofie_jit_run(opened, (ctypes.c_int64 * 1)(rows), inputs, outputs, 2) == 0
    functions.sofie_jit_close(opened)
    for dtype, y, expected in zip(COMPUTED, found, want, strict=True):
        np.testing.assert_array_equal(y, expected, err_msg=dtype)


def test_functions_that_are_needed_now_and_later() -> None:
    """Some functions enter a kernel for one layer at once, and for another one when a batch has several rows."""
    rmodel = sofie_jit.load(Path(__file__).parents[1] / "golden" / "old" / "keras_2.3.1.h5").rmodel
    code = jit_text(lower(rmodel), vector_bytes=32)
    assert {function.name for function in code.deferred.values()} & code.outlined.keys()
    defined = re.findall(r"^\w+ (call_\w+)\(", code_source(code), re.MULTILINE)
    assert len(defined) == len(set(defined)) > 3

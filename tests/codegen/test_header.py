"""Saved headers: they compile alone without a warning, give the JIT's numbers, and live together in one program."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import sofie_jit
from compilers import COMPILERS, STRICT, build, cpu_flags
from networks import gemm_relu_transpose, mlp, two_inputs
from sofie_jit import GraphError, OptionError, RModel
from sofie_jit.codegen.identifiers import comment, identifier
from sofie_jit.codegen.print_header import Weights, export_header
from sofie_jit.ir.operators.activations import Tanh
from sofie_jit.ir.operators.elementwise import Cast
from sofie_jit.ir.operators.gemm import Gemm
from sofie_jit.ir.operators.matmul import MatMul
from sofie_jit.models.model import Model
from sofie_jit.passes.pipeline import lower

MAIN = """
{includes}
#include <cstdio>
int main()
{{
   using TMVA_SOFIE_{name}::Session;
   const Session session;
   const {type} x[] = {{{values}}};
   for (const auto y : session.infer({batch}, x))
      std::printf("%.17g\\n", static_cast<double>(y));
   return 0;
}}
"""


def outputs(program: Path) -> np.ndarray:
    run = subprocess.run([str(program)], cwd=program.parent, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return np.array([float(line) for line in run.stdout.split()])


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("flags", [(), ("-march=native",)], ids=["baseline", "native"])
def test_header_gives_the_numbers_of_the_jit(tmp_path: Path, compiler: str, flags: tuple[str, ...]) -> None:
    model = mlp().compile()
    model.save_header(tmp_path / "net.hxx")
    x = np.random.default_rng(7).normal(size=(5, 12)).astype(np.float32)
    values = ", ".join(f"{v!r}f" for v in x.ravel().tolist())
    main = MAIN.format(includes='#include "net.hxx"', name="net", type="float", values=values, batch="5")
    got = outputs(build(tmp_path, main, compiler, *flags)).reshape(5, 7)
    want = model.infer(x)
    if flags:
        np.testing.assert_array_equal(got, want)
    else:  # without fused multiply-add
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-6 * np.abs(want).max())


def test_two_headers_in_one_program(tmp_path: Path) -> None:
    for name, seed in (("first", 1), ("second", 2)):
        mlp(seed).compile().save_header(tmp_path / f"{name}.hxx")
    x = np.linspace(-1, 1, 12, dtype=np.float32)
    values = ", ".join(f"{v!r}f" for v in x.tolist())
    includes = '#include "first.hxx"\n#include "second.hxx"\n#include "first.hxx"'
    for name, seed in (("first", 1), ("second", 2)):
        main = MAIN.format(includes=includes, name=name, type="float", values=values, batch="1")
        got = outputs(build(tmp_path, main, COMPILERS[0], "-march=native"))
        np.testing.assert_array_equal(got, mlp(seed).compile().infer(x[None])[0])


def test_sofie_signatures(tmp_path: Path) -> None:
    two_inputs().save_header(tmp_path / "sum.hxx")
    main = """
#include "sum.hxx"
#include <type_traits>
int main()
{
   TMVA_SOFIE_sum::Session session(std::string("no weights, no file"));
   const TMVA_SOFIE_sum::Session sized("sum.dat", 2);
   float a[] = {1, 2, 3, 4}, b[] = {10, 20, 30, 40}, y[4];
   std::vector<float> result = session.infer(a, b);
   static_assert(std::is_same_v<decltype(session.infer(std::size_t(2), a, b)), std::vector<float>>);
   TMVA_SOFIE_sum::doInfer(session, a, b, y);
   const TMVA_SOFIE_sum::Session copy = session;
   const bool equal = copy.infer(a, b) == result && sized.infer(a, b) == result;
   return equal && result == std::vector<float>{11, 22, 33, 44} && y[3] == 44.0f ? 0 : 1;
}
"""
    outputs(build(tmp_path, main, COMPILERS[0]))


def test_weight_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    mlp().compile().save_header(tmp_path / "net.hxx")
    data = (tmp_path / "net.dat").read_text()
    main = """
#include "net.hxx"
#include <cstdio>
int main()
{
   try { const TMVA_SOFIE_net::Session session; } catch (const std::runtime_error &error) { std::puts(error.what()); }
   return 0;
}
"""
    program = build(tmp_path, main, COMPILERS[0])
    for damaged, message in (
        (None, "cannot open the weight file 'net.dat'"),
        ("", "tensor 'tensor_w0': expected its name and length 360"),
        (data[: len(data) // 2], "the file is truncated"),
        (data.rstrip("\n")[:-1], "the file is truncated"),  # what is left of the last number is a number
        (data.replace("tensor_w0", "tensor_w9", 1), "found 'tensor_w9 360'"),
        (data.replace("tensor_w1", "tensor_w9", 1), "tensor 'tensor_w1': expected its name and length 210, found"),
        (data.replace("360", "361", 1), "found 'tensor_w0 361'"),
        (re.sub(r"\n\S+", "\nhello", data, count=1), "value 0 is not a number: 'hello'"),
    ):
        (tmp_path / "net.dat").unlink(missing_ok=True)
        if damaged is not None:
            (tmp_path / "net.dat").write_text(damaged)
        run = subprocess.run([str(program)], cwd=tmp_path, capture_output=True, text=True)
        assert message in run.stdout
    (tmp_path / "net.dat").unlink()
    (tmp_path / "net.dat").mkdir()
    run = subprocess.run([str(program)], cwd=tmp_path, capture_output=True, text=True)
    assert "cannot read the weight file 'net.dat'" in run.stdout


def test_special_values_survive_the_weight_file(tmp_path: Path) -> None:
    weights = np.array([[np.inf, -np.inf, np.nan, -0.0, 1e-45, 3.4028235e38, 0.1, 1 / 3]], np.float32)
    rmodel = RModel("special")
    rmodel.add_input_tensor_info("x", "float32", (None, 1))
    rmodel.add_initialized_tensor("w", weights)
    rmodel.add_operator(Gemm(inputs=["x", "w"], outputs=["y"]))
    rmodel.add_output_tensor_names("y")
    model = rmodel.compile()
    model.save_header(tmp_path / "special.hxx")
    text = (tmp_path / "special.dat").read_text()
    assert text.startswith("tensor_w 8\ninf -inf nan -0 ")
    main = MAIN.format(includes='#include "special.hxx"', name="special", type="float", values="1.0f", batch="1")
    got = outputs(build(tmp_path, main, COMPILERS[0]))
    np.testing.assert_array_equal(got, model.infer(np.ones((1, 1)))[0])


def test_outputs_are_named_by_their_labels(tmp_path: Path) -> None:
    rmodel = RModel("heads")
    rmodel.add_input_tensor_info("x", "float32", (None, 3))
    for name, before in (("flavour", "x"), ("b", "flavour"), ("c", "x")):
        rmodel.add_operator(Tanh(inputs=[before], outputs=[name]))
    rmodel.add_output_tensor_names(["b", "c"])
    rmodel.output_labels = ["flavour", "mass/GeV"]
    header = rmodel.save_header(tmp_path / "heads.hxx").read_text()
    arguments = "float const *tensor_x, float *tensor_flavour, float *tensor_mass_GeV)"
    assert f"doInfer(Session const &session, std::size_t batch, {arguments}" in header
    main = """
#include "heads.hxx"
#include <cstdio>
int main()
{
   const float x[] = {-1.f, 0.25f, 2.f};
   float flavour[3], mass[3];
   doInfer(TMVA_SOFIE_heads::Session(), x, flavour, mass);
   for (const float *y : {flavour, mass})
      std::printf("%.9g\\n%.9g\\n%.9g\\n", y[0], y[1], y[2]);
   return 0;
}
"""
    mass = np.tanh([-1, 0.25, 2])
    np.testing.assert_allclose(outputs(build(tmp_path, main, COMPILERS[0])), [*np.tanh(mass), *mass], atol=1e-6)


POISON = ['x"; system("rm");', "*/ int evil", "a\n#include <x>", "int", "", "é\u202e", "a" * 10000, "??/", "x\\", "//"]


def chain(names: list[str]) -> Model:
    """A model whose every name is of somebody else's making."""
    rmodel = RModel(names[0])
    last = names[1]
    rmodel.add_input_tensor_info(last, "float32", (None, 2))
    for i, name in enumerate(names):
        rmodel.add_initialized_tensor(f"w{i}{name}", np.eye(2, dtype=np.float32))
        rmodel.add_operator(Gemm(inputs=[last, f"w{i}{name}"], outputs=[f"{i}{name}"], origin=name))
        last = f"{i}{name}"
    rmodel.add_output_tensor_names(last)
    return rmodel.compile()


def code_of(header: str) -> str:
    """The header without its comments, all names of tensors made equal."""
    return re.sub(r"\btensor_\w+", "tensor", re.sub(r"^ *//.*\n", "", header, flags=re.MULTILINE))


def test_names_from_outside_cannot_reach_the_source() -> None:
    hostile, harmless = chain(POISON), chain([f"n{i}" for i in range(len(POISON))])
    assert hostile._execution.session.code.text == harmless._execution.session.code.text
    assert code_of(hostile.header) == code_of(harmless.header)
    assert not re.search(r"\*/|/\*|\?\?/|\\\n|[^\x00-\x7f]", hostile.header)
    assert max(map(len, hostile.header.splitlines())) < 500


def test_identifiers() -> None:
    taken: set[str] = set()
    assert identifier("dense/kernel:0", "tensor_", taken) == "tensor_dense_kernel_0"
    assert identifier("dense_kernel_0", "tensor_", taken) == "tensor_dense_kernel_0_2"
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", identifier("ü" * 500, "tensor_", taken))
    assert comment("a*/b\n\\??/") == "a_/b____/"


def test_save_header_wants_a_header_name(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"a C\+\+ header is written as \.hxx"):
        two_inputs().save_header(tmp_path / "model.cpp")
    with pytest.raises(OptionError, match=r"\.hxx, \.hpp, \.hh or \.h, not as"):
        two_inputs().save_header(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*missing' to write 'model\.hxx' to"):
        two_inputs().save_header(tmp_path / "missing" / "model.hxx")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file' is not a folder"):
        two_inputs().save_header(tmp_path / "file" / "model.hxx")


def test_the_comment_names_outputs_as_the_model_does() -> None:
    model = two_inputs().rmodel
    model.output_labels = ["score"]
    assert "// output score: " in export_header(lower(model), "m")[0]


def test_transposed_output(tmp_path: Path) -> None:
    model = gemm_relu_transpose(np.random.default_rng(0)).compile()
    model.save_header(tmp_path / "by_hand.hxx")
    x = np.random.default_rng(8).normal(size=(3, 16)).astype(np.float32)
    values = ", ".join(f"{v!r}f" for v in x.ravel().tolist())
    main = MAIN.format(includes='#include "by_hand.hxx"', name="by_hand", type="float", values=values, batch="3")
    got = outputs(build(tmp_path, main, COMPILERS[0], "-march=native")).reshape(8, 3)
    np.testing.assert_array_equal(got, model.infer(x))


def test_open_dimensions_are_arguments(tmp_path: Path) -> None:
    rmodel = RModel("jets")
    rmodel.add_input_tensor_info("x", "float32", (None, "time", 4))
    rmodel.add_initialized_tensor("w", np.ones((4, 2), np.float32))
    rmodel.add_operator(MatMul(inputs=["x", "w"], outputs=["y"]))
    rmodel.add_output_tensor_names("y")
    model: Model = rmodel.compile()
    for steps in (1, 5, 2):
        np.testing.assert_array_equal(model.infer(np.ones((3, steps, 4))), np.full((3, steps, 2), 4))
    header = model.save_header(tmp_path / "jets.hxx")
    assert "infer(std::size_t batch, std::size_t size_time, float const *tensor_x)" in header.read_text()


def bits_of_rows(model: Model, directory: Path, namespace: str, compiler: str, *flags: str) -> np.ndarray:
    """What the default Session of the saved header ``net.hxx`` answers to ``rows``."""
    values = ", ".join(f"{v!r}f" for v in rows(model).ravel().tolist())
    main = MAIN.format(includes='#include "net.hxx"', name="net", type="float", values=values, batch="5")
    return outputs(build(directory, main.replace("TMVA_SOFIE_net", namespace), compiler, *flags))


def rows(model: Model) -> np.ndarray:
    return np.random.default_rng(7).normal(size=(5, *model.input_shapes[0][1:])).astype(np.float32)


@pytest.mark.parametrize(("weights", "suffix"), [("text", ".dat"), ("binary", ".bin"), ("embedded", None)])
def test_weights_in_every_form(tmp_path: Path, weights: Weights, suffix: str | None) -> None:
    model = mlp().compile()
    model.save_header(tmp_path / "net.hxx", weights=weights, namespace="physics::tagger")
    assert {path.name for path in tmp_path.iterdir()} == {"net.hxx", *([f"net{suffix}"] if suffix else [])}
    got = bits_of_rows(model, tmp_path, "physics::tagger", COMPILERS[-1], "-march=native")
    np.testing.assert_array_equal(got, model.infer(rows(model)).ravel())


def every_type() -> RModel:
    """Weights of each element type, with values that are hard to write down, added up."""
    rmodel = RModel("types")
    rmodel.add_input_tensor_info("x", "float32", (None, 1))
    for dtype in ("float32", "float64", "int32", "int64", "bool"):
        kind = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype) if dtype != "bool" else None
        least = [] if kind is None else [kind.min, kind.max, *([kind.tiny, -0.0] if dtype.startswith("float") else [])]
        rmodel.add_initialized_tensor(f"w_{dtype}", np.array([*least, 1, 0], dtype))
        rmodel.add_operator(Cast(to="float64", inputs=[f"w_{dtype}"], outputs=[f"y_{dtype}"]))
        rmodel.add_output_tensor_names(f"y_{dtype}")
    return rmodel


@pytest.mark.parametrize("weights", ["text", "binary", "embedded"])
def test_weights_of_every_type(tmp_path: Path, weights: Weights) -> None:
    every_type().save_header(tmp_path / "net.hxx", weights=weights, optimize=False)
    main = """
#include "net.hxx"
#include <cstdio>
int main()
{
   const float x[1] = {};
   for (const auto &result : TMVA_SOFIE_net::Session().infer(x))
      for (const double y : result)
         std::printf("%.17g\\n", y);
}
"""
    got = outputs(build(tmp_path, main, COMPILERS[0]))
    np.testing.assert_array_equal(got, np.concatenate(list(every_type().initialized.values())).astype(float))


def test_binary_weights_that_do_not_fit_are_named(tmp_path: Path) -> None:
    mlp().compile().save_header(tmp_path / "net.hxx", weights="binary")
    data = (tmp_path / "net.bin").read_bytes()
    main = """
#include "net.hxx"
#include <cstdio>
int main()
{
   try { const TMVA_SOFIE_net::Session session; } catch (const std::runtime_error &error) { std::puts(error.what()); }
   return 0;
}
"""
    program = build(tmp_path, main, COMPILERS[0])
    for damaged, message in (
        (data[: len(data) // 2], "the file is truncated"),
        (data[:-2], "the file is truncated"),
        (data.replace(b"tensor_w0", b"tensor_w9", 1), "found 'tensor_w9 360'"),
        (data.replace(b"tensor_w1", b"tensor_w9", 1), "tensor 'tensor_w1': expected its name and length 210, found"),
        (data.replace(b"360 float32", b"361 float32", 1), "found 'tensor_w0 361'"),
        (data.replace(b"360 float32", b"360 float64", 1), "expected float32, found 'float64'"),
        (data.replace(b"sofie-jit", b"something", 1), "found 'something weights'"),
    ):
        (tmp_path / "net.bin").write_bytes(damaged)
        assert message in subprocess.run([str(program)], cwd=tmp_path, capture_output=True, text=True).stdout


def test_one_reader_for_both_files(tmp_path: Path) -> None:
    model = mlp().compile()
    model.save_header(tmp_path / "net.hxx", weights="binary")
    (tmp_path / "net.bin").rename(tmp_path / "elsewhere")
    model.save_header(tmp_path / "net.hxx")
    (tmp_path / "elsewhere").rename(tmp_path / "net.dat")
    got = bits_of_rows(model, tmp_path, "TMVA_SOFIE_net", COMPILERS[0], "-march=native")
    np.testing.assert_array_equal(got, model.infer(rows(model)).ravel())


def test_older_standards_of_cpp_are_an_error(tmp_path: Path) -> None:
    two_inputs().save_header(tmp_path / "model.hxx")
    command = [COMPILERS[0], "-std=c++14", "-fsyntax-only", str(tmp_path / "model.hxx")]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode != 0
    assert "sofie-jit headers need C++17" in found.stderr


def test_options_that_cannot_be(tmp_path: Path) -> None:
    for name in ("a b", "1st", "class", "a::", "::a", "a::std", "_A", "a__b", "a;b", "é"):
        with pytest.raises(GraphError, match="namespace"):
            two_inputs().save_header(tmp_path / "net.hxx", namespace=name)
    with pytest.raises(OptionError, match="text, binary, embedded, not as 'root'"):
        two_inputs().save_header(tmp_path / "net.hxx", weights="root")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_file_names_that_are_no_identifiers(tmp_path: Path) -> None:
    model = mlp().compile()
    model.save_header(tmp_path / 'my "first"\\net é.hxx')
    (tmp_path / 'my "first"\\net é.hxx').rename(tmp_path / "net.hxx")  # which #include can name
    got = bits_of_rows(model, tmp_path, "TMVA_SOFIE_my_first_net", COMPILERS[0], "-march=native")
    np.testing.assert_array_equal(got, model.infer(rows(model)).ravel())


def test_objects_for_different_processors_in_one_program(tmp_path: Path) -> None:
    model = mlp().compile()
    model.save_header(tmp_path / "net.hxx", weights="embedded")
    values = ", ".join(f"{v!r}f" for v in rows(model)[0].tolist())
    part = '#include "net.hxx"\nfloat NAME(const float *x) { return TMVA_SOFIE_net::Session().infer(x)[0]; }\n'
    (tmp_path / "baseline.cc").write_text(part.replace("NAME", "baseline"))
    main = part.replace("NAME", "native") + (
        "#include <cstdio>\nfloat baseline(const float *x);\n"
        f"int main() {{ const float x[] = {{{values}}};\n"
        '   std::printf("%.17g %.17g\\n", static_cast<double>(native(x)), static_cast<double>(baseline(x))); }\n'
    )
    compiler = COMPILERS[0]
    subprocess.run([compiler, *STRICT, "-O0", "-c", "baseline.cc"], cwd=tmp_path, check=True)
    native, baseline = outputs(build(tmp_path, main, compiler, "-O0", "-march=native", "baseline.o"))
    assert native == model.infer(rows(model))[0, 0]
    np.testing.assert_allclose(baseline, native, rtol=1e-5)


def every_kind() -> Model:
    """Kernels of many kinds, those that are called through lambdas among them."""
    import keras

    keras.utils.set_random_seed(1)
    x = keras.Input((9, 5))
    y = keras.layers.Conv1D(19, 3, activation="gelu")(x)
    y = keras.layers.MaxPooling1D(2, padding="same")(y)
    y = keras.layers.LayerNormalization()(y)
    y = keras.layers.Bidirectional(keras.layers.GRU(7, return_sequences=True))(y)
    y = keras.layers.LSTM(21, return_sequences=True)(y)
    y = keras.layers.MultiHeadAttention(2, 5)(y, y)
    image = keras.layers.Reshape((9, 5, 32))(keras.layers.Dense(160)(x))
    image = keras.layers.Conv2D(32, 3, padding="same", activation="relu")(image)  # Winograd's
    image = keras.layers.Conv2D(70, 1, activation="relu")(image)  # passes over zeros
    y = keras.layers.Concatenate()([keras.layers.Flatten()(y), keras.layers.GlobalAveragePooling2D()(image)])
    y = keras.layers.Dense(11, activation="softmax")(y)
    return sofie_jit.load(keras.Model(x, y))


@pytest.mark.parametrize("compiler", COMPILERS)
def test_one_program_for_every_processor(tmp_path: Path, compiler: str) -> None:
    model = every_kind()
    model.save_header(tmp_path / "net.hxx", dispatch=True)
    values = ", ".join(f"{v!r}f" for v in rows(model).ravel().tolist())
    main = f"""
#include "net.hxx"
#include <cstdio>
using namespace TMVA_SOFIE_net;
const float x[] = {{{values}}};
template <class Chosen>
void print()
{{
   float y[55];
   constexpr std::size_t count = sizeof weight_entries / sizeof *weight_entries;
   const Chosen session(k::WeightFile("net.dat", weight_entries, count).pointers());
   session.run(5, x, y);
   for (const float value : y)
      std::printf("%.17g\\n", static_cast<double>(value));
}}
int main()
{{
   print<plain::Session>();
#if defined(__x86_64__)
   if (__builtin_cpu_supports("avx2"))
      print<avx2::Session>();
   if (__builtin_cpu_supports("avx512f"))
      print<avx512::Session>();
#endif
   const Session session, copy = session;
   for (const float value : copy.infer(5, x))
      std::printf("%.17g\\n", static_cast<double>(value));
   std::fputs(session.fInstructionSet, stderr);
}}
"""
    program = build(tmp_path, main, compiler, "-O1")
    plain, *fused = outputs(program).reshape(-1, 5, 11)
    want = model.infer(rows(model))
    np.testing.assert_allclose(plain, want, rtol=0, atol=1e-6)
    sets = ["plain", *(name for name, flag in (("avx2", "avx2"), ("avx512", "avx512f")) if flag in cpu_flags())]
    assert len(fused) == len(sets)
    for got in fused if len(sets) > 1 else ():
        np.testing.assert_array_equal(got, want)
    run = subprocess.run([str(program)], cwd=tmp_path, capture_output=True, text=True)
    assert run.stderr == sets[-1]


def test_beside_a_header_of_sofies(tmp_path: Path) -> None:
    two_inputs().save_header(tmp_path / "sum.hxx")
    shutil.copy(Path(__file__).parents[1] / "root" / "sofie.hxx", tmp_path)
    main = """
#include "sofie.hxx"
#include "sum.hxx"
extern "C" void sgemm_(const char *, const char *, const int *m, const int *n, const int *k, const float *alpha,
                       const float *A, const int *lda, const float *B, const int *ldb, const float *beta, float *C,
                       const int *ldc)
{
   for (int i = 0; i < *m; ++i)
      for (int j = 0; j < *n; ++j) {
         C[i + j * *ldc] *= *beta;
         for (int l = 0; l < *k; ++l)
            C[i + j * *ldc] += *alpha * A[i + l * *lda] * B[l + j * *ldb];
      }
}
template <class Session> // as SofieFunctor does it: a default Session, infer(float *), an element of the result
float element(std::vector<float> x, std::size_t i)
{
   Session session;
   return session.infer(x.data())[i];
}
int main()
{
   float a[] = {1, 2, 3, 4}, b[] = {10, 20, 30, 40};
   TMVA_SOFIE_sum::Session session;
   return element<TMVA_SOFIE_by_hand::Session>({1, 1, 1}, 1) == 32 && session.infer(a, b)[3] == 44.0f ? 0 : 1;
}
"""
    outputs(build(tmp_path, main, COMPILERS[0]))

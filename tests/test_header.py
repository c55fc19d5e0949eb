"""Saved headers: they compile alone without a warning, give the JIT's numbers, and live together in one program."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sofie_jit import GraphError, RModel
from sofie_jit.identifiers import comment, identifier
from sofie_jit.model import Model
from sofie_jit.operators.gemm import Gemm
from test_model import mlp, two_inputs
from test_rmodel import gemm_relu_transpose

COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)]
STRICT = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror"]

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


def build(directory: Path, source: str, compiler: str, *flags: str) -> Path:
    (directory / "main.cc").write_text(source)
    command = [compiler, *STRICT, *flags, "main.cc", "-o", "main"]
    run = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[:4000]
    return directory / "main"


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
   TMVA_SOFIE_sum::Session session(std::string("sum.dat"));
   float a[] = {1, 2, 3, 4}, b[] = {10, 20, 30, 40}, y[4];
   std::vector<float> result = session.infer(a, b);
   static_assert(std::is_same_v<decltype(session.infer(std::size_t(2), a, b)), std::vector<float>>);
   TMVA_SOFIE_sum::doInfer(session, a, b, y);
   const TMVA_SOFIE_sum::Session copy = session;
   return result == std::vector<float>{11, 22, 33, 44} && y[3] == 44.0f && copy.infer(a, b) == result ? 0 : 1;
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
        (data[: len(data) // 2], "is no number"),
        (data.replace("360", "361", 1), "found 'tensor_w0 361'"),
        (re.sub(r"\n\S+", "\nhello", data, count=1), "value 0 is no number: 'hello'"),
    ):
        (tmp_path / "net.dat").unlink(missing_ok=True)
        if damaged is not None:
            (tmp_path / "net.dat").write_text(damaged)
        run = subprocess.run([str(program)], cwd=tmp_path, capture_output=True, text=True)
        assert message in run.stdout


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
    assert hostile._call.session.text == harmless._call.session.text
    assert code_of(hostile.header) == code_of(harmless.header)
    assert not re.search(r"\*/|/\*|\?\?/|\\\n|[^\x00-\x7f]", hostile.header)
    assert max(map(len, hostile.header.splitlines())) < 500


def test_identifiers() -> None:
    taken: set[str] = set()
    assert identifier("dense/kernel:0", "tensor_", taken) == "tensor_dense_kernel_0"
    assert identifier("dense_kernel_0", "tensor_", taken) == "tensor_dense_kernel_0_2"
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", identifier("ü" * 500, "tensor_", taken))
    assert comment("a*/b\n\\??/") == "a_/b_____/" or "*/" not in comment("a*/b\n\\??/")


def test_save_header_wants_a_header_name(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match=r"name\.hxx"):
        two_inputs().save_header(tmp_path / "model.cpp")
    with pytest.raises(FileNotFoundError):
        two_inputs().save_header(tmp_path / "missing" / "model.hxx")


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
    rmodel.add_operator(Gemm(inputs=["x", "w"], outputs=["y"]))
    rmodel.add_output_tensor_names("y")
    model: Model = rmodel.compile()
    for steps in (1, 5, 2):
        np.testing.assert_array_equal(model.infer(np.ones((3, steps, 4))), np.full((3, steps, 2), 4))
    header = model.save_header(tmp_path / "jets.hxx")
    assert "infer(std::size_t batch, std::size_t size_time, float const *tensor_x)" in header.read_text()

"""ROOT: sofie_jit on the cppyy that ROOT's wheel brings, and saved headers in ROOT's interpreter and in RDataFrame.

For an environment of its own with the wheel ``root`` in it, which overwrites cppyy; skipped elsewhere.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("ROOT") is None:
    pytest.skip("ROOT is not installed", allow_module_level=True)

import sofie_jit
from sofie_jit.demo import MODEL_FILE, load_digits
from sofie_jit.ir.operators import Gemm, Relu, Softmax
from sofie_jit.jit.cling import cppyy, is_root_fork

COMPILER = shutil.which("g++") or shutil.which("clang++")

cppyy()  # with the flags that make it compile for this processor, before ROOT is imported
import ROOT  # noqa: E402

SOFIE = (Path(__file__).parent / "sofie.hxx").read_text()
"""A header in the form of SOFIE's own, written by hand: y = x W + b by BLAS, three inputs, two outputs."""


def network(seed: int) -> sofie_jit.RModel:
    """Four inputs, three outputs."""
    rng = np.random.default_rng(seed)
    rmodel = sofie_jit.RModel(f"network_{seed}")
    rmodel.add_input_tensor_info("x", "float32", (None, 4))
    last = "x"
    for i, (inputs, outputs) in enumerate([(4, 33), (33, 3)]):
        rmodel.add_initialized_tensor(f"w{i}", rng.normal(size=(inputs, outputs)).astype(np.float32))
        rmodel.add_initialized_tensor(f"b{i}", rng.normal(size=outputs).astype(np.float32))
        rmodel.add_operator(Gemm(inputs=[last, f"w{i}", f"b{i}"], outputs=[f"y{i}"]))
        rmodel.add_operator((Softmax if i else Relu)(inputs=[f"y{i}"], outputs=[f"z{i}"]))
        last = f"z{i}"
    rmodel.add_output_tensor_names(last)
    return rmodel


def declare(code: str) -> None:
    assert ROOT.gInterpreter.Declare(code), code[:200]


def test_sofie_jit_on_roots_cppyy(tmp_path: Path) -> None:
    assert is_root_fork()
    digits = load_digits()
    model = sofie_jit.load(MODEL_FILE, threads=2)
    for _ in range(6):
        got = model.infer(digits.images)
    assert type(model.infer).__name__ == "builtin_function_or_method"
    np.testing.assert_allclose(got, digits.keras, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(model.infer(np.repeat(digits.images, 90, axis=0))[::90], got)
    with pytest.raises(sofie_jit.ShapeError):
        model.infer(digits.images[:, :7])

    # what g++ makes of the header has the bits of the real cppyy, as tests/codegen/test_header.py shows
    model.save_header(tmp_path / "digits.hxx")
    digits.images.tofile(tmp_path / "x")
    (tmp_path / "main.cc").write_text(
        '#include "digits.hxx"\n#include <cstdio>\nint main() {\n   static float x[6400];\n'
        '   std::FILE *in = std::fopen("x", "rb"), *out = std::fopen("y", "wb");\n'
        "   if (std::fread(x, 4, 6400, in) != 6400) return 1;\n"
        "   std::fwrite(TMVA_SOFIE_digits::Session().infer(100, x).data(), 4, 1000, out);\n   std::fclose(out);\n}\n"
    )
    subprocess.run([COMPILER, "-std=c++17", "-O1", "-march=native", "main.cc"], cwd=tmp_path, check=True)
    subprocess.run(["./a.out"], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(np.fromfile(tmp_path / "y", np.float32).reshape(100, 10), got)


def test_headers_in_the_interpreter(tmp_path: Path) -> None:
    """Several of ours, their models and one of SOFIE's shape, in one process."""
    (tmp_path / "sofie.hxx").write_text(SOFIE)
    declare(f'#include "{tmp_path}/sofie.hxx"')
    x = np.random.default_rng(0).normal(size=(7, 4)).astype(np.float32)
    for seed, dispatch in ((1, False), (2, False), (3, True)):
        rmodel = network(seed)
        if seed == 2:  # compiled before its header is declared, and not after
            rmodel.compile().infer(x)
        rmodel.save_header(tmp_path / f"net{seed}.hxx", dispatch=dispatch, weights="embedded" if dispatch else "text")
        declare(f'#include "{tmp_path}/net{seed}.hxx"')
        namespace = getattr(ROOT, f"TMVA_SOFIE_net{seed}")
        session = namespace.Session(*([] if dispatch else [f"{tmp_path}/net{seed}.dat"]))
        got = np.array(session.infer(7, x), np.float32).reshape(7, 3)
        np.testing.assert_array_equal(got, rmodel.compile().infer(x))
        np.testing.assert_array_equal(np.array(session.infer(x[0].copy()), np.float32), got[0])
    declare("static_assert(sizeof(TMVA_SOFIE_by_hand::Session) > 0);")


FUNCTOR = """
#include "{header}"
// What SofieFunctor of TMVA is, which ROOT's wheel lacks: a Session per slot, its inputs as arguments.
template <typename Indices, typename Session>
struct FunctorOf;
template <std::size_t... N, typename Session>
struct FunctorOf<std::index_sequence<N...>, Session> {{
   template <std::size_t> using Input = float;
   std::vector<std::vector<float>> fInputs;
   std::vector<std::shared_ptr<Session>> fSessions;
   FunctorOf(unsigned slots) : fInputs(slots)
   {{
      for (unsigned i = 0; i < slots; ++i)
         fSessions.push_back(std::make_shared<Session>());
   }}
   double operator()(unsigned slot, Input<N>... inputs)
   {{
      fInputs[slot] = {{inputs...}};
      return fSessions[slot]->infer(fInputs[slot].data())[0];
   }}
}};
template <std::size_t N, typename Session>
using Functor = FunctorOf<std::make_index_sequence<N>, Session>;

ROOT::RDF::RNode with_score(ROOT::RDF::RNode frame)
{{
   return frame.DefineSlot("score", Functor<4, TMVA_SOFIE_frame::Session>(frame.GetNSlots()), {{"a", "b", "c", "d"}});
}}
const std::vector<float> table = {{{values}}};
const TMVA_SOFIE_frame::Session shared_session; // immutable: one serves all threads
"""


def test_rdataframe(tmp_path: Path) -> None:
    rmodel = network(4)
    header = rmodel.save_header(tmp_path / "frame.hxx", weights="embedded")
    x = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    ROOT.gSystem.Load("libROOTDataFrame")  # before code that uses it
    declare(FUNCTOR.format(header=header, values=", ".join(f"{v!r}f" for v in x.ravel().tolist())))
    want = rmodel.compile().infer(x)[:, 0]
    try:
        for threads in (1, 2):
            if threads > 1:
                ROOT.EnableImplicitMT(threads)
            frame = ROOT.RDataFrame(len(x))
            for i, name in enumerate("abcd"):
                frame = frame.Define(name, f"table[4 * rdfentry_ + {i}]")
            frame = ROOT.with_score(ROOT.RDF.AsRNode(frame))
            frame = frame.Define("other", "float x[] = {a, b, c, d}; return shared_session.infer(x)[0];")
            taken = [frame.Take[kind](name) for kind, name in (("float", "a"), ("double", "score"), ("float", "other"))]
            a, score, other = (np.array(column.GetValue()) for column in taken)
            order = {value: i for i, value in enumerate(x[:, 0].tolist())}  # threads may change it
            places = [order[float(value)] for value in a]
            np.testing.assert_array_equal(score, want[places])
            np.testing.assert_array_equal(other, want[places])
    finally:
        ROOT.DisableImplicitMT()


def test_in_roots_interpreter_as_it_comes(tmp_path: Path) -> None:
    """Without our compiler options, a header with dispatch still is fast, and has the same bits."""
    rmodel = network(5)
    header = rmodel.save_header(tmp_path / "net.hxx", weights="embedded", dispatch=True)
    x = np.linspace(-1, 1, 4, dtype=np.float32)
    code = (
        "import sys, numpy, ROOT\n"
        f"assert ROOT.gInterpreter.Declare('#include \"{header}\"')\n"
        "session = ROOT.TMVA_SOFIE_net.Session()\n"
        "x = numpy.linspace(-1, 1, 4, dtype=numpy.float32)\n"
        "print(session.fInstructionSet, *(float(y).hex() for y in session.infer(x)))\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "EXTRA_CLING_ARGS"}
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    chosen, *got = run.stdout.split()
    if chosen != "plain":
        assert [float.fromhex(y) for y in got] == rmodel.compile().infer(x[None])[0].tolist()


def test_root_may_be_in_use_already() -> None:
    """The numbers are right; a warning says that the code is slow, and what to do."""
    code = (
        "import ROOT, sofie_jit, numpy\n"
        "ROOT.gInterpreter\n"
        "from sofie_jit.demo import MODEL_FILE, load_digits\n"
        "digits = load_digits()\n"
        "y = sofie_jit.load(MODEL_FILE).infer(digits.images)\n"
        "assert numpy.abs(y - digits.keras).max() < 1e-6\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "EXTRA_CLING_ARGS"}
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "many times slower" in run.stderr

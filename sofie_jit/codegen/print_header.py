"""Plan -> a C++ header for other programs, source-compatible with the headers of ROOT's SOFIE.

The Session is printed by :class:`SessionPrinter`, as for the JIT, but with readable names and a comment per operator
that names its layer. The header also contains the kernels that it calls, the weights or the code that reads them, and
``infer`` with SOFIE's signatures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import get_args

import numpy as np

from sofie_jit.codegen.expressions import CPP_TYPES, Step
from sofie_jit.codegen.identifiers import comment, identifier, literal, qualified
from sofie_jit.codegen.kernel_library import closure, kernel_namespace, kernel_text, renamed, variant
from sofie_jit.codegen.plan import Plan, make_plan
from sofie_jit.codegen.print_session import SessionPrinter, count_text
from sofie_jit.codegen.self_test import Reference, self_test
from sofie_jit.codegen.weights import SUFFIXES, arrays, entries, stored, write_binary, write_text
from sofie_jit.errors import OptionError
from sofie_jit.ir.dims import BATCH, Dim, bind_shape, format_shape
from sofie_jit.ir.options import Weights
from sofie_jit.ir.rmodel import RModel
from sofie_jit.records import dataclass
from sofie_jit.report.output_file import with_suffix

TARGETS = {"avx2": (32, "avx2,fma,bmi,bmi2"), "avx512": (64, "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,bmi,bmi2")}
"""Instruction sets of a dispatching header, best last: bytes of a register, and what the processor must have
(``kernels/core/processor.hxx`` detects it)."""


def readable_names(rmodel: RModel) -> Callable[[str], str]:
    """Naming of saved headers: tensor_<name>, made a valid unique identifier; outputs have their labels as names."""
    labels = dict(zip(rmodel.outputs, rmodel.output_labels, strict=False))  # states have no labels
    seen: dict[str, str] = {}
    taken: set[str] = set()

    def name_of(name: str) -> str:
        if name not in seen:
            seen[name] = identifier(labels.get(name, name), "tensor_", taken)
        return seen[name]

    for name in (*rmodel.inputs, *rmodel.outputs):  # the names that callers see have no numbers at the end
        name_of(name)
    return name_of


class HeaderPrinter(SessionPrinter):
    """Prints a Session under readable names, with a comment per operator that says which layer it came from."""

    def __init__(self, plan: Plan):
        taken: set[str] = set()
        dims = {d: "batch" if d == BATCH else identifier(d, "size_", taken) for d in plan.dims}
        super().__init__(plan, readable_names(plan.rmodel), dims)

    def introduction(self, step: Step) -> list[str]:
        """The comment of an operator."""
        op, rmodel = step.op, step.network

        def listed(names: Iterable[str]) -> str:
            return ", ".join(format_shape(rmodel.tensor_type(name).shape) for name in names if name)

        origin = f" of {op.origin}" if op.origin else ""
        text = comment(f"{op.op_type}{origin}: {listed(op.inputs)} -> {listed(op.outputs)}")
        return [f"// {step.index}: {text}"]


@dataclass(frozen=True)
class Parts:
    """The Session of a header, as its parts use it."""

    session: str
    """Members and constructor, without the closing brace."""
    dims: dict[str, str]
    """Run-time dimensions -> their C++ names, in the order of ``infer``'s arguments."""
    names: dict[str, str]
    """Inputs and outputs -> their C++ names."""
    found: dict[str, Dim]
    """Run-time dimensions of outputs that operators set -> their upper bounds, in the order of the array ``found``."""
    failures: dict[int, str]
    """Status that ``run`` may return -> the error; 0 is success."""
    size_checks: dict[int, str]
    """Status for sizes that do not fit -> the requirement."""
    dim_parameters: str
    tensor_parameters: str


HEADERS = (".hxx", ".hpp", ".hh", ".h")
"""Suffixes of C++ headers."""


def header_file(path: Path) -> Path:
    """``path``, if a header can be written to it.

    Raises OptionError for another suffix, FileNotFoundError if there is no such folder.
    """
    return with_suffix(path, HEADERS, "a C++ header")


def write_header(
    rmodel: RModel,
    path: Path,
    *,
    weights: Weights = "text",
    namespace: str | None = None,
    dispatch: bool = False,
    reference: Reference | None = None,
) -> Path:
    """Writes a lowered model to ``path`` and, unless embedded, its weights next to it; returns ``path``.

    With a ``reference`` the header has a ``self_test``.

    Raises OptionError if ``path`` does not have the suffix of a C++ header, or for an invalid option, and
    FileNotFoundError if there is no such folder.
    """
    header_file(path)
    text, tensors = export_header(
        rmodel, path.stem, weights=weights, namespace=namespace, dispatch=dispatch, reference=reference
    )
    path.write_text(text)
    if weights == "text":
        write_text(path.with_suffix(SUFFIXES[weights]), tensors)
    elif weights == "binary":
        write_binary(path.with_suffix(SUFFIXES[weights]), tensors)
    return path


def export_header(
    rmodel: RModel,
    name: str,
    *,
    weights: Weights = "text",
    namespace: str | None = None,
    dispatch: bool = False,
    reference: Reference | None = None,
) -> tuple[str, dict[str, np.ndarray]]:
    """The self-contained header of a lowered model, and its weights by C++ name in the order of the weight file.

    ``name`` is the stem of the file: it gives the default namespace ``TMVA_SOFIE_<name>``, the guard and the default
    weight file's name. Run-time dimensions are arguments of ``infer``, the batch first; without it, it is 1.
    """
    if weights not in get_args(Weights):
        raise OptionError(f"weights are saved as one of {', '.join(get_args(Weights))}, not as {weights!r}")
    namespace = qualified(namespace or f"TMVA_SOFIE_{identifier(name, '', set()) or 'model'}")
    guard = f"ROOT_{namespace.replace('::', '_').upper()}"
    plan = make_plan(rmodel)
    printer = HeaderPrinter(plan)
    r = Parts(
        session=printer.session(),
        dims=printer.dim_names,
        names={tensor: printer.name(tensor) for tensor in (*rmodel.inputs, *rmodel.outputs)},
        found={name: plan.found[name] for name in plan.reported},
        failures=plan.failures,
        size_checks={n: f"{check.operator}: {check.requirement}" for n, check in plan.size_checks.items()},
        dim_parameters=", ".join(printer.dim_parameters),
        tensor_parameters=", ".join(printer.tensor_parameters),
    )
    weight_kernels = [] if weights == "embedded" else ["core/weight_file.hxx"]
    test_kernels = ["core/self_test.hxx"] if reference else []
    kernels = closure(["core/memory.hxx", *plan.kernels, *weight_kernels, *test_kernels])
    tensors = {printer.name_of(weight): stored(rmodel.initialized[weight]) for weight in plan.weights}
    parts = _dispatching if dispatch else _single
    before, opening, session = parts(rmodel, r, kernels, namespace)
    text = f"""{_introduction(rmodel, name, dispatch)}\
#ifndef {guard}
#define {guard}

{before}
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace {namespace} {{
{opening}
{arrays(tensors) if weights == "embedded" else entries(tensors)}
{session}
{_constructor(name, len(tensors), weights)}{_sized_constructor(r) if weights != "embedded" else ""}
{_infer(rmodel, r)}
}};

{_do_infer(rmodel, r)}
{self_test(rmodel, r.names, tuple(r.dims), len(r.found), reference) if reference else ""}\
{"" if dispatch else "} // instruction set" + chr(10)}\
}} // namespace {namespace}
#endif
"""
    return text, tensors


def _introduction(rmodel: RModel, name: str, dispatch: bool) -> str:
    count = len(rmodel.updates)  # states are the last inputs and outputs
    states = list(zip(list(rmodel.inputs)[-count:], rmodel.outputs[-count:], strict=True)) if count else []
    labels = [*rmodel.output_labels, *rmodel.outputs[len(rmodel.output_labels) :]]  # states have no labels
    how = (
        "compile with -O3, without -march. It contains code for AVX-512, AVX2 and any\n// processor; the constructor "
        "of Session selects one"
        if dispatch
        else "compile with -O3 and the target's instruction set (-march=native)"
    )
    lines = [
        f"{comment(name)}: generated by sofie_jit, in the form of ROOT's TMVA SOFIE.",
        *f"Needs C++17 and nothing else; {how}.".split("\n// "),
        "A Session is immutable after construction and its infer may be called from many threads. First come the",
        "kernels; the network itself, operator by operator, is `struct Session` towards the end.",
        *(f"input  {comment(n)}: {t}" for n, t in rmodel.inputs.items()),
        *(f"output {comment(label)}: {rmodel.tensor_type(n)}" for label, n in zip(labels, rmodel.outputs, strict=True)),
        *(f"state  {comment(n)}: zeros at first, then {comment(v)} of the call before" for n, v in states),
    ]
    return "".join(f"// {line}\n" for line in lines)


# -- one instruction set, or several -----------------------------------------------------------------------------------


def _single(rmodel: RModel, r: Parts, kernels: list[str], namespace: str) -> tuple[str, str, str]:
    """The text before the namespace, the text at its beginning, and the Session without its last members."""
    before = "".join(kernel_text(kernel) for kernel in kernels)
    # as in the kernels: objects compiled for different instruction sets may be linked into one program
    opening = renamed("inline namespace SOFIE_JIT_ISA {\n")
    return before, f"{opening}namespace k = {kernel_namespace()};\n", f"{r.session}\n"


def _dispatching(rmodel: RModel, r: Parts, kernels: list[str], namespace: str) -> tuple[str, str, str]:
    """As :func:`_single`, with kernels and Session once per instruction set, and a Session that selects one of them."""
    source = "".join(kernel_text(kernel) for kernel in kernels)
    choice = "".join(kernel_text(kernel) for kernel in closure(["core/processor.hxx"]) if kernel not in kernels)
    body = f"namespace k = {kernel_namespace()};\n\n{r.session}\n}};\n"
    opening = renamed("inline namespace SOFIE_JIT_ISA {\n")
    before = [
        f"// -- for any processor {'-' * 95}\n{source}",
        f"namespace {namespace} {{\nnamespace plain {{\n{opening}{body}}}\n}} // namespace plain\n}}\n",
        "#if defined(__x86_64__)\n#if !defined(__clang__)\n#include <immintrin.h>\n#endif\n",
        *(for_target(name, source, body, namespace) for name in TARGETS),
        f"#endif // x86-64\n// -- the choice {'-' * 103}\n{choice}",
    ]
    return "\n".join(before), f"namespace k = {kernel_namespace()};\n", _choosing_session(rmodel, r)


def for_target(name: str, source: str, body: str, namespace: str) -> str:
    """The kernels ``source`` and the Session ``body`` for one of TARGETS."""
    size, features = TARGETS[name]
    macros = renamed(
        f"#ifndef SOFIE_JIT_ISA\n#define SOFIE_JIT_ISA {name}\n#define SOFIE_JIT_VECTOR_BYTES {size}\n"
        "#define SOFIE_JIT_FMA 1\n#endif\n"
    )
    return f"""// -- for processors with {features} {"-" * (93 - len(features))}
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("{features}"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("{features}")
#endif
{variant(macros + source, name)}
namespace {namespace} {{
namespace {name} {{
{variant(body, name)}}} // namespace {name}
}}
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
"""


def _choosing_session(rmodel: RModel, r: Parts) -> str:
    """A Session without its last members, which holds the Session for the processor that it runs on."""
    kinds = [("const ", t) for t in rmodel.inputs.values()] + [("", rmodel.tensor_type(n)) for n in rmodel.outputs]
    types = [f"{const}{CPP_TYPES[kind.dtype]} *" for const, kind in kinds] + ["std::size_t *"] * bool(r.found)
    parameters = ", ".join(["const void *", *["std::size_t"] * len(r.dims), *types])
    arguments = ", ".join(filter(None, (r.dim_parameters, r.tensor_parameters)))
    given = [
        *r.dims.values(),
        *(r.names[name] for name in (*rmodel.inputs, *rmodel.outputs)),
        *["found"] * bool(r.found),
    ]
    cases = "".join(
        f"      case k::Processor::{name}: use<{name}::Session>({literal(name)}, weights); return;\n"
        for name in reversed(TARGETS)
    )
    return f"""// Picks the fastest code for the processor it runs on. Copies share the weights.
struct Session {{
   std::shared_ptr<const void> fSession;
   int (*fRun)({parameters}) = nullptr;
   const char *fInstructionSet = nullptr; // plain, {", ".join(TARGETS)}

   explicit Session(const void *const *weights)
   {{
      switch (k::processor()) {{
#if defined(__x86_64__)
{cases}#endif
      default: use<plain::Session>("plain", weights);
      }}
   }}

   template <class Chosen>
   void use(const char *name, const void *const *weights)
   {{
      fSession = std::make_shared<const Chosen>(weights);
      fRun = [](const void *session, {arguments}) {{
         return static_cast<const Chosen *>(session)->run({", ".join(given)});
      }};
      fInstructionSet = name;
   }}

{_checking(r)}   int run({arguments}) const
   {{
      return fRun({", ".join(["fSession.get()", *given])});
   }}
"""


def _checking(r: Parts) -> str:
    """The function ``wrong_size`` of a Session that holds another one."""
    if not r.size_checks:
        return ""
    return f"""   static int wrong_size({r.dim_parameters})
   {{
      return plain::Session::wrong_size({", ".join(r.dims.values())});
   }}

"""


# -- members that the Sessions of SOFIE have, too ----------------------------------------------------------------------


def _constructor(name: str, count: int, weights: Weights) -> str:
    if weights == "embedded":
        return "   Session() : Session(embedded_weights) {}\n"
    if not count:
        return f"""   // The network has no weights: no file is read, as in SOFIE.
   Session(const std::string & = {literal(name + SUFFIXES[weights])})
      : Session(static_cast<const void *const *>(nullptr))
   {{
   }}
"""
    return f"""   // Reads the weights from a file: the text or the binary one that save_header writes.
   Session(const std::string &filename = {literal(name + SUFFIXES[weights])})
      : Session(k::WeightFile(filename, weight_entries, {count}).pointers())
   {{
   }}
"""


def _sized_constructor(r: Parts) -> str:
    """SOFIE's constructor of networks with open sizes, which allocates memory for them."""
    if not r.dims and not r.found:
        return ""
    return """
   // SOFIE's constructor: the sizes that follow are those of calls, which allocate what they need.
   template <class... Sizes>
   Session(const std::string &filename, std::size_t, Sizes...) : Session(filename)
   {
   }
"""


def _infer(rmodel: RModel, r: Parts) -> str:
    """The ``infer`` overloads, with SOFIE's signatures."""
    inputs = [f"{CPP_TYPES[t.dtype]} const *{r.names[n]}" for n, t in rmodel.inputs.items()]
    given = [r.names[n] for n in rmodel.inputs]
    kinds = [rmodel.tensor_type(n) for n in rmodel.outputs]
    # std::vector<bool> has no data(): truth values are given as bytes
    vectors = [f"std::vector<{'std::uint8_t' if t.dtype == 'bool' else CPP_TYPES[t.dtype]}>" for t in kinds]
    names = [f"result{i}" for i in range(len(kinds))]
    pointers = [
        f"reinterpret_cast<bool *>({n}.data())" if t.dtype == "bool" else f"{n}.data()"
        for n, t in zip(names, kinds, strict=True)
    ]
    if len(kinds) == 1:
        result, packed = vectors[0], names[0]
    elif len(set(vectors)) == 1:
        result, packed = f"std::vector<{vectors[0]}>", f"{{{', '.join(names)}}}"
    else:
        result, packed = f"std::tuple<{', '.join(vectors)}>", f"std::make_tuple({', '.join(names)})"
    sizes = list(r.dims.values())
    open_sizes = [cpp_name for name, cpp_name in r.dims.items() if name != BATCH]
    bounds = [bind_shape(t.shape, r.found) for t in kinds]
    declared = [f"      {v} {n}({count_text(s, r.dims)});" for v, n, s in zip(vectors, names, bounds, strict=True)]
    trimmed = []
    if r.found:
        declared.append(f"      std::size_t found[{len(r.found)}] = {{}};")
        sizes_found = r.dims | {name: f"found[{index}]" for index, name in enumerate(r.found)}
        trimmed = [
            f"      {name}.resize({count_text(kind.shape, sizes_found)});"
            for name, kind, bound in zip(names, kinds, bounds, strict=True)
            if kind.shape != bound
        ]
        pointers.append("found")
    lines = [
        "",
        f"   {result} infer({', '.join([*_sizes(sizes), *inputs])}) const",
        "   {",
        *([f"      check(wrong_size({', '.join(sizes)}));"] if r.size_checks else []),
        *declared,
        f"      check(run({', '.join([*sizes, *given, *pointers])}));",
        *trimmed,
        f"      return {packed};",
        "   }",
    ]
    if BATCH in r.dims:
        ones = ["std::size_t(1)" if size == r.dims[str(BATCH)] else size for size in sizes]
        lines += [
            "",
            f"   {result} infer({', '.join([*_sizes(open_sizes), *inputs])}) const",
            "   {",
            f"      return infer({', '.join([*ones, *given])});",
            "   }",
        ]
    cases = [
        f'      if (status == {s})\n         throw std::{error}("{comment(m)}");'
        for error, messages in (("out_of_range", r.failures), ("invalid_argument", r.size_checks))
        for s, m in messages.items()
    ]
    lines += [
        "",
        "   // Throws std::out_of_range for what run() reports"
        f"{', std::invalid_argument for sizes that do not fit' if r.size_checks else ''}.",
        f"   static void check({'int status' if cases else 'int'})",
        "   {",
        *cases,
        "   }",
    ]
    return "\n".join(lines)


def _sizes(names: Iterable[str]) -> list[str]:
    return [f"std::size_t {name}" for name in names]


def _do_infer(rmodel: RModel, r: Parts) -> str:
    """SOFIE's free function, which writes the results into memory of the caller."""
    names = [*rmodel.inputs, *rmodel.outputs]
    given = [r.names[n] for n in names]
    arguments = [
        f"{CPP_TYPES[rmodel.tensor_type(n).dtype]} {'const ' if n in rmodel.inputs else ''}*{r.names[n]}" for n in names
    ]
    if r.found:
        given.append("found")
        arguments.append("std::size_t *found")
    sizes = list(r.dims.values())
    open_sizes = [cpp_name for name, cpp_name in r.dims.items() if name != BATCH]

    def function(parameters: list[str], values: list[str]) -> str:
        return (
            f"inline void doInfer({', '.join(['Session const &session', *parameters])})\n{{\n"
            f"   Session::check(session.run({', '.join(values)}));\n}}\n"
        )

    whole = function([*_sizes(sizes), *arguments], [*sizes, *given])
    if BATCH not in r.dims:
        return whole
    ones = ["1" if size == r.dims[str(BATCH)] else size for size in sizes]
    return whole + "\n" + function([*_sizes(open_sizes), *arguments], [*ones, *given])

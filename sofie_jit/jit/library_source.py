"""Networks -> the C++ text of a compiled library.

A library contains the text that Cling compiles for the same network, so that both give the same bits: the kernels, the
functions that enter them, the Session, and the runtime. Nothing is deferred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sofie_jit.codegen.identifiers import literal
from sofie_jit.codegen.kernel_library import closure, kernel_namespace, kernel_text
from sofie_jit.codegen.print_header import TARGETS, for_target
from sofie_jit.codegen.print_jit import CALLS, INCOMPLETE, JitText, completing, jit_text
from sofie_jit.ir.dims import BATCH, SymbolicDim
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.types import TensorType
from sofie_jit.jit import runtime_functions
from sofie_jit.jit.compiler import in_calls
from sofie_jit.jit.library import DEFERRED
from sofie_jit.jit.threads import FLOPS_PER_THREAD

C_HEADER = Path(__file__).parents[1] / "include" / "sofie_jit.h"

PLAIN = "plain"
"""The name of the code for any processor in a dispatching library."""

NAMESPACE = "sofie_jit_library"

WEIGHTS_FILE = "weights.bin"
"""The file with the weights that the assembler includes, in the directory in which it runs."""


def texts(lowered: RModel, vector_bytes: int, *, dispatch: bool) -> dict[str, JitText]:
    """The texts of a lowered network by instruction set: one, called "", or one for each that is dispatched to.

    ``vector_bytes``: bytes of a register of the only instruction set.
    """
    if not dispatch:
        return {"": jit_text(lowered, vector_bytes=vector_bytes)}
    sizes = {PLAIN: 16, **{name: size for name, (size, _) in TARGETS.items()}}
    return {name: jit_text(lowered, vector_bytes=size) for name, size in sizes.items()}


def library_source(
    codes: Mapping[str, JitText],
    outputs: Sequence[tuple[str, TensorType]],
    work: Sequence[tuple[float, Sequence[str]]],
    weight_offsets: Sequence[int],
) -> str:
    """The C++ text of a library.

    ``codes``: as :func:`texts` returns them.
    ``outputs``: name and type of each output.
    ``work``: floating-point operations: terms of a number and names of open sizes that it is multiplied by.
    ``weight_offsets``: where each weight begins in the file :data:`WEIGHTS_FILE`.
    """
    code = next(iter(codes.values()))
    tensors = [*code.plan.rmodel.inputs.items(), *outputs]
    return "\n".join(
        [
            C_HEADER.read_text(),
            _runtime_and(_only(code) if "" in codes else _dispatching(codes)),
            _WEIGHTS,
            f"namespace {NAMESPACE} {{",
            _constants(code, len(outputs), weight_offsets),
            _flops(code, work),
            _descriptions(code, tensors),
            _shape(code, tensors),
            _largest(code),
            f"}} // namespace {NAMESPACE}",
            _weights(len(weight_offsets)),
            runtime_functions.text("table"),
            runtime_functions.text("library"),
        ]
    )


def code_source(code: JitText) -> str:
    """The C++ text of a library with the code of a network for Python, without weights and without names."""
    table = runtime_functions.text("table")
    return "\n".join([_runtime_and(_only(code)), _weights(0), table, _deferred(code)])


def _runtime_and(networks: str) -> str:
    runtime = "".join(map(runtime_functions.text, runtime_functions.IN_LIBRARIES))
    return f"#include <algorithm>\n{runtime}{networks}"


# -- the networks ------------------------------------------------------------------------------------------------------

_FUNCTIONS = """
struct Functions {
   sofie_jit_runtime::Create create;
   sofie_jit_runtime::Destroy destroy;
   sofie_jit_runtime::Infer infer;
};
"""


def _only(code: JitText) -> str:
    choice = f"inline Functions functions()\n{{\n   return {_functions(code)};\n}}\n"
    return f"{_kernels(code)}{_body(code)}namespace {NAMESPACE} {{{_FUNCTIONS}{choice}}}\n"


def _dispatching(codes: Mapping[str, JitText]) -> str:
    """The networks for all instruction sets, and the choice when the library is loaded."""
    source = "".join(_kernels(code) for name, code in codes.items() if name == PLAIN)
    others = [for_target(name, _kernels(codes[name]), _body(codes[name]), NAMESPACE) for name in TARGETS]
    cases = "".join(
        f"   case k::Processor::{name}: return {{{', '.join(f'{name}::{f}' for f in _members(codes[name]))}}};\n"
        for name in TARGETS
    )
    plain = ", ".join(f"{PLAIN}::{function}" for function in _members(codes[PLAIN]))
    processor = "".join(
        kernel_text(kernel) for kernel in closure(["core/processor.hxx"]) if kernel not in _kernel_names(codes[PLAIN])
    )
    return "\n".join(
        [
            f"{source}namespace {NAMESPACE} {{\nnamespace {PLAIN} {{\n{_body(codes[PLAIN])}}}\n}}",
            "#if defined(__x86_64__)\n#if !defined(__clang__)\n#include <immintrin.h>\n#endif",
            *others,
            f"#endif\n{processor}namespace {NAMESPACE} {{{_FUNCTIONS}inline Functions functions()\n{{",
            f"   namespace k = {kernel_namespace()};\n   switch (k::processor()) {{",
            f"#if defined(__x86_64__)\n{cases}#endif\n   default: return {{{plain}}};\n   }}\n}}\n}}\n",
        ]
    )


def _kernel_names(code: JitText) -> list[str]:
    return closure([*code.kernels, *code.parallel_kernels])


def _kernels(code: JitText) -> str:
    return "".join(map(kernel_text, _kernel_names(code)))


def _body(code: JitText) -> str:
    """The functions that enter kernels, the network, and the statements that set pointers to deferred functions."""
    deferred = {function.name: function.definition for function in code.deferred.values()}
    whens = {function.when for function in code.deferred.values()}
    return "".join(
        [
            in_calls("\n".join((code.outlined | deferred).values())),  # some functions are both: needed now and later
            code.text,
            *(in_calls(completing(code, when)) for when in INCOMPLETE.values() if when in whens),
        ]
    )


def _deferred(code: JitText) -> str:
    """The table of the functions that are deferred by the JIT, in the order of ``code.deferred``."""
    functions = [f"reinterpret_cast<void *>(&{CALLS}::{function.name})" for function in code.deferred.values()]
    return f"SOFIE_JIT_EXPORTED void *const {DEFERRED}[] = {{{', '.join([*functions, 'nullptr'])}}};\n"


def _members(code: JitText) -> list[str]:
    return [f"{code.namespace}::{function}" for function in ("create", "destroy", "infer")]


def _functions(code: JitText) -> str:
    return f"{{{', '.join(_members(code))}}}"


# -- its description ---------------------------------------------------------------------------------------------------


_WEIGHTS = f"""asm(".section .rodata\\n.balign 64\\n.hidden sofie_jit_weights\\n.globl sofie_jit_weights\\n"
    "sofie_jit_weights:\\n.incbin \\"{WEIGHTS_FILE}\\"\\n.previous\\n");
extern "C" __attribute__((visibility("hidden"))) const char sofie_jit_weights[];
"""


def _weights(count: int) -> str:
    """The function that returns the addresses of the weights, which the constructor of a Session takes."""
    body = f"""   static const void *addresses[{count + 1}];
   for (int i = 0; i < {count}; ++i)
      addresses[i] = sofie_jit_weights + weight_offsets[i];
   return addresses;"""
    return f"""namespace {NAMESPACE} {{
inline const void *const *weights()
{{
{body if count else "   return nullptr;"}
}}
}}"""


def _constants(code: JitText, output_count: int, weight_offsets: Sequence[int]) -> str:
    rmodel = code.plan.rmodel
    inputs = rmodel.inputs
    ranks = [kind.rank for kind in (*inputs.values(), *map(rmodel.tensor_type, rmodel.outputs))]
    batch = code.dims.index(str(BATCH)) if BATCH in code.dims else -1
    texts = code.failures | {n: f"{check.operator}: {check.requirement}" for n, check in code.size_checks.items()}
    failures = [texts.get(status, "") for status in range(1 + max(texts, default=0))]
    offsets = ", ".join(map(str, weight_offsets)) or "0"
    return f"""constexpr int size_count = {len(code.dims)}, input_count = {len(inputs)}, output_count = {output_count};
constexpr int set_size_count = {len(code.found)};
constexpr int batch_index = {batch}, weight_count = {len(weight_offsets)}, max_rank = {max(*ranks, 1)};
constexpr int failure_count = {len(failures) - 1};
constexpr bool is_tiled = {str(code.tiled).lower()};
constexpr std::size_t rows_together = {code.rows_together};
constexpr double flops_per_thread = {FLOPS_PER_THREAD};
const char *const size_names[] = {{{", ".join([*map(literal, code.dims), "nullptr"])}}};
const char *const set_size_names[] = {{{", ".join([*map(literal, code.found), "nullptr"])}}};
const char *const failures[] = {{{", ".join(map(literal, failures))}}};
const std::size_t weight_offsets[] = {{{offsets}}};"""


def _flops(code: JitText, work: Sequence[tuple[float, Sequence[str]]]) -> str:
    """The function that computes the floating-point operations of a call from the sizes of the open dimensions."""
    dims = list(code.dims)
    terms = [
        " * ".join([repr(float(number)), *(f"static_cast<double>(dims[{dims.index(name)}])" for name in names)])
        for number, names in work
    ]
    return f"""inline double flops(const std::size_t *dims)
{{
   static_cast<void>(dims);
   return {" + ".join(terms)};
}}"""


def _descriptions(code: JitText, tensors: Sequence[tuple[str, TensorType]]) -> str:
    rows = "".join(f"   {{{literal(name)}, {literal(kind.dtype)}, {kind.rank}}},\n" for name, kind in tensors)
    sizes = ", ".join(str(np.dtype(kind.dtype).itemsize) for _, kind in tensors)
    return f"const sofie_jit_tensor described[] = {{\n{rows}}};\nconstexpr std::size_t item_sizes[] = {{{sizes}}};"


def _shape(code: JitText, tensors: Sequence[tuple[str, TensorType]]) -> str:
    """The function that computes the shape of a tensor from the open sizes and those that operators set."""
    names, sizes = _named_sizes([*code.dims, *code.found])
    cases = []
    for index, (_, kind) in enumerate(tensors):
        axes = [dim.cpp(names) if isinstance(dim, SymbolicDim) else str(dim) for dim in kind.shape]
        steps = "".join(f"      shape[{i}] = static_cast<std::int64_t>({axis});\n" for i, axis in enumerate(axes))
        cases.append(f"   case {index}:\n{steps}      break;\n")
    return f"""inline void shape(int tensor, const std::int64_t *sizes, std::int64_t *shape)
{{
   static_cast<void>(sizes);
{sizes}   switch (tensor) {{
{"".join(cases)}   }}
}}"""


def _largest(code: JitText) -> str:
    """The function that computes the largest values of the sizes that operators set."""
    names, sizes = _named_sizes(code.dims)
    bounds = [dim.cpp(names) if isinstance(dim, SymbolicDim) else str(dim) for dim in code.found.values()]
    steps = "".join(f"   largest[{i}] = static_cast<std::int64_t>({bound});\n" for i, bound in enumerate(bounds))
    return f"""inline void largest_sizes(const std::int64_t *sizes, std::int64_t *largest)
{{
   static_cast<void>(sizes);
   static_cast<void>(largest);
{sizes}{steps}}}"""


def _named_sizes(dims: Sequence[str]) -> tuple[dict[str, str], str]:
    """C++ names of sizes, and the declarations of these names from an array ``sizes``."""
    names = {dim: f"size{index}" for index, dim in enumerate(dims)}
    declarations = "".join(
        f"   const std::size_t {name} = static_cast<std::size_t>(sizes[{index}]);\n   static_cast<void>({name});\n"
        for index, name in enumerate(names.values())
    )
    return names, declarations

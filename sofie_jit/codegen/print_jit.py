"""RModel -> the C++ text that is compiled in this process.

It uses positional names and carries neither weights nor comments, so that it depends on the architecture alone and
equal architectures share compiled code. (Headers for other programs: saved_header.py.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sofie_jit.codegen.kernel_library import kernel_namespace
from sofie_jit.codegen.plan import Rendering, SessionWriter
from sofie_jit.ir.operators.operator import BATCH, CPP_TYPES
from sofie_jit.ir.rmodel import RModel

CALLS = "sofie_jit_calls"
"""Namespace of the outlined functions; their names carry a hash of their text."""

INCOMPLETE = {-2: "rows", -3: "team"}
"""What ``infer`` returns before functions that can wait are compiled -> by what they are needed now (``Late.when``)."""


def positional_names() -> Callable[[str], str]:
    """JIT naming: t0, t1, ... in the order of first use."""
    seen: dict[str, str] = {}
    return lambda name: seen.setdefault(name, f"t{len(seen)}")


def jit_text(rmodel: RModel, *, profile: bool = False, vector_bytes: int | None = None) -> tuple[str, str, Rendering]:
    """Namespace, text and parts of the code that the JIT compiles for a lowered model.

    ``profile``: a Session that reads the clock after each operator, and ``take_op_timings``, which fetches the sums.
    ``vector_bytes``: of this machine's registers, so that no kernel is compiled that only other machines need.
    """
    r = SessionWriter(
        rmodel, positional_names(), comments=False, outline=True, profile=profile, vector_bytes=vector_bytes
    ).render()
    types = [*rmodel.inputs.values(), *map(rmodel.tensor_type, rmodel.outputs)]
    given = [f"dims[{i}]" for i in range(len(r.dims))]
    given += [f"static_cast<{CPP_TYPES[t.dtype]} *>(tensors[{i}])" for i, t in enumerate(types)]
    given.append("static_cast<const k::Team *>(team)")
    declared = check = ""
    for status, when in INCOMPLETE.items():
        if any(late.when == when for late in r.late.values()):
            needed = "team" if when == "team" else f"dims[{list(r.dims).index(BATCH)}] > 1"
            declared += f"bool complete_{when} = false;\n"
            check += (
                f"   if ({needed} && !__atomic_load_n(&complete_{when}, __ATOMIC_ACQUIRE))\n      return {status};\n"
            )
    if vector_bytes is not None:
        declared += f'static_assert(k::lanes<char> == {vector_bytes}, "the runtime tells another register width");\n'
    body = f"""
namespace k = {kernel_namespace()};
using namespace {CALLS};
{declared}{r.session}
}};
void *create(const void *const *weights)
{{
   return new Session(weights);
}}
void destroy(void *session)
{{
   delete static_cast<Session *>(session);
}}
int infer(const void *session, const std::size_t *{"dims" if r.dims else ""}, void *const *tensors, const void *team)
{{
{check}   return static_cast<const Session *>(session)->run({", ".join(given)});
}}
{_TAKE_OP_TIMINGS.format(size=1 + len(r.op_timings)) if profile else ""}"""
    namespace = f"sofie_jit_model_{hashlib.sha256(body.encode()).hexdigest()[:20]}"
    return namespace, f"namespace {namespace} {{{body}}}\n", r


def completing(namespace: str, rendering: Rendering, when: str) -> str:
    """What sets the pointers to the functions that are needed ``when``."""
    steps = [f"{pointer} = {late.name}" for pointer, late in rendering.late.items() if late.when == when]
    steps.append(f"__atomic_store_n(&{namespace}::complete_{when}, true, __ATOMIC_RELEASE)")
    return f"static const bool {namespace}_complete_{when} = ({', '.join(steps)}, true);\n"


_TAKE_OP_TIMINGS = """void take_op_timings(std::uintptr_t session, double *seconds)
{{
   k::take_op_timings({size}, reinterpret_cast<const Session *>(session)->fSeconds, seconds);
}}
"""

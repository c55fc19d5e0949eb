"""Plan -> the C++ text that is compiled in this process.

It uses positional names and carries neither weights nor comments, so that it depends on the architecture alone and
equal architectures share compiled code. (Headers for other programs: print_header.py.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from sofie_jit.codegen.arena import Slot
from sofie_jit.codegen.emitter import Target
from sofie_jit.codegen.expressions import (
    CPP_TYPES,
    Argument,
    Call,
    Expression,
    Formatted,
    FunctionPointer,
    Size,
    Step,
    Table,
)
from sofie_jit.codegen.kernel_library import closure, kernel_namespace
from sofie_jit.codegen.plan import Plan, make_plan
from sofie_jit.codegen.print_session import SessionPrinter
from sofie_jit.codegen.print_statements import declared, parameter_names
from sofie_jit.errors import SofieError
from sofie_jit.ir.dims import BATCH, Dim
from sofie_jit.ir.rmodel import RModel
from sofie_jit.ir.size_check import SizeCheck
from sofie_jit.records import dataclass

CALLS = "sofie_jit_calls"
"""Namespace of the outlined functions; their names carry a hash of their text."""

INCOMPLETE = {-2: "rows", -3: "team"}
"""Status of ``infer`` if deferred functions must be compiled first -> the reason (``DeferredFunction.when``)."""

NETWORK_FUNCTIONS = ("create", "destroy", "infer")
"""The functions of every network; ``jit/runtime/session.hxx`` has their types."""

SLOW = 1_000_000
"""Floating-point operations that take some ten microseconds; an unoptimized call costs 10 ns more."""


@dataclass(frozen=True)
class DeferredFunction:
    """A function that the JIT compiles when it is first needed: by a batch of several ``rows``, or by a ``team``."""

    when: str
    name: str
    definition: str


@dataclass(frozen=True)
class JitText:
    """The C++ text of a plan, and the data for compiling and calling it."""

    plan: Plan
    namespace: str
    """The C++ namespace of the text, which names its content."""
    text: str
    outlined: dict[str, str]
    """Functions that the text enters kernels through: name -> definition."""
    deferred: dict[str, DeferredFunction]
    """Functions that can wait, by the name of the pointer to set."""
    kernels: list[str]
    """Kernel headers, in an order in which they compile."""
    parallel_kernels: list[str]
    """The same with those that only teams of threads need."""
    op_timings: list[int]
    """Places of the operators whose seconds a profiling Session adds up, after those of reading the clock."""

    @property
    def functions(self) -> list[str]:
        """Names of the functions that the text defines for Python."""
        return [
            *NETWORK_FUNCTIONS,
            *(["set_deferred"] if self.deferred else []),
            *(["take_op_timings"] if self.op_timings else []),
        ]

    @property
    def dims(self) -> tuple[str, ...]:
        """Run-time dimensions, in the order of the entry point's arguments."""
        return self.plan.dims

    @property
    def weights(self) -> tuple[str, ...]:
        """Initialized tensors in the order in which the Session's constructor takes their addresses."""
        return self.plan.weights

    @property
    def failures(self) -> dict[int, str]:
        """Status that ``infer`` may return -> the error; 0 is success."""
        return self.plan.failures

    @property
    def errors(self) -> dict[int, type[SofieError]]:
        """Status that ``infer`` may return -> the class of the error."""
        return self.plan.errors

    @property
    def found(self) -> dict[str, Dim]:
        """Run-time dimensions of outputs that operators set, in the order in which they are returned, with bounds.

        A call has the address of an array for them after those of the tensors.
        """
        return {name: self.plan.found[name] for name in self.plan.reported}

    @property
    def size_checks(self) -> dict[int, SizeCheck]:
        """Status that ``infer`` returns for sizes that do not fit -> the requirement."""
        return self.plan.size_checks

    @property
    def tiled(self) -> bool:
        """Whether rows of the batch are independent of each other."""
        return self.plan.tiled

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The scratch memory of a call."""
        return self.plan.slots

    @property
    def rows_together(self) -> int:
        """The smallest number of rows of a batch per thread."""
        return self.plan.rows_together


def positional_names() -> Callable[[str], str]:
    """JIT naming: t0, t1, ... in the order of first use."""
    seen: dict[str, str] = {}
    return lambda name: seen.setdefault(name, f"t{len(seen)}")


class JitPrinter(SessionPrinter):
    """Calls each kernel through a separate non-inline function, which all models of the process share.

    Cling compiles inline functions and templates again for every model that uses them, but a non-inline function once.
    """

    team_parameters = ("const k::Team *team",)
    once = "SOFIE_JIT_ONCE"

    def __init__(self, plan: Plan, *, profile: bool = False):
        dims = {d: "batch" if d == BATCH else f"dim{i}" for i, d in enumerate(plan.dims)}
        super().__init__(plan, positional_names(), dims)
        self.profile = profile
        self.outlined: dict[str, str] = {}
        self.deferred: dict[str, DeferredFunction] = {}
        self.op_timings: list[int] = []

    def tile_attribute(self, lines: int) -> str:
        """The attribute that disables optimization of the code between calls, if calls take long on average."""
        return f"SOFIE_JIT_{'ONCE' if self.plan.flops > SLOW * lines else 'NOINLINE'}"

    # -- functions and tables ------------------------------------------------------------------------------------

    def function(self, function: FunctionPointer) -> str:
        """The name of an outlined function; a deferred one is entered through a pointer."""
        parameters, result = function.parameters, function.result
        names = parameter_names(parameters)
        returns = "" if result == "void" else "return "
        called = ", ".join([*names, *map(self.text, function.arguments)])
        body = f"{returns}k::{function.function}({called});"
        if not function.deferred or self.plan.dims != (str(BATCH),):  # no call at a new size waits for a compiler
            return self._outlined(result, parameters, body)
        pointer = self._deferred("rows", result, parameters, body)
        return self._outlined(result, parameters, f"{returns}{pointer}({', '.join(names)});")

    def table(self, table: Table) -> str:
        """The name of a constant."""
        text = self.text(table.members)
        constant = _hashed("table", table.name + text)
        self.outlined[constant] = f"extern const k::{table.name} {constant};\nconst k::{table.name} {constant}{text};"
        return constant

    def _outlined(self, result: str, parameters: Sequence[str], body: str) -> str:
        """The name of a function with these parameters and this body."""
        definition = f"({declared(parameters)}) {{ {body} }}"
        name = _hashed("call", definition)
        self.outlined[name] = f"{result} {name}{definition}"
        return name

    def _deferred(self, when: str, result: str, parameters: Sequence[str], body: str) -> str:
        """The name of a pointer to such a function that is compiled later."""
        definition = f"({declared(parameters)}) {{ {body} }}"
        pointer, name = _hashed("late", definition), _hashed("call", definition)
        self.deferred[pointer] = DeferredFunction(when, name, f"{result} {name}{definition}")
        self.outlined[pointer] = f"{result} (*{pointer})({', '.join(parameters)}) = nullptr;"
        return pointer

    # -- calls ---------------------------------------------------------------------------------------------------

    def call(self, call: Call, status: int) -> str:
        """As in :class:`SessionPrinter`; a parallel call goes to the team if there is one."""
        if not call.parallel:
            return super().call(call, status)
        alone, parameters, passed = self._entered(call.function, call.arguments, "void")
        types = ["const k::Team *", *parameters]
        team, *names = parameter_names(types)
        shared = f"k::parallel_{call.function.partition('<')[0]}({', '.join([f'*{team}', *names, alone])});"
        pointer = self._deferred("team", "void", types, shared)
        either = f"{team} ? {pointer}({', '.join([team, *names])}) : {alone}({', '.join(names)});"
        return f"{self._outlined('void', types, either)}({', '.join(['team', *passed])});"

    def invocation(self, function: str, arguments: tuple[Argument, ...], result: str) -> str:
        """A call of the outlined function; of the kernel itself if a functor depends on run-time sizes."""
        if any(isinstance(argument, Formatted) for argument in arguments):
            return super().invocation(function, arguments, result)
        name, _, passed = self._entered(function, arguments, result)
        return f"{name}({', '.join(passed)})"

    def packing(self, cpp: str, target: str, function: str, arguments: tuple[Argument, ...]) -> str:
        """A call of an outlined function that assigns the buffer."""
        name, _, passed = self._entered(f"{function}<{cpp}>", arguments, "void", (f"k::Buffer<{cpp}> &", target))
        return f"{name}({', '.join(passed)});"

    def _entered(
        self, function: str, arguments: tuple[Argument, ...], result: str, into: tuple[str, str] | None = None
    ) -> tuple[str, list[str], list[str]]:
        """A function that calls a kernel with the arguments that are the same in every call.

        Returns its name, the types of its parameters, and the arguments it gets. ``into``: type and name of a variable
        that the result is assigned to.
        """
        parameters: list[str] = []
        passed: list[str] = []

        def parameter(cpp_type: str, text: str) -> str:
            parameters.append(cpp_type)
            passed.append(text)
            return parameter_names(parameters)[-1]

        def inner(argument: Argument) -> str:
            if isinstance(argument, int) and not isinstance(argument, bool):
                argument = Size(argument)
            if isinstance(argument, Expression):
                return parameter(argument.cpp_type, self.text(argument))
            return self.text(argument)

        target = "" if into is None else f"{parameter(*into)} = "
        returns = "return " if result != "void" else ""
        body = f"{returns}{target}k::{function}({', '.join(map(inner, arguments))});"
        return self._outlined(result, parameters, body), parameters, passed

    # -- the clock -----------------------------------------------------------------------------------------------

    def members(self) -> list[str]:
        """The seconds of each operator, for a profile."""
        return [f"mutable double fSeconds[{1 + len(self.plan.steps)}] = {{}};"] if self.profile else []

    def clock(self) -> list[str]:
        """Starts the clock, for a profile."""
        return ["double mark = k::seconds();", "fSeconds[0] += k::elapsed(mark);"] if self.profile else []

    def conclusion(self, step: Step) -> list[str]:
        """Adds up the seconds of the operator, for a profile."""
        if not self.profile:
            return []
        self.op_timings.append(step.index)
        return [f"fSeconds[{len(self.op_timings)}] += k::elapsed(mark);"]


def jit_text(rmodel: RModel, *, profile: bool = False, vector_bytes: int | None = None) -> JitText:
    """The code that the JIT compiles for a lowered model.

    ``profile``: a Session that reads the clock after each operator, and ``take_op_timings``, which fetches the sums.
    ``vector_bytes``: of this machine's registers, so that no kernel is compiled that only other machines need.
    """
    plan = make_plan(rmodel, Target(vector_bytes, threads=True))
    printer = JitPrinter(plan, profile=profile)
    session = printer.session()
    types = [*rmodel.inputs.values(), *map(rmodel.tensor_type, rmodel.outputs)]
    given = [f"dims[{i}]" for i in range(len(plan.dims))]
    given += [f"static_cast<{CPP_TYPES[t.dtype]} *>(tensors[{i}])" for i, t in enumerate(types)]
    given += [f"static_cast<std::size_t *>(tensors[{len(types)}])"] if plan.reported else []
    given.append("static_cast<const k::Team *>(team)")
    declared = check = ""
    for status, when in INCOMPLETE.items():
        if any(function.when == when for function in printer.deferred.values()):
            needed = "team" if when == "team" else f"dims[{plan.dims.index(str(BATCH))}] > 1"
            declared += f"bool complete_{when} = false;\n"
            check += (
                f"   if ({needed} && !__atomic_load_n(&complete_{when}, __ATOMIC_ACQUIRE))\n      return {status};\n"
            )
    if vector_bytes is not None:
        declared += f'static_assert(k::lanes<char> == {vector_bytes}, "the runtime tells another register width");\n'
    body = f"""
namespace k = {kernel_namespace()};
using namespace {CALLS};
{declared}{session}
}};
void *create(const void *const *weights)
{{
   return new Session(weights);
}}
void destroy(void *session)
{{
   delete static_cast<Session *>(session);
}}
int infer(const void *session, const std::size_t *{"dims" if plan.dims else ""}, void *const *tensors, const void *team)
{{
{check}   return static_cast<const Session *>(session)->run({", ".join(given)});
}}
{_set_deferred(printer.deferred)}{_TAKE_OP_TIMINGS.format(size=1 + len(printer.op_timings)) if profile else ""}"""
    namespace = f"sofie_jit_model_{hashlib.sha256(body.encode()).hexdigest()[:20]}"
    used = ["core/memory.hxx", *plan.kernels, *(["core/profile.hxx"] if profile else []), "core/team.hxx"]
    return JitText(
        plan=plan,
        namespace=namespace,
        text=f"namespace {namespace} {{{body}}}\n",
        outlined=printer.outlined,
        deferred=printer.deferred,
        kernels=closure(used),
        parallel_kernels=closure([*used, *plan.parallel_kernels]),
        op_timings=printer.op_timings,
    )


def completing(text: JitText, when: str) -> str:
    """The statement that sets the pointers to the deferred functions that are needed ``when``, which are defined."""
    steps = [f"{pointer} = {function.name}" for pointer, function in text.deferred.items() if function.when == when]
    steps.append(_completed(when, f"{text.namespace}::"))
    return f"static const bool {text.namespace}_complete_{when} = ({', '.join(steps)}, true);\n"


def _set_deferred(deferred: dict[str, DeferredFunction]) -> str:
    """The function that sets the pointers to all deferred functions, given their addresses; empty if there are none."""
    if not deferred:
        return ""
    steps = [f"{name} = reinterpret_cast<decltype({name})>(functions[{i}]);" for i, name in enumerate(deferred)]
    steps += [f"{_completed(when)};" for when in dict.fromkeys(function.when for function in deferred.values())]
    body = "\n   ".join(steps)
    return f"void set_deferred(const std::uint64_t *functions)\n{{\n   {body}\n}}\n"


def _completed(when: str, scope: str = "") -> str:
    """The expression that notes that the pointers are set."""
    return f"__atomic_store_n(&{scope}complete_{when}, true, __ATOMIC_RELEASE)"


def _hashed(kind: str, definition: str) -> str:
    """A name for a definition: the same text has the same name."""
    return f"{kind}_{hashlib.sha256(definition.encode()).hexdigest()[:20]}"


_TAKE_OP_TIMINGS = """void take_op_timings(std::uintptr_t session, double *seconds)
{{
   k::take_op_timings({size}, reinterpret_cast<const Session *>(session)->fSeconds, seconds);
}}
"""

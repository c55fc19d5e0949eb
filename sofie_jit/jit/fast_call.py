"""The C fast path of ``infer``: a built-in function per model, implemented in ``runtime/python_call.hxx``.

It takes calls with arrays of exactly the right types and shapes, and hands all others to a fallback in Python.
"""

from __future__ import annotations

import ast
import copyreg
import ctypes
import inspect
import platform
import sys
import weakref
from _thread import allocate_lock  # importing threading takes 2 ms
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from sofie_jit.ir.dims import BATCH, SymbolicDim, split_count
from sofie_jit.ir.types import TensorType
from sofie_jit.jit import runtime_functions
from sofie_jit.jit import threads as thread_rules
from sofie_jit.jit.session import Session

RELEASE_GIL_BYTES = 64 * 1024
"""Calls that read and write fewer bytes keep the GIL, because releasing it would take longer than the call."""

MOST_TENSORS, MOST_DIMS, MOST_AXES, MOST_COMPUTED, MOST_INSTRUCTIONS = 16, 8, 8, 16, 128
"""The sizes of the arrays in ``runtime/python_call.hxx``."""

_CONSTANT, _DIM, _STORE = 0, 1, 2
_OPERATIONS: dict[Any, int] = {ast.Add: 3, ast.Sub: 4, ast.Mult: 5, ast.FloorDiv: 6, "min": 7, "max": 8}
"""Operations of ``compute_sizes`` in ``runtime/python_call.hxx``."""

_CPYTHON = (
    "PyCapsule_GetPointer", "PyCapsule_New", "PyCFunction_NewEx", "PyObject_Vectorcall", "Py_IncRef", "Py_DecRef",
    "PyList_New", "PyList_SetItem", "PyEval_SaveThread", "PyEval_RestoreThread", "PyTuple_Size", "PyTuple_GetItem",
    "PyLong_AsLongLongAndOverflow", "PyList_Size", "PyList_GetItem", "PyDict_Size", "PyDict_GetItem",
    "PyDict_New", "PyDict_SetItem",
)  # fmt: skip
"""The functions of CPython that ``runtime/python_call.hxx`` calls, in the order of its ``Interface``."""
_NUMPY_ARRAY_NEW, _NUMPY_ARRAY_TYPE = 93, 2
"""Positions in numpy's table of C functions, which never change."""

_OPTIONS = tuple(map(sys.intern, ("out", "threads")))
"""Names of keyword arguments. Python passes these very objects if a call spells them out in its source."""


def fast_call(
    session: Session,
    fallback: Callable[..., Any],
    inputs: Mapping[str, TensorType],
    outputs: Sequence[TensorType],
    *,
    structure: Any = None,
    threads: int,
    work: Sequence[tuple[float, Sequence[str]]],
    doc: str,
) -> Any:
    """A built-in function that runs ``session`` on arrays with exactly the types and shapes of its inputs.

    The arrays are arguments, or in a list, or in a dict by name.

    ``fallback``: a function of the same arguments. It gets all other calls, empty batches, calls that fail, and the
    first call that several threads share.
    ``inputs``: types of the inputs by name, in the order of the arguments.
    ``outputs``: types of the outputs.
    ``structure``: their structure; see :attr:`RModel.output_structure`.
    ``threads``: the default of the option ``threads``.
    ``work``: floating-point operations, from which the useful number of threads follows: terms of a number and names of
    open sizes that it is multiplied by.
    ``doc``: docstring of the function; the first one in a process serves all.

    The function returns one array, or a list or dict of arrays. Its options are ``out``, if there is a single output,
    and ``threads``. Calls on several threads, and calls that read and write at least ``RELEASE_GIL_BYTES``, release
    the GIL.

    Returns None if there is no fast path: in Python without a GIL, in other implementations than CPython, for more
    tensors, axes or expressions for sizes than the C++ has room for, for nested structures, and if an operator sets the
    size of an output.
    """
    if (form := _form(structure, len(outputs))) is None:
        return None
    kind, returned = form
    keys = list(structure) if kind is dict else returned
    names = list(session.code.dims)
    types = [*inputs.values(), *outputs]
    open_sizes = [dim for kind in types for dim in kind.shape if isinstance(dim, SymbolicDim)]
    computed = list(dict.fromkeys(dim for dim in open_sizes if dim not in names))
    simple = {name for dim in open_sizes for name in dim.names}.issubset(names)
    sizes = [step for dim in computed for step in _instructions(dim, names)] if simple else []
    fits = len(types) <= MOST_TENSORS and len(names) <= MOST_DIMS and max(kind.rank for kind in types) <= MOST_AXES
    fits = fits and len(computed) <= MOST_COMPUTED and len(sizes) <= MOST_INSTRUCTIONS
    python_call = _FACTORY.connected(doc)
    if python_call is None or not simple or not fits or not all(split_count(kind.shape)[0] for kind in types):
        return None
    batch = names.index(str(BATCH)) if BATCH in names else -1
    header = [session.entry, session.handle, id(fallback), batch, RELEASE_GIL_BYTES, threads]
    header += [session.code.tiled, session.code.rows_together]
    header += [len(inputs), len(outputs), len(names), len(work), len(sizes)]
    header += [0 if kind is None else id(kind), *returned]
    labels = [*inputs, *[key for _, key in sorted(zip(returned, keys, strict=True), key=lambda pair: pair[0])]]
    tensors = [
        number
        for label, kind in zip(labels, types, strict=True)
        for number in _tensor(label, kind, [*names, *map(str, computed)])
    ]
    terms = [number for number, factors in work for number in _term(number, factors, names)]
    arrays = [
        np.array(header, np.int64),
        np.array(tensors, np.int64),
        np.array(terms, np.float64),
        np.array(sizes, np.int64),
    ]
    function = python_call.new_call(*(array.ctypes.data for array in arrays))
    _FACTORY.remember(function, fallback)
    return function


def is_ready() -> bool:
    """Whether :func:`fast_call` takes no time, because its C++ has been compiled."""
    return _FACTORY.is_connected or runtime_functions.is_known("python_call")


class _Factory:
    """The C++ that makes fast calls, connected to this Python and numpy. There is one per process, as of the C++."""

    def __init__(self) -> None:
        self.is_connected = False
        self._lock = allocate_lock()
        self._python_call: SimpleNamespace | None = None
        self._doc = b""  # C++ keeps its address
        self._fallbacks: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        """Address of the capsule that is a fast call's ``__self__`` -> its fallback."""

    def connected(self, doc: str) -> SimpleNamespace | None:
        """The functions of ``runtime/python_call.hxx``; None if this Python lacks what they need."""
        with self._lock:
            if not self.is_connected:
                self._python_call = self._connect(doc)
                self.is_connected = True
        return self._python_call

    def _connect(self, doc: str) -> SimpleNamespace | None:
        if platform.python_implementation() != "CPython" or set(sys.abiflags) & {"d", "t"}:
            return None
        try:
            functions = [getattr(ctypes.pythonapi, name) for name in _CPYTHON]
        except AttributeError:  # before Python 3.11, some of them were macros
            return None
        addresses = [ctypes.cast(function, ctypes.c_void_p).value for function in functions]
        prototype = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
        get_pointer = prototype(("PyCapsule_GetPointer", ctypes.pythonapi))
        core = getattr(np, "_core", None) or np.core
        table = ctypes.cast(get_pointer(core._multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
        if table[_NUMPY_ARRAY_TYPE] != id(np.ndarray):
            return None
        found = runtime_functions.functions("python_call")
        objects = [id(thing) for thing in (np.ndarray, int, list, dict, None, *_OPTIONS)]
        interface = np.array([*addresses, table[_NUMPY_ARRAY_NEW], *objects], np.uint64)
        # the docstring of a built-in function begins with its signature
        self._doc = f"infer($self, /, *inputs, out=None, threads=None, **named)\n--\n\n{inspect.cleandoc(doc)}".encode()
        found.start(interface.ctypes.data, self._doc)
        return found

    def remember(self, function: Any, fallback: Any) -> None:
        """Makes a fast call picklable, through its fallback."""
        capsule = function.__self__
        self._fallbacks[id(capsule)] = fallback
        copyreg.pickle(type(capsule), self._reduce)

    def _reduce(self, capsule: Any) -> Any:
        """Pickles the capsule of a fast call as its fallback. The call itself is pickled as its attribute ``infer``."""
        if not ctypes.pythonapi.PyCapsule_IsValid(ctypes.py_object(capsule), b"sofie_jit.FastCall"):
            raise TypeError("cannot pickle 'PyCapsule' object")
        return self._fallbacks[id(capsule)].__reduce__()


_FACTORY = _Factory()


def _form(structure: Any, count: int) -> tuple[type | None, list[int]] | None:
    """The type in which ``count`` outputs are returned, and the outputs in its order; None if they are nested.

    The type is list or dict; None stands for one array.

    >>> _form({"b": 1, "a": 0}, 2), _form(None, 1), _form({"a": [0, 1]}, 2)
    ((<class 'dict'>, [1, 0]), (None, [0]), None)
    """
    if structure is None:
        structure = 0 if count == 1 else list(range(count))
    kind = type(structure) if type(structure) in (list, dict) else None
    returned = list(structure.values() if kind is dict else structure if kind is list else [structure])
    return (kind, returned) if sorted(map(str, returned)) == sorted(map(str, range(count))) else None


def _instructions(dim: SymbolicDim, names: Sequence[str]) -> list[tuple[int, int]]:
    """The steps that compute a size, and store it, as ``runtime/python_call.hxx`` reads them."""
    plain = [f"dim_{index}" for index in range(len(names))]  # names in files may be keywords of Python, such as None
    text = str(dim.bind({name: SymbolicDim(other) for name, other in zip(names, plain, strict=True)}))

    def steps(node: ast.expr) -> list[tuple[int, int]]:
        match node:
            case ast.Constant(value=int(number)):
                return [(_CONSTANT, number)]
            case ast.Name(id=name):
                return [(_DIM, plain.index(name))]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return [(_CONSTANT, 0), *steps(operand), (_OPERATIONS[ast.Sub], 0)]
            case ast.BinOp(left=left, op=operation, right=right):
                return [*steps(left), *steps(right), (_OPERATIONS[type(operation)], 0)]
            case ast.Call(func=ast.Name(id=function), args=[first, *others]):
                rest = [step for other in others for step in (*steps(other), (_OPERATIONS[function], 0))]
                return [*steps(first), *rest]
        raise AssertionError(ast.dump(node))

    return [*steps(ast.parse(text, mode="eval").body), (_STORE, 0)]


def _term(number: float, factors: Sequence[str], names: Sequence[str]) -> list[float]:
    """A term of the work as ``runtime/python_call.hxx`` reads it: a number of threads, and a power of each size."""
    powers = [float(factors.count(name)) for name in names]
    return [number / thread_rules.FLOPS_PER_THREAD, *powers, *[0.0] * (MOST_DIMS - len(powers))]


def _tensor(name: Any, kind: TensorType, names: Sequence[str]) -> list[int]:
    """A tensor as ``runtime/python_call.hxx`` reads it: name, dtype, its number and size, rank, and sizes of the axes.

    A negative size -1 - i stands for the i-th of ``names``: run-time dimensions, then computed sizes.
    """
    dtype = np.dtype(kind.dtype)
    sizes = [dim if isinstance(dim, int) else -1 - names.index(str(dim)) for dim in kind.shape]
    return [id(name), id(dtype), dtype.num, dtype.itemsize, kind.rank, *sizes, *[0] * (MOST_AXES - len(sizes))]

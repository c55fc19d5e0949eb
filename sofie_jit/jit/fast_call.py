"""The short way from Python into C++: a builtin function per model, see ``runtime/python_call.hxx``."""

from __future__ import annotations

import copyreg
import ctypes
import functools
import inspect
import platform
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sofie_jit.ir.operators.operator import TensorType, split_count
from sofie_jit.jit.compiler import Session, runtime

MOST_TENSORS, MOST_DIMS, MOST_AXES = 16, 8, 8
"""What ``runtime/python_call.hxx`` has room for."""

_CPYTHON = (
    "PyCapsule_GetPointer", "PyCapsule_New", "PyCFunction_NewEx", "PyObject_Vectorcall", "Py_IncRef", "Py_DecRef",
    "PyList_New", "PyList_SetItem", "PyEval_SaveThread", "PyEval_RestoreThread", "PyTuple_Size", "PyTuple_GetItem",
    "PyLong_AsLongLongAndOverflow",
)  # fmt: skip
_NUMPY_ARRAY_NEW, _NUMPY_ARRAY_TYPE = 93, 2
"""Places in numpy's table of C functions, which never change."""

_OPTIONS = tuple(map(sys.intern, ("out", "threads")))
"""Names of keyword arguments: Python hands over these very objects where a call names them in its source."""


def builtin(
    session: Session,
    slow: Callable[..., Any],
    inputs: Sequence[TensorType],
    outputs: Sequence[TensorType],
    *,
    batch: str,
    threads: int,
    flops_per_row: int,
    flops_per_thread: int,
    release: int,
) -> Any:
    """A builtin function that calls ``session`` with arrays of exactly its inputs' types and shapes, else ``slow``.

    It returns one array, or the list of them, and takes the options ``out`` (of a single output) and ``threads``, whose
    default is given, as ``slow`` does: a function of the same arguments, which also gets empty batches, calls that
    fail, and the first call that is for several threads. That is one of ``flops_per_thread`` operations for each; the
    dimension ``batch`` counts rows. Calls on several threads, and those that read and write at least ``release`` bytes,
    let go of the GIL. None if there cannot be a builtin: for a Python without a GIL or other than CPython, or where an
    output's size is a product of open dimensions.
    """
    names = list(session.rendering.dims)
    kinds = [*inputs, *outputs]
    simple = all(dim in names for kind in kinds for dim in kind.shape if isinstance(dim, str))
    roomy = len(kinds) <= MOST_TENSORS and len(names) <= MOST_DIMS and max(kind.rank for kind in kinds) <= MOST_AXES
    python_call = _python_call()
    if python_call is None or not simple or not roomy or not all(split_count(kind.shape)[0] for kind in kinds):
        return None
    place = names.index(batch) if batch in names else -1
    header = [session.entry, session.handle, id(slow), place, release, threads, flops_per_row, flops_per_thread]
    header += [session.rendering.tiled, session.rows_together, len(inputs), len(outputs), len(names)]
    tensors = [number for kind in kinds for number in _tensor(kind, names)]
    numbers = [np.array(numbers, np.int64) for numbers in (header, tensors)]
    function = python_call.new_call(*(array.ctypes.data for array in numbers))
    _slow[id(function.__self__)] = slow
    copyreg.pickle(type(function.__self__), _reduce_capsule)
    return function


_slow: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
"""The capsule of a builtin, by its address -> what stands behind it."""


def _reduce_capsule(capsule: Any) -> Any:
    """A builtin is pickled as the attribute ``infer`` of its capsule, and that as the object behind it."""
    if not ctypes.pythonapi.PyCapsule_IsValid(ctypes.py_object(capsule), b"sofie_jit.FastCall"):
        raise TypeError("cannot pickle 'PyCapsule' object")
    return _slow[id(capsule)].__reduce__()


def _tensor(kind: TensorType, names: Sequence[str]) -> list[int]:
    dtype = np.dtype(kind.dtype)
    sizes = [-1 - names.index(dim) if isinstance(dim, str) else dim for dim in kind.shape]
    return [id(dtype), dtype.num, dtype.itemsize, kind.rank, *sizes, *[0] * (MOST_AXES - len(sizes))]


def is_ready() -> bool:
    """Whether another builtin costs nothing, the C++ behind it being compiled."""
    return _python_call.cache_info().currsize > 0


@functools.cache
def _python_call() -> Any:
    """The C++ namespace with ``new_call``, connected to this Python and numpy; None if that is not possible."""
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
    found = runtime("python_call")
    objects = [id(thing) for thing in (np.ndarray, int, None, *_OPTIONS)]
    interface = np.array([*addresses, table[_NUMPY_ARRAY_NEW], *objects], np.uint64)
    found.start(interface.ctypes.data, _doc())
    return found


def _doc() -> bytes:
    """``Model.infer``'s documentation in the form of a builtin's, which begins with the signature."""
    from sofie_jit.models.model import Model

    text = inspect.cleandoc(Model.infer.__doc__ or "")
    _kept.append(f"infer($self, /, *inputs, out=None, threads=None)\n--\n\n{text}".encode())
    return _kept[-1]


_kept: list[bytes] = []
"""Texts that C++ has the addresses of."""

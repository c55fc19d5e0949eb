"""Model: the interface of compiled networks. :func:`sofie_jit.load` and :meth:`RModel.compile` return one."""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sofie_jit.models.description import Description

if TYPE_CHECKING:
    from sofie_jit.ir.options import Optimize, Weights
    from sofie_jit.ir.rmodel import InputShapes, RModel
    from sofie_jit.models.arguments import Arguments
    from sofie_jit.models.columns import Columns
    from sofie_jit.report.display import Graph
    from sofie_jit.report.profile import Profile


class Model(ABC):
    """A compiled network, which takes and returns numpy arrays.

    :func:`sofie_jit.load` makes a Model from a file, and :meth:`RModel.compile` from a network built by hand. Models
    are immutable, except for :attr:`columns`, and threads may share them. They can be copied and pickled; a pickle
    holds the network, which is compiled again when it is loaded. The exception is a network with ``stateful=True``
    layers, which remembers earlier calls; see :class:`~sofie_jit.models.stateful_model.StatefulModel`.

    A model is composed of a :class:`~sofie_jit.models.description.Description`, which answers everything about names,
    shapes and listings, and of the objects that the implementation needs to run the network.

    >>> import sofie_jit
    >>> from sofie_jit.demo import MODEL_FILE, load_digits
    >>> model = sofie_jit.load(MODEL_FILE)
    >>> model
    <sofie_jit.Model 'digits': image (None, 8, 8, 1) -> digit (None, 10)>
    >>> images = load_digits().images
    >>> model.infer(images).argmax(axis=1)[:5]
    array([8, 5, 4, 6, 8])
    """

    _arguments: Arguments
    """Checks and converts the arguments of :meth:`infer`."""

    def __init__(self, description: Description, *, threads: int | None, optimize: Optimize):
        self._description = description
        self._options: dict[str, Any] = {"threads": threads, "optimize": optimize}

    # -- description ---------------------------------------------------------------------------------------------

    @property
    def rmodel(self) -> RModel:
        """The network before optimization."""
        return self._description.rmodel

    @property
    def name(self) -> str:
        """The name of the network in its file."""
        return self._description.name

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, in the order of the arguments of :meth:`infer`."""
        return self._description.input_names

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs, in the order of the results of :meth:`infer`."""
        return self._description.output_names

    @property
    def input_shapes(self) -> list[tuple[int | None, ...]]:
        """Shapes of the inputs. None stands for a size that is open; the first one is the batch.

        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE
        >>> sofie_jit.load(MODEL_FILE).input_shapes
        [(None, 8, 8, 1)]
        """
        return list(self._description.input_shapes)

    @property
    def output_shapes(self) -> list[tuple[int | None, ...]]:
        """Shapes of the outputs. None stands for a size that is open; the first one is the batch."""
        return list(self._description.output_shapes)

    @property
    def dims(self) -> dict[str, list[tuple[str, int]]]:
        """The open dimensions of the inputs by name: for each of them the inputs, and their axes, that have this size.

        All arrays of a call must agree in it; otherwise :meth:`infer` raises ShapeError, which names two inputs. The
        names are those of the arguments of a saved header, and the sizes of the outputs are expressions of them.

        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE
        >>> sofie_jit.load(MODEL_FILE).dims
        {'batch': [('image', 0)]}
        """
        from sofie_jit.models.arguments import open_sizes

        return open_sizes(self._arguments.types)

    @property
    def input_dtypes(self) -> list[str]:
        """Element types of the inputs, as names of numpy dtypes. :meth:`infer` converts other numeric types."""
        return self._description.input_dtypes

    @property
    def output_dtypes(self) -> list[str]:
        """Element types of the outputs, as names of numpy dtypes."""
        return self._description.output_dtypes

    @property
    def output_structure(self) -> Any:
        """The structure of the results of :meth:`infer`: nested lists, tuples and dicts of indices into
        :attr:`output_names`. None stands for one array, or for a list of all outputs.
        """
        return self._description.output_structure

    # -- running -------------------------------------------------------------------------------------------------

    @abstractmethod
    def infer(self, *inputs: Any, out: Any = None, threads: int | None = None, **named: Any) -> Any:
        """Evaluates the network.

        ``inputs``: one array per input, or one list of arrays, or one dict of arrays by input name. Their shapes are
        those of :attr:`input_shapes`, with any batch size, including 0. Real numbers of any type, in any memory order,
        are converted. If some inputs have a single row and the others n rows, the single row (such as one mask for
        all) is repeated n times, as by calling a Keras model, provided that the rows of the batch are independent of
        each other and that every output depends on an input of n rows; otherwise ShapeError is raised.
        ``named``: all inputs as keyword arguments, in place of ``inputs``.
        ``out``: arrays to write to, one or a list. They must be C-contiguous and have exactly the types and shapes of
        the outputs.
        ``threads``: the largest number of threads that share a call, in place of the number given to
        :func:`sofie_jit.load`. It does not change a bit of the results.

        Returns new arrays in the structure that Keras returns: one array, a list, or a dict. Layers with
        ``stateful=True`` continue where the previous call stopped; :meth:`reset_states` restarts them.

        Raises InputError (a TypeError) for a wrong number or wrong names of inputs, ShapeError (a ValueError) for a
        wrong shape, DtypeError (a TypeError) for arrays that do not hold real numbers, and OutOfRangeError (an
        IndexError) if an index in the data lies outside its table.

        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE, load_digits
        >>> model = sofie_jit.load(MODEL_FILE)
        >>> probability = model.infer(load_digits().images)
        >>> probability.shape, probability.dtype
        ((100, 10), dtype('float32'))
        """

    def __call__(self, *inputs: Any, out: Any = None, threads: int | None = None, **named: Any) -> Any:
        """Alias of :meth:`infer`."""
        return self.infer(*inputs, out=out, threads=threads, **named)

    @property
    def columns(self) -> Columns | None:
        """Names of the columns of tables that make up a row, in order; for several inputs a dict by input name.

        The dict may have some of the inputs. None if no names are known. They are those given to
        :func:`sofie_jit.load`, or to the last call of :meth:`predict`, and are part of a pickle.
        """
        known = self._arguments.columns
        if known is None or len(self._arguments.types) == 1:
            return known and next(iter(known.values()))
        labels = dict(zip(self._arguments.types, self._arguments.labels, strict=True))
        return {labels[name]: columns for name, columns in known.items()}

    @columns.setter
    def columns(self, columns: Columns | None) -> None:
        self._arguments.columns = None if columns is None else self._arguments.by_input(columns)

    def _arranged(self, x: Any, columns: Columns | None) -> Any:
        """The argument of :meth:`infer` with its tables replaced by arrays; ``columns`` as for :meth:`predict`."""
        return self._arguments.arranged(x, columns)

    def _has_inputs(self, names: set[str]) -> bool:
        """Whether these are the names of all inputs."""
        return names == set(self._arguments.labels)

    def _called_with(self, given: Any) -> tuple[Model, Any]:
        """The model that computes these inputs, and the inputs, as :meth:`_arranged` returns them."""
        return self, given

    def predict(
        self,
        x: Any = None,
        batch_size: int | None = None,
        verbose: int | str = 0,
        *,
        columns: Columns | None = None,
        output: str = "numpy",
        **named: Any,
    ) -> Any:
        """Evaluates the network on arrays or tables; the counterpart of Keras's and scikit-learn's ``predict``.

        ``x``: an array, list or dict as for :meth:`infer`, or a table with named columns of one number per row: a data
        frame, a dict of arrays (as uproot returns them), an awkward array of records, a structured numpy array, or
        ROOT's RDataFrame, whose columns ``AsNumpy`` reads. All inputs have the same number of rows, as for Keras's
        ``predict``; unlike :meth:`infer`, a single row is not repeated.
        ``named``: all inputs as keyword arguments, in place of ``x``.
        ``batch_size``: number of rows to evaluate at a time. By default all rows are evaluated at once, which is as
        fast and needs no more memory.
        ``verbose``: 1 shows a progress bar on standard error, "auto" does so on a terminal, 0 shows none.
        ``columns``: names of the columns that make up a row, in order; for several inputs a dict by input name, with
        all inputs to take them from one table, or with those for which ``x``, a list or a dict, has a table. The model
        remembers them (:attr:`columns`): in later calls without ``columns``, a table must have exactly these columns,
        in any order. While no names are known, the columns of a data frame are taken in their order, and other tables
        are refused.
        ``output``: "numpy", or "pandas" for a ``pandas.DataFrame`` with the index of the data frame, or of those among
        the inputs, which must be equal.

        Returns arrays in the structure of :meth:`infer`, or a data frame with a column for each number in a row of the
        outputs.

        Raises what :meth:`infer` raises, ShapeError for different numbers of rows, OptionError for a wrong option,
        InputError for missing or unknown columns and for different indexes, and MissingDependencyError if a data frame
        is wanted and pandas is not installed.

        >>> import numpy as np
        >>> from sofie_jit import RModel
        >>> from sofie_jit.operators import ReduceSum
        >>> network = RModel()
        >>> network.add_input_tensor_info("x", "float32", (None, 2))
        >>> network.add_operator(ReduceSum(axes=[1], keepdims=False, inputs=["x"], outputs=["sum"]))
        >>> network.add_output_tensor_names("sum")
        >>> table = {"eta": np.array([1, 2]), "pt": np.array([30, 40]), "charge": np.array([1, -1])}
        >>> network.compile().predict(table, columns=["pt", "eta"])
        array([31., 42.], dtype=float32)
        """
        from sofie_jit.models.predict import predict

        return predict(self, x, named, batch_size, verbose, columns, output)

    def reset_states(self) -> None:  # noqa: B027 (models without states have nothing to do)
        """Sets the states of ``stateful=True`` layers to zero. Does nothing if the model has none."""

    @abstractmethod
    def profile(self, *inputs: Any, **named: Any) -> Profile:
        """Measures time, arithmetic and memory of each operator, on one thread.

        ``inputs``, ``named``: as for :meth:`infer`, with at least one row.

        Returns a :class:`~sofie_jit.report.profile.Profile`. Its operators are those that run, after optimization.
        A variant of the network that reads the clock after each operator is compiled for it; the time of reading the
        clock is subtracted. Times are medians over the fastest tenth of many calls, which leaves out calls that
        other programs interrupted.

        Raises what :meth:`infer` raises, InputError for an empty batch, and MissingDependencyError without cppyy, which
        the model of a compiled library needs too.

        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE, load_digits
        >>> profile = sofie_jit.load(MODEL_FILE).profile(load_digits().images)
        >>> print(profile)  # doctest: +SKIP
        """

    # -- the header ----------------------------------------------------------------------------------------------

    @property
    def header(self) -> str:
        """The text of the C++ header, as :meth:`save_header` writes it. The weights are in a file.

        Raises ShapeError if :meth:`save_header` needs ``input_shapes``.
        """
        return self._description.header()

    def save_header(
        self,
        path: str | os.PathLike[str],
        *,
        input_shapes: InputShapes | None = None,
        weights: Weights = "text",
        namespace: str | None = None,
        dispatch: bool = False,
        self_test: bool = False,
    ) -> Path:
        """Writes the model as a C++ header for other programs.

        ``path``: the header; its suffix is .hxx, .hpp, .hh or .h.
        ``input_shapes``: one shape per input, or a dict of some by name, to fix open dimensions; None leaves one open.
        ``weights``: "text", "binary" or "embedded"; see :meth:`RModel.save_header`.
        ``namespace``: namespace of the C++ ``Session``, by default ``TMVA_SOFIE_<stem>``.
        ``dispatch``: whether the header selects code for the processor at run time.
        ``self_test``: whether the header has a function ``self_test()``.

        Returns the path of the header. Open dimensions become arguments of the C++ ``infer``, after the batch.

        Raises ShapeError if the inputs cannot have these shapes or a dimension must be fixed and is not, OptionError
        for another suffix or options that exclude each other, and VerificationError if a self test is wanted and the
        network fails it on this machine.

        >>> import tempfile
        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE
        >>> model = sofie_jit.load(MODEL_FILE)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save_header(folder + "/digits.hxx", weights="binary").with_suffix(".bin").exists()
        True
        """
        return self._description.for_shapes(input_shapes).save_header(
            path,
            weights=weights,
            namespace=namespace,
            dispatch=dispatch,
            self_test=self_test,
            optimize=self._description.optimize,
        )

    def save_onnx(self, path: str | os.PathLike[str], *, input_shapes: InputShapes | None = None) -> Path:
        """Writes the model as an ONNX file; see :meth:`RModel.save_onnx`.

        ``path``: the file; its suffix is .onnx.
        ``input_shapes``: one shape per input, or a dict of some by name, whose sizes are fixed in the file; None leaves
        a dimension open.

        Raises UnsupportedLayerError for operators that ONNX lacks, ShapeError if the inputs cannot have these shapes,
        and OptionError for another suffix or a folder that does not exist.

        >>> import tempfile
        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE
        >>> model = sofie_jit.load(MODEL_FILE)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sofie_jit.load(model.save_onnx(folder + "/digits.onnx")).output_shapes
        [(None, 10)]
        """
        return self._description.for_shapes(input_shapes).save_onnx(path)

    def save_library(
        self,
        path: str | os.PathLike[str],
        *,
        input_shapes: InputShapes | None = None,
        dispatch: bool = False,
        march: str | None = None,
    ) -> Path:
        """Writes the model as a compiled library: machine code and weights in one file, which loads at once.

        ``path``: the file, such as ``m.so``. :func:`sofie_jit.load` makes a model of it without a compiler.
        ``input_shapes``: one shape per input, or a dict of some by name, to fix open dimensions; None leaves one open.
        ``dispatch``, ``march``: the processors that it runs on; see :meth:`RModel.save_library`.

        Returns the path. The results of the library are bit-identical to those of this model on processors with fused
        multiply-add. Its ``rmodel`` is the network after optimization.

        Raises ShapeError if the inputs cannot have these shapes or a dimension must be fixed and is not, and what
        :meth:`RModel.save_library` raises.

        >>> import tempfile
        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE, load_digits
        >>> images = load_digits().images
        >>> model = sofie_jit.load(MODEL_FILE)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     library = sofie_jit.load(model.save_library(folder + "/digits.so"))
        >>> bool((library.infer(images) == model.infer(images)).all())
        True
        """
        network = self._description.for_shapes(input_shapes)
        return network.save_library(path, dispatch=dispatch, march=march, optimize=self._description.optimize)

    def specialize(self, *input_shapes: Sequence[int | None]) -> Model:
        """The same model for inputs of fixed shapes.

        ``input_shapes``: one shape per input; None leaves a dimension open.

        Raises ShapeError if the inputs cannot have these shapes.

        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE
        >>> sofie_jit.load(MODEL_FILE).specialize((1, 8, 8, 1)).output_shapes
        [(1, 10)]
        """
        model = self._description.for_shapes(input_shapes).compile(**self._options)
        model.columns = self.columns
        return model

    def for_inputs(self, *inputs: Any) -> Model:
        """The model that computes ``inputs``: itself, unless it is compiled for their shapes, sizes or values."""
        return self

    def _remake(self, function: Callable[..., Model]) -> Callable[..., Model]:
        """A function that makes an equal model in another process, from the arguments of ``function``."""
        return functools.partial(_remade, function, self.columns, **self._options)

    # -- showing -------------------------------------------------------------------------------------------------

    def summary(self) -> str:
        """A table of the operators with the layers they come from, the shapes of their outputs, and their parameters.

        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE
        >>> print(sofie_jit.load(MODEL_FILE).summary())  # doctest: +ELLIPSIS
        input   image: float32 (batch, 8, 8, 1)
        output  digit: float32 (batch, 10)
        <BLANKLINE>
        operator            from                                      output             parameters
        -------------------------------------------------------------------------------------------
        Conv                conv2d (Conv2D)                           (batch, 8, 8, 16)  144
        BatchNormalization  batch_normalization (BatchNormalization)  (batch, 8, 8, 16)  64
        ...
        """
        return self._description.summary()

    def draw(self, *, optimized: bool = False) -> Graph:
        """The operators and the tensors between them as a drawing.

        ``optimized``: whether to draw the operators that run, instead of those that the layers were translated to.

        Returns a :class:`~sofie_jit.report.display.Graph`, which notebooks display and whose ``save`` writes a file.

        >>> import sofie_jit
        >>> from sofie_jit.demo import MODEL_FILE
        >>> drawing = sofie_jit.load(MODEL_FILE).draw(optimized=True)
        >>> "Conv + Relu" in drawing.dot
        True
        """
        from sofie_jit.report.display import Graph

        return Graph(self._description.optimized() if optimized else self.rmodel)

    def describe(self) -> str:
        """Its name and the number of its operators, for logs."""
        return f"{self.name}: {len(self.rmodel.operators)} operators"

    def _repr_html_(self) -> str:
        return self._description.html()

    def __repr__(self) -> str:
        return f"<{self._description}>"


def loaded(model: Any) -> Model:
    """``model``; raises InputError if it is a file or something else that must be loaded first."""
    if isinstance(model, Model):
        return model
    from sofie_jit.errors import InputError

    if isinstance(model, (str, os.PathLike)):
        wanted = f"sofie_jit.load({os.fspath(model)!r})"
    else:
        wanted = "sofie_jit.load(...) of a file or of a live model"
    raise InputError(f"model= is {type(model).__name__}, expected a sofie_jit.Model: pass {wanted}")


def _remade(function: Callable[..., Model], columns: Columns | None, *arguments: Any, **options: Any) -> Model:
    model = function(*arguments, **options)
    model.columns = columns
    return model

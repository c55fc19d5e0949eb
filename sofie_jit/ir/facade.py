"""Methods of RModel that compile, save, draw and print it.

This file is the one exception from the import directions of the package: users expect ``network.compile()`` on the
network itself, but everything that these methods do is implemented in higher layers. Each method imports its
implementation when it is called, and nothing else in ``ir`` imports from above.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from sofie_jit.ir.options import Optimize, Weights
    from sofie_jit.ir.rmodel import RModel
    from sofie_jit.ir.types import TensorType
    from sofie_jit.models.model import Model
    from sofie_jit.report.display import Graph


class Facade:
    """Mixin of :class:`~sofie_jit.ir.rmodel.RModel`: the public methods that higher layers implement."""

    # -- using ---------------------------------------------------------------------------------------------------

    def compile(self, *, threads: int | None = None, optimize: Optimize = True) -> Model:
        """Compiles the network in this process.

        ``threads``: the largest number of threads that share a call; see :func:`sofie_jit.load`.
        ``optimize``: True for all optimizations, False for none, or a list of names of passes.

        Returns a :class:`~sofie_jit.Model`, as :func:`sofie_jit.load` does for a file.

        Raises GraphError, ShapeError or DtypeError if the network is not valid, OptionError for a wrong option, and
        CompileError if the generated C++ does not compile.

        >>> import numpy as np
        >>> from sofie_jit import RModel
        >>> from sofie_jit.operators import Relu
        >>> network = RModel()
        >>> network.add_input_tensor_info("x", "float32", (None, 3))
        >>> network.add_operator(Relu(inputs=["x"], outputs=["y"]))
        >>> network.add_output_tensor_names("y")
        >>> model = network.compile(threads=1)
        >>> model.infer(np.array([[-1, 0, 2]]))
        array([[0., 0., 2.]], dtype=float32)
        """
        from sofie_jit.models.compile import compile_rmodel

        return compile_rmodel(_rmodel(self), threads=threads, optimize=optimize)

    def save_header(
        self,
        path: str | os.PathLike[str],
        *,
        weights: Weights = "text",
        namespace: str | None = None,
        self_test: bool = False,
        dispatch: bool = False,
        optimize: Optimize = True,
    ) -> Path:
        """Writes the network as a C++ header for other programs.

        ``path``: the header; its suffix is .hxx, .hpp, .hh or .h.
        ``weights``: ``"text"`` writes them to ``<stem>.dat`` next to the header, in SOFIE's format. ``"binary"`` writes
        ``<stem>.bin``, which is smaller and faster to read. ``"embedded"`` puts them into the header.
        ``namespace``: namespace of the C++ ``Session``, by default ``TMVA_SOFIE_<stem>``.
        ``self_test``: adds an input, the network's output for it in float64, and a function ``self_test()`` that
        returns whether the compiled header reproduces this output. The network is compiled here to make them.
        ``dispatch``: adds code for AVX-512, for AVX2 and for any other processor, and selects one at run time. Such a
        header takes three times as long to compile and should be compiled without ``-march``.
        ``optimize``: as in :meth:`compile`.

        Returns the path of the header. Run-time dimensions become arguments of the C++ ``infer``; :meth:`bind` fixes
        them.

        Raises OptionError for another suffix or options that exclude each other, FileNotFoundError if the folder does
        not exist, and VerificationError if a self test is wanted and the network fails it on this machine.

        >>> import tempfile
        >>> from sofie_jit import RModel
        >>> from sofie_jit.operators import Relu
        >>> network = RModel()
        >>> network.add_input_tensor_info("x", "float32", (None, 3))
        >>> network.add_operator(Relu(inputs=["x"], outputs=["y"]))
        >>> network.add_output_tensor_names("y")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     header = network.save_header(folder + "/positive.hxx", weights="embedded")
        ...     "namespace TMVA_SOFIE_positive" in header.read_text()
        True
        """
        from sofie_jit.export.header import save_header

        rmodel, expected = _rmodel(self), None
        if self_test:
            from sofie_jit.verification.reference import reference

            expected = reference(rmodel, optimize=optimize)
        return save_header(
            rmodel, path, weights=weights, namespace=namespace, dispatch=dispatch, optimize=optimize, reference=expected
        )

    def save_onnx(self, path: str | os.PathLike[str]) -> Path:
        """Writes the network as an ONNX file, for ONNX Runtime, ROOT's SOFIE and other programs.

        ``path``: the file; its suffix is .onnx. If the weights exceed 2 GB, they go to ``<path>.data``.

        Returns the path. The file has opset 18, or a newer one if an operator needs it. Inputs, outputs, and tensors
        between operators keep their names and shapes; run-time dimensions keep theirs, such as ``batch``. States become
        further inputs and outputs. ONNX has images with channels first, so that Transpose nodes stand at the ends of
        networks with channels last. The lowered operators of a compiled library become those of ONNX.

        Raises UnsupportedLayerError for operators that ONNX lacks, such as hashes of integers, GraphError, ShapeError
        or DtypeError if the network is not valid, and OptionError for another suffix or a folder that does not exist.

        >>> import tempfile
        >>> from sofie_jit import RModel, load
        >>> from sofie_jit.operators import Relu
        >>> network = RModel()
        >>> network.add_input_tensor_info("x", "float32", (None, 3))
        >>> network.add_operator(Relu(inputs=["x"], outputs=["y"]))
        >>> network.add_output_tensor_names("y")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(load(network.save_onnx(folder + "/positive.onnx")).infer([[-1, 0, 2]]))
        [[0. 0. 2.]]
        """
        from sofie_jit.export.onnx.file import write_onnx

        return write_onnx(_rmodel(self), Path(path))

    def save_library(
        self,
        path: str | os.PathLike[str],
        *,
        dispatch: bool = False,
        march: str | None = None,
        optimize: Optimize = True,
    ) -> Path:
        """Writes the network as a compiled library: machine code and weights in one file.

        :func:`sofie_jit.load` makes a Model of it without compiling, and needs neither cppyy nor a compiler. Programs
        in C and other languages use it through ``sofie_jit/include/sofie_jit.h``. The system's C++ compiler makes it.

        ``path``: the file, such as ``m.so``.
        ``dispatch``: whether it contains code for AVX-512, AVX2 and any other x86-64 processor, and selects one when it
        is loaded. By default it has code for the processor of this machine, and others may be refused.
        ``march``: the processor to compile for instead, as the compiler's option ``-march`` names it, such as
        ``"x86-64-v3"``.
        ``optimize``: as in :meth:`compile`.

        Returns the path. Run-time dimensions stay open; :meth:`bind` fixes them.

        Raises MissingDependencyError without a C++ compiler, CompileError if it fails, OptionError for options that
        exclude each other, and GraphError for the suffix of a model file or sizes of outputs that depend on the data.

        >>> import tempfile
        >>> import numpy as np
        >>> import sofie_jit
        >>> from sofie_jit.operators import Relu
        >>> network = sofie_jit.RModel("positive")
        >>> network.add_input_tensor_info("x", "float32", (None, 3))
        >>> network.add_operator(Relu(inputs=["x"], outputs=["y"]))
        >>> network.add_output_tensor_names("y")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model = sofie_jit.load(network.save_library(folder + "/positive.so"))
        >>> model.infer(np.array([[-1, 0, 2]]))
        array([[0., 0., 2.]], dtype=float32)
        """
        from sofie_jit.models.library import save_library

        return save_library(_rmodel(self), path, dispatch=dispatch, march=march, optimize=optimize)

    # -- showing -------------------------------------------------------------------------------------------------

    def summary(self) -> str:
        """A table of the operators with the layers they come from, the shapes of their outputs, and their parameters.

        Raises GraphError, ShapeError or DtypeError if the network is not valid.

        >>> from sofie_jit import RModel
        >>> from sofie_jit.operators import Relu
        >>> network = RModel()
        >>> network.add_input_tensor_info("x", "float32", (None, 3))
        >>> network.add_operator(Relu(inputs=["x"], outputs=["y"]))
        >>> network.add_output_tensor_names("y")
        >>> print(network.summary())
        input   x: float32 (batch, 3)
        output  y: float32 (batch, 3)
        <BLANKLINE>
        operator  from  output      parameters
        --------------------------------------
        Relu            (batch, 3)  0
        <BLANKLINE>
        parameters: 0
        """
        from sofie_jit.report.summary import summary

        return summary(_rmodel(self))

    def operator_rows(self) -> list[tuple[str, str, str, str]]:
        """The rows of :meth:`summary`: ONNX name, layer, shapes of the outputs, number of parameters; all as text."""
        from sofie_jit.report.summary import operator_rows

        return operator_rows(_rmodel(self))

    def draw(self) -> Graph:
        """The operators and the tensors between them as a drawing.

        Returns a :class:`~sofie_jit.report.display.Graph`, which notebooks display and whose ``save`` writes a file.

        >>> from sofie_jit import RModel
        >>> from sofie_jit.operators import Relu
        >>> network = RModel()
        >>> network.add_input_tensor_info("x", "float32", (None, 3))
        >>> network.add_operator(Relu(inputs=["x"], outputs=["y"]))
        >>> network.add_output_tensor_names("y")
        >>> print(network.draw())
        operator  from  reads  computes  shape
        -------------------------------------------
        Relu            x      y         (batch, 3)
        """
        from sofie_jit.report.display import Graph

        return Graph(_rmodel(self))

    def _repr_html_(self) -> str:
        from sofie_jit.models.description import html

        return html("RModel", _rmodel(self))

    # -- printing, under SOFIE's names ---------------------------------------------------------------------------

    def print_required_inputs(self) -> None:
        """Prints name, element type and shape of the inputs."""
        _print("Model requires following inputs", _rmodel(self).inputs)

    def print_initialized_tensors(self) -> None:
        """Prints name, element type and shape of the weights."""
        from sofie_jit.ir.types import tensor_type

        types = {name: tensor_type(values) for name, values in _rmodel(self).initialized.items()}
        _print("Model initialized the following tensors", types)

    def print_intermediate_tensors(self) -> None:
        """Prints name, element type and shape of the tensors that operators compute."""
        _rmodel(self).generate()
        _print("Model specifies the following intermediate tensors", _rmodel(self).intermediate)

    def print_outputs(self) -> None:
        """Prints name, element type and shape of the outputs.

        >>> from sofie_jit import RModel
        >>> from sofie_jit.operators import Relu
        >>> network = RModel()
        >>> network.add_input_tensor_info("x", "float32", (None, 3))
        >>> network.add_operator(Relu(inputs=["x"], outputs=["y"]))
        >>> network.add_output_tensor_names("y")
        >>> network.print_outputs()  # doctest: +NORMALIZE_WHITESPACE
        Model outputs:
          y  type: float32  shape: (batch, 3)
        """
        rmodel = _rmodel(self)
        _print("Model outputs", {name: rmodel.tensor_type(name) for name in rmodel.outputs})


def _print(title: str, types: Mapping[str, TensorType]) -> None:
    from sofie_jit.report.summary import tensor_list

    print(tensor_list(title, types))


def _rmodel(facade: Facade) -> RModel:
    """``facade`` with its actual type; only RModel has this mixin."""
    return cast("RModel", facade)

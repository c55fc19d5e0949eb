"""Opens models of all formats: :func:`open` looks at the content of a source and imports the one frontend it needs.

A frontend is a package with a function ``open`` (see :mod:`sofie_jit.frontends.base`) and one line in :data:`FORMATS`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from sofie_jit.errors import MissingDependencyError, ModelFileError, OptionError
from sofie_jit.frontends.content import Content, examine, on_disk

if TYPE_CHECKING:
    from sofie_jit.frontends.base import Translation


class Format(NamedTuple):
    """A format of models."""

    name: str
    """Its name in messages."""
    module: str
    """The frontend, which is imported when a source matches. Its ``open`` takes the source and options by keyword."""
    matches: Callable[[Content], bool]
    """Whether a source is of this format, or so similar that the error messages of this frontend are most useful."""
    files: str = ""
    """The files that it reads, for the message about a file that no format matches."""
    objects: str = ""
    """The live models that it reads, for the message about an object that no format matches."""


def _is_keras(content: Content) -> bool:
    names = {"config.json", "model.weights.h5", "saved_model.pb"}
    return (
        content.is_hdf5
        or bool(content.names & names)
        or (content.is_json and (b'"class_name"' in content.head or b'"weight_map"' in content.head))
        or bool(content.packages & {"keras", "tf_keras"})
        or content.has("get_config", "layers", "weights")
    )


def _is_onnx(content: Content) -> bool:
    texts = {(number, 2) for number in (2, 3, 4, 6, 7, 8, 14, 20, 25, 26)}  # the fields of ModelProto
    fields = content.protobuf_fields
    return (1, 0) in fields and fields <= texts | {(1, 0), (5, 0)}  # ir_version, model_version


def _is_pytorch(content: Content) -> bool:
    """An archive of torch.export, torch.jit or torch.save, or an object of torch."""
    endings = ("/archive_format", "/data.pkl", "/models/model.json")
    members = (
        any(name.endswith(endings) for name in content.names) or "serialized_exported_program.json" in content.names
    )
    return members or "torch" in content.packages


FORMATS: list[Format] = [
    Format(
        "Keras", "sofie_jit.frontends.keras", _is_keras,
        ".keras, .h5 and .hdf5 files, weights with config=", "a keras.Model",
    ),
    Format("ONNX", "sofie_jit.frontends.onnx", _is_onnx, ".onnx files"),
    Format(
        "PyTorch", "sofie_jit.frontends.pytorch", _is_pytorch,
        ".pt2 files of torch.export.save, TorchScript files", "a torch.nn.Module with example_inputs=",
    ),
    Format(
        "compiled library", "sofie_jit.frontends.library", lambda content: content.is_shared_library,
        "files of 'sofie-jit build' and Model.save_library",
    ),
]  # fmt: skip
"""All formats; the first that matches is used."""


def format_of(source: Any) -> str:
    """The name of the format of a path or a live model; '' if the format is not supported."""
    found = _format(examine(source))
    return found.name if found else ""


def _format(content: Content) -> Format | None:
    return next((format for format in FORMATS if format.matches(content)), None)


COMMON = ("untrusted", "meanwhile")
"""Keyword arguments that ``open`` of every frontend takes."""


def open(
    source: Any, *, untrusted: bool | None = None, meanwhile: Callable[[], object] | None = None, **options: Any
) -> Translation:
    """Reads a model of any format.

    ``source``: the path of a file or directory, bytes, a file that is open for reading, or a live model. The content
    determines the format, not the name.
    ``untrusted``: which process reads a file, see :func:`sofie_jit.load`.
    ``meanwhile``: called in this process while another one reads the file.
    ``options``: those of the format's ``open``, and ``input_shapes``, which fixes open dimensions of any format; None
    is the same as an option that is not given.

    Raises FileNotFoundError, ModelFileError for a source that no format matches, OptionError for an option that the
    format does not have, and what the frontend raises for a damaged file.

    >>> from sofie_jit import frontends
    >>> from sofie_jit.demo import MODEL_FILE
    >>> translation = frontends.open(MODEL_FILE)
    >>> translation.format, dict(translation.inputs)
    ('Keras', {'image': TensorType(dtype='float32', shape=(batch, 8, 8, 1))})
    >>> translation().output_labels
    ['digit']
    """
    with on_disk(source) as source:
        return _open(source, untrusted=untrusted, meanwhile=meanwhile, options=options)


def _open(
    source: Any, *, untrusted: bool | None, meanwhile: Callable[[], object] | None, options: dict[str, Any]
) -> Translation:
    content = examine(source)
    found = _format(content)
    if found is None:
        raise ModelFileError(_unknown(content))
    frontend = _imported(found)
    given = {name: value for name, value in options.items() if value is not None}
    parameters = inspect.signature(frontend.open).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in COMMON]
    shapes = None if "input_shapes" in known else given.pop("input_shapes", None)
    if unknown := [name for name in given if name not in known]:
        raise OptionError(
            f"{found.name} models have no option {unknown[0]}=; their options are: "
            f"{', '.join(f'{name}=' for name in known) or 'none'}"
        )
    if "outputs" in given and not given["outputs"]:
        raise OptionError("outputs= is empty: give the names of the outputs, or omit it")
    translation: Translation = frontend.open(source, untrusted=untrusted, meanwhile=meanwhile, **given)
    if shapes is None:
        return translation
    from sofie_jit.frontends.fixed_sizes import with_input_shapes

    return with_input_shapes(translation, shapes)


def _imported(format: Format) -> ModuleType:
    """The frontend of a format. Raises MissingDependencyError if it needs a package that is not installed."""
    try:
        return importlib.import_module(format.module)
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("sofie_jit"):
            raise
        raise MissingDependencyError(
            f"{format.name} models are read by the package {error.name}, which is not installed: pip install "
            f"{error.name} (a compiled library, which Model.save_library writes, does not need it)"
        ) from error


def _unknown(content: Content) -> str:
    if content.path is None:
        objects = "".join(f", {format.objects}" for format in FORMATS if format.objects)
        return f"the source {content.describe()}. Supported: a path, bytes, an open file{objects}"
    files = "; ".join(f"{format.name} ({format.files})" for format in FORMATS)
    return f"'{content.path}' {content.describe()}. Supported: {files}"

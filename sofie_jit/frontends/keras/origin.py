"""The Keras that wrote a config: its version, its backend, and the consequences for options of its layers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sofie_jit.errors import ModelFileError, OptionError

BACKENDS = ("tensorflow", "theano")
"""The values of ``backend=``."""

BILINEAR_OF_TENSORFLOW_1 = "bilinear_tensorflow1"
"""The name of ``bilinear`` where Keras resized with TensorFlow 1, which aligned the first pixels of both images."""
_WITH_TENSORFLOW_1 = re.compile(r"2\.[23]\.\d+|2\.1\.6-tf")
"""The Keras versions that used it. For 2.2.4-tf, which TensorFlow 1.13 to 2.1 wrote, the files do not tell."""

SAME_OF_THEANO = "same_theano"
"""The name of ``same`` where Theano computed a layer: its padding does not depend on strides and sizes."""
SAME_OF_THEANO_3D = "same_theano_3d"
"""The name of ``same`` where Keras 1.0 computed a convolution of volumes with Theano."""
SAME_OF_CNTK = "same_cntk"
"""The name of ``same`` where CNTK computed a layer."""
COUNTED_BY_THEANO = "same_theano_counted"
"""The name of ``same`` where a mean of Theano counts the padding."""
_COUNTED = re.compile(r"2\.0\.[4-9]|2\.1\.[0-4]")
"""The Keras versions in which it did."""
CROPPED_BY_THEANO = "same_theano_cropped"
"""The name of ``same`` where pooling with Theano crops the axes along which its windows have one element."""
_CROPPED = re.compile(r"(Max|Average)Pooling3D .*|(Max|Average)Pooling[12]D 1\.[01]\..*")
"""The classes and Keras versions in which it does."""
BILINEAR_OF_THEANO = "bilinear_theano"
"""The name of ``bilinear`` where Theano resized images."""

LOST_OUTPUT_SHAPE = "lost"
"""The ``output_shape`` of a strided transposed convolution that was saved by a Keras which wrote a computed one."""
_LOSES_OUTPUT_SHAPE = re.compile(r"1\.0\.\d+|1\.1\.[01]")
"""The Keras versions that did."""

_ORDERINGS = {"tf": "channels_last", "th": "channels_first"}
_DEFAULT_ORDERINGS = {"tensorflow": frozenset({"tf"}), "theano": frozenset({"th"})}
_WITHOUT_ORDERING = re.compile(r"(ZeroPadding|Cropping|UpSampling)[23]D")
"""Classes for which Keras 1 did not save whether images are channels-first."""


@dataclass(frozen=True)
class Origin:
    """The Keras that wrote a config."""

    major: int
    """Its major version: 1, 2 or 3."""
    version: str = ""
    """Such as '2.2.4-tf'; '' if it is unknown."""
    backend: str = ""
    """Such as 'theano'; '' if it is unknown."""
    orderings: frozenset[str] = frozenset()
    """The orderings, 'tf' and 'th', that layers of Keras 1 have."""

    @property
    def is_before_group_normalization(self) -> bool:
        """Whether Keras had no GroupNormalization yet, so that one without a package is that of keras_contrib."""
        return re.match(r"1\.|2\.(\d|10)\.", self.version) is not None

    def data_format(self, class_name: str, name: Any, default: str) -> str:
        """The ``data_format`` of a layer that was saved without one.

        Raises ModelFileError if that cannot be told.
        """
        if self.major > 1 or not _WITHOUT_ORDERING.fullmatch(class_name):
            return default
        orderings = self.orderings or _DEFAULT_ORDERINGS.get(self.backend, frozenset())
        if len(orderings) != 1:
            reason = "has layers of both orderings" if orderings else "has no layer with one"
            remedy = "" if orderings else "backend='theano' or backend='tensorflow' for their default, or "
            raise ModelFileError(
                f"layer '{name}' of class {class_name} was saved by Keras 1 without its dim_ordering, and the model "
                f"{reason}; pass {remedy}config= with its architecture and 'dim_ordering': 'th' or 'tf' in this layer"
            )
        return _ORDERINGS[next(iter(orderings))]

    def padding(self, class_name: str, padding: Any) -> Any:
        """The value of ``padding``, with a name of its own where ``same`` had another meaning."""
        if padding != "same" or self.major > 2 or self.backend not in ("theano", "cntk"):
            return padding
        if self.backend == "cntk":
            return SAME_OF_CNTK
        if class_name == "Conv3D" and self.version.startswith("1.0."):
            return SAME_OF_THEANO_3D
        if _CROPPED.fullmatch(f"{class_name} {self.version}"):
            return CROPPED_BY_THEANO
        counted = _COUNTED.fullmatch(self.version) and re.fullmatch("AveragePooling[12]D", class_name)
        return COUNTED_BY_THEANO if counted else SAME_OF_THEANO

    def output_shape(self, strides: Any, output_shape: Any) -> Any:
        """The ``output_shape`` of a transposed convolution, ``LOST_OUTPUT_SHAPE`` if the saved one is not reliable."""
        lost = _LOSES_OUTPUT_SHAPE.fullmatch(self.version) and strides not in (1, [1, 1], (1, 1))
        return LOST_OUTPUT_SHAPE if lost else output_shape

    def interpolation(self, class_name: str, interpolation: Any) -> Any:
        """The value of ``interpolation``, with a name of its own where ``bilinear`` had another meaning."""
        if interpolation != "bilinear" or class_name != "UpSampling2D":
            return interpolation
        if self.backend == "theano":
            return BILINEAR_OF_THEANO
        return BILINEAR_OF_TENSORFLOW_1 if _WITH_TENSORFLOW_1.fullmatch(self.version) else interpolation


def origin_of(model: Mapping[str, Any], keras_version: str = "", backend: str = "") -> Origin:
    """The :class:`Origin` of the config of a model."""
    major = keras_major(model, keras_version)
    orderings = {value for node in _mappings(model) if (value := node.get("dim_ordering")) in ("th", "tf")}
    return Origin(major, keras_version, backend, frozenset(orderings) if major == 1 else frozenset())


def keras_major(model: Mapping[str, Any], keras_version: str = "") -> int:
    """The major version of the Keras that wrote a config: 1, 2 or 3; guessed from its keys if the version is unknown.

    >>> keras_major({"class_name": "Sequential", "config": []}, "2.2.4-tf")
    2
    """
    major = re.match(r"[123](?=\.|$)", keras_version)
    if major:
        return int(major[0])
    keys = {str(key) for node in _mappings(model) for key in node}
    if keys & {"registered_name", "batch_shape", "build_input_shape", "keras_history"}:
        return 3
    return 1 if keys & {"border_mode", "dim_ordering", "inner_activation", "W_regularizer", "nb_filter"} else 2


def _mappings(model: Any) -> Iterator[Mapping[Any, Any]]:
    """All dicts in a config."""
    todo: list[Any] = [model]
    while todo:
        node = todo.pop()
        if isinstance(node, Mapping):
            yield node
            todo.extend(node.values())
        elif isinstance(node, (list, tuple)):
            todo.extend(node)


def chosen_backend(given: str | None, found: str) -> str:
    """The backend that trained a model: ``given`` by the user, or ``found`` in the file.

    Raises OptionError if ``given`` is not a backend, or not the one in the file.
    """
    if given is None:
        return found
    if given not in BACKENDS:
        raise OptionError(f"backend={given!r} is not supported; expected one of {', '.join(map(repr, BACKENDS))}")
    if found and found != given:
        raise OptionError(f"backend={given!r}, but the file says that its backend is {found!r}; leave backend= out")
    return given

"""Computes models of files in a process in which ``import torch`` fails; run as a program, it is that process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

Arrays = list[np.ndarray]


class WithoutTorch:
    """A process without torch; it is started by the first question, and again if it ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def outputs(self, path: Path, options: dict[str, Any], batches: list[Arrays], compiled: bool) -> list[Arrays]:
        """The outputs of the model in a file for several inputs: of the compiled model, or evaluated in numpy.

        Raises AssertionError with the traceback if the process raises an error.
        """
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((path, options, batches, compiled), self._process.stdin)
        self._process.stdin.flush()
        found, error = pickle.load(self._process.stdout)
        assert error is None, error
        return found  # type: ignore[no-any-return]

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.communicate()


def computed(path: Path, options: dict[str, Any], batches: list[Arrays], compiled: bool) -> list[Arrays]:
    """The outputs of the model in a file for several inputs."""
    import sofie_jit
    from sofie_jit import frontends
    from sofie_jit.codegen.print_jit import jit_text
    from sofie_jit.frontends.base import leaves
    from sofie_jit.passes.explicit_states import explicit_states
    from sofie_jit.passes.pipeline import lower
    from sofie_jit.verification.evaluate import evaluate

    if compiled:
        model = sofie_jit.load(path, **options)
        return [[leaf for leaf in leaves(model.infer(*inputs)) if leaf.dtype != object] for inputs in batches]
    network = frontends.open(path, **options)()
    jit_text(lower(explicit_states(network)))  # there are kernels for all operators
    return [evaluate(network, inputs) for inputs in batches]


def answer(questions: BinaryIO, answers: BinaryIO) -> None:
    """Answers questions until there are no more."""
    import traceback

    while True:
        try:
            question = pickle.load(questions)
        except EOFError:
            return
        try:
            reply = computed(*question), None
        except Exception:
            reply = None, traceback.format_exc()
        pickle.dump(reply, answers)
        answers.flush()


if __name__ == "__main__":
    sys.modules["torch"] = None  # type: ignore[assignment]
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # messages of the compiler must not get between the answers
    answer(sys.stdin.buffer, replies)

"""Classify handwritten digits with the network that comes with the package.

Loads a convolutional network from a .h5 file that Keras trained and saved, compiles it, and runs it on 100 images that
it was not trained on. Shows the accuracy, the difference from Keras's outputs, and the speed. A compiled library of
this network, which `sofie-jit build` wrote, needs neither cppyy nor a compiler.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from sofie_jit.errors import InputError

EXAMPLES = """\
sofie-jit demo
sofie-jit demo digits.so"""

TOLERANCE = 1e-6
"""Maximum difference from Keras's outputs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("library", nargs="?", help="a compiled library of the demo's network")


def run(args: argparse.Namespace) -> int:
    """Classifies and prints; returns 1 if the outputs differ from Keras's."""
    from sofie_jit import loading
    from sofie_jit.demo import MODEL_FILE, load_digits
    from sofie_jit.jit import runtime_functions
    from sofie_jit.report.timing import seconds_per_call

    images, labels, keras = load_digits()
    start = time.perf_counter()
    if args.library is None:
        runtime_functions.start()
    started = time.perf_counter()
    model = loading.load(args.library or MODEL_FILE)
    if model.input_shapes != [(None, *images.shape[1:])] or model.output_shapes != [(None, keras.shape[1])]:
        raise InputError(f"'{args.library}' is not a library of the demo's network, {MODEL_FILE}")
    answers = model.infer(images)
    done = time.perf_counter()

    print(f"{Path(args.library or MODEL_FILE).name}, saved by Keras, as compiled C++:\n{model.rmodel.summary()}\n")
    predicted = answers.argmax(axis=1)
    shown = _some_of_each_kind(predicted == labels)
    print(draw(images[shown, ..., 0], [_caption(predicted[i], labels[i], answers[i]) for i in shown]))

    right = np.count_nonzero(predicted == labels)
    difference = float(np.abs(answers - keras).max())
    one, many = (seconds_per_call(partial(model.infer, x)) * 1e6 / len(x) for x in (images[:1], images))
    print(f"accuracy                 {right / len(labels):.1%} ({right} of {len(labels)} held-out images)")
    print(f"difference from Keras    {difference:.1e} at most")
    print(f"load and compile         {done - started:.2f} s, with the first outputs{_source_of_code(args.library)}")
    if args.library is None:
        print(f"start of the compiler    {started - start:.2f} s, once per process")
    print(f"time per image           {one:.2f} us one by one, {many:.2f} us in a batch of 100")
    if difference >= TOLERANCE:
        print(f"sofie-jit demo: the outputs should differ from Keras's by less than {TOLERANCE:.0e}", file=sys.stderr)
        return 1
    return 0


def _source_of_code(library: str | None) -> str:
    """Where the machine code comes from, as the end of a line."""
    from sofie_jit.jit import cache_folder
    from sofie_jit.jit.compiler import compiler

    if library is not None:
        return ""
    if not compiler().networks:
        return ", machine code from the cache (see sofie-jit cache)"
    return ", compiled now; later runs may load it from the cache" if cache_folder.usable() else ", compiled now"


def _some_of_each_kind(right: np.ndarray, count: int = 4) -> np.ndarray:
    """Indices of ``count`` images to show; a wrongly classified one comes last, if there is one."""
    hits, misses = np.flatnonzero(right), np.flatnonzero(~right)[:1]
    return np.concatenate([hits[: count - len(misses)], misses])


def _caption(predicted: int, label: int, answer: np.ndarray) -> str:
    truth = "" if predicted == label else f", is {label}"
    return f"{predicted} ({answer[predicted]:.1%}){truth}"


def draw(images: np.ndarray, captions: list[str], gap: int = 3) -> str:
    """Draws images of shape (n, rows, columns) and values 0 to 1 as text, two characters per pixel, with captions."""
    shades = np.array(list(" ░▒▓█" if _can_print("░▒▓█") else " .+#@"))
    pixels = np.repeat(shades[np.rint(images * (len(shades) - 1)).astype(int)], 2, axis=2)
    rows = [(" " * gap).join("".join(image[row]) for image in pixels).rstrip() for row in range(pixels.shape[1])]
    names = (" " * gap).join(caption.ljust(pixels.shape[2]) for caption in captions).rstrip()
    return "\n".join([*rows, "", names, ""])


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True

"""Evaluate a model on arrays from files.

Give one .npy file per input, in the order that `info` lists them, or one .npz file that holds them by name. The first
axis is the batch. A model with one output writes .npy or .npz, one with several writes .npz, by output name.
"""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sofie_jit.cli import add_model_arguments
from sofie_jit.cli.arrays import array_file, read
from sofie_jit.errors import InputError

EXAMPLES = """\
sofie-jit run m.h5 x.npy -o y.npy
sofie-jit run two_inputs.h5 jets.npy tracks.npy -o y.npy
sofie-jit run two_inputs.keras inputs.npz -o outputs.npz"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("inputs", metavar="INPUT", nargs="+", type=array_file, help="arrays to read, .npy or .npz")
    parser.add_argument(
        "-o", "--output", metavar="OUTPUT", required=True, type=array_file, help="where results go, .npy or .npz"
    )


def run(args: argparse.Namespace) -> int:
    import sofie_jit

    arrays = [read(path) for path in args.inputs]
    model = sofie_jit.load(args.file, config=args.config)
    if args.output.suffix == ".npy" and len(model.output_names) > 1:
        raise InputError(f"the model has outputs {', '.join(model.output_names)}: write them to a .npz file")
    results = _by_name(model, model.infer(*arrays))
    if args.output.suffix == ".npy":
        np.save(args.output, next(iter(results.values())))
    else:
        _save_npz(args.output, results)
    for name, result in results.items():
        print(f"{args.output}: {name} {result.dtype} {result.shape}")
    return 0


def _save_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """What np.savez writes, but for arrays of any name ("file" among them)."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _by_name(model: Any, results: Any) -> dict[str, np.ndarray]:
    arrays = dict(_numbered(model.rmodel.output_structure, results))
    return {name: arrays[index] for index, name in enumerate(model.output_names)}


def _numbered(structure: Any, results: Any) -> Iterator[tuple[int, np.ndarray]]:
    """The arrays of ``results`` with their places among the outputs, which ``structure`` tells."""
    if structure is None:
        yield from enumerate(results if isinstance(results, list) else [results])
    elif isinstance(structure, dict):
        for key, part in structure.items():
            yield from _numbered(part, results[key])
    elif isinstance(structure, (list, tuple)):
        for part, result in zip(structure, results, strict=True):
            yield from _numbered(part, result)
    else:
        yield structure, results

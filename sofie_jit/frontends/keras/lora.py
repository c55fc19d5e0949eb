"""LoRA: a product of two small matrices that is trained in place of the kernel, and added to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sofie_jit.frontends.keras.graph import Layer
from sofie_jit.frontends.keras.saved_model import Weight

LORA_OPTIONS = ("lora_rank", "lora_alpha")
"""Options without influence on inference: in .keras files, and after :func:`merged`, the kernel has the product."""


def merged(layer: Layer, weights: Sequence[Weight], names: Sequence[str]) -> list[Weight]:
    """The weights of a live model or .h5 file with ``alpha / rank * A B`` added to the kernel, ordered by ``names``.

    Weights without such a product stay as they are.
    """
    by_name = {weight.name.rpartition("/")[2].partition(":")[0]: weight for weight in weights}
    for changed in ("kernel", "embeddings"):
        a, b, base = (by_name.get(name) for name in (f"lora_{changed}_a", f"lora_{changed}_b", changed))
        if a is None or b is None or base is None or not layer.config.get("lora_rank"):
            continue
        rank = layer.config["lora_rank"]
        product = a.array.astype(np.float64) @ b.array * ((layer.config.get("lora_alpha") or rank) / rank)
        by_name[changed] = Weight(base.name, (base.array + product).astype(base.array.dtype))
        return [by_name[name] for name in names if name in by_name]
    return list(weights)

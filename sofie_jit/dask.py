"""Models on dask arrays under their public name, ``sofie_jit.dask.infer``; see :mod:`sofie_jit.models.dask`."""

from sofie_jit.models.dask import infer

__all__ = ["infer"]

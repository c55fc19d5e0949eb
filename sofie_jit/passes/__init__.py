"""Rewrites of an RModel; :mod:`sofie_jit.passes.pipeline` lists them in order."""

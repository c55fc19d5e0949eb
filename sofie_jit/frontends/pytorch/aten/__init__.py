"""Operators of ATen, PyTorch's library of tensors: one file per family."""

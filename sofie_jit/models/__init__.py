"""Compiled networks that take and return numpy arrays."""

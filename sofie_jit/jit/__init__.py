"""Compilation of generated C++ in this process, and calls of it."""

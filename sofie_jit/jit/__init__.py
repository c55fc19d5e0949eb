"""Compilation of generated C++ in this process with Cling, and calls of the compiled code."""

"""Compiled networks: numpy arrays in and out."""

"""Measuring: how long a call takes, here and in other engines that run Keras models."""

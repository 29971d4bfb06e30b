"""Computations of a trained network, from arrays to arrays."""

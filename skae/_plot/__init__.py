"""Plots of autoencoders, in the form of scikit-learn's displays."""

"""Displays: pictures of what an autoencoder does, in scikit-learn's manner."""

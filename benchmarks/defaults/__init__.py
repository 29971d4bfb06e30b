"""Are the defaults good ones? Against PCA of equal size, and against alternatives."""

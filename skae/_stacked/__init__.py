"""Several fits at once: their networks are trained as one, with a leading axis."""

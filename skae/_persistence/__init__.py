"""Fitted estimators as files, and back."""

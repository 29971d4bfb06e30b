"""Reproductions: each script compares skae with a published result or a baseline."""

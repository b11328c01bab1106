"""Judges what a written artefact computes against the PyTorch reference."""

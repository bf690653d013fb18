"""Preprocessing of datasets into a cache on disk, and the conversion of windows into model inputs."""

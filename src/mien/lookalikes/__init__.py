"""Lookalikes of the datasets: their formats on disk, with their traps, and synthetic people as content.

They are written from the description of the formats alone and share no code with the loaders, so that a loader that
reads one right was held against the description, not against itself.
"""

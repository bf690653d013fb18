"""The datasets: where their trials are on disk, what is wrong with them, and their signals beside the video."""

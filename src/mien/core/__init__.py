"""Values that flow through mien, tasks, settings, parallel jobs and atomic files."""

"""What people read: timelines, summaries, HTML reports, overlays and text for language models."""

"""From frames to predictions: the stream, whole recordings, batches of files and live sessions."""

"""mien: reads expression from the face and the pulse from its colour, in any video."""

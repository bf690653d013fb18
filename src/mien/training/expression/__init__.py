"""Training of the expression reader: simulated measures, the head that learns from them, and people's own labels."""

"""One file a paper. A model is an `nn.Module` with `needs`, `forward(batch) -> logits (B, K)` and `loss(batch)`."""

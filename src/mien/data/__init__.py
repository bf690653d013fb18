"""From datasets to what models take: prepared trials on disk, and the one way from a window to tensors."""

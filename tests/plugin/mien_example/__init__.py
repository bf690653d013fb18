"""The worked examples of docs/adding.md, as a package outside mien would add them."""

"""The models, one file or package per paper. Each inherits from `method.Method`; `registry` lists them."""

"""`python -m mien.cli`."""

from mien.cli import main

if __name__ == "__main__":
    main()

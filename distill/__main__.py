"""`python -m distill` is the same as `distill`."""

from distill.cli import main

if __name__ == "__main__":
    main()

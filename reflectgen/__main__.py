"""`python -m reflectgen`, and so `torchrun ... -m reflectgen train recipe.yaml`."""

from reflectgen.cli import main

if __name__ == "__main__":
    main()

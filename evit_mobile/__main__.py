"""`python -m evit_mobile`: the command line, where its folder is not on PATH."""

from evit_mobile.cli import main

if __name__ == "__main__":
    main()

"""`python -m evit_mobile.cli`, as `evit-mobile`."""

from evit_mobile.cli.app import main

main()

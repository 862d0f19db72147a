"""``python -m imgray``."""

from imgray.cli import main

main()

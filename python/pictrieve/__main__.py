"""Lets `python -m pictrieve` do what the `pictrieve` command does."""

import sys

from pictrieve.cli import main

sys.exit(main())

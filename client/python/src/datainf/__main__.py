"""`python -m datainf` is the command `datainf`."""

import sys

from datainf._cli import main

if __name__ == "__main__":
    sys.exit(main())

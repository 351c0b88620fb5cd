"""`python -m battprob.cli`."""

import sys

from battprob.cli import main

if __name__ == "__main__":
    sys.exit(main())

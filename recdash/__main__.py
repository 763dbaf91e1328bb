"""`python -m recdash` is the same as `recdash`."""

import sys

from recdash.cli.main import main

sys.exit(main())

"""`python -m imagemp.ctl`: imagectl, where it is not on the PATH."""

import sys

from .main import main

sys.exit(main())

"""`python -m eventtag`: the command line."""

import sys

from eventtag.cli.main import main

sys.exit(main())

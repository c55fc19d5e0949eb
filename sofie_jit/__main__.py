"""``python -m sofie_jit``: the command line."""

from __future__ import annotations

import sys

from sofie_jit.cli import main

sys.exit(main())

"""python -m attention_lib"""

import sys

from attention_lib.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

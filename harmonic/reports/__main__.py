"""`python -m harmonic.reports`: the command `harmonic-report`."""

import signal
import sys

if __name__ == "__main__":
    try:
        from harmonic.reports import main

        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)

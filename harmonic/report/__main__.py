"""`python -m harmonic.report`: the command `harmonic-report`."""

from harmonic.start import report

if __name__ == "__main__":
    report()

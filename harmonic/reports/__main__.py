"""`python -m harmonic.reports`: the command `harmonic-report`."""

from harmonic.cli.start import report

if __name__ == "__main__":
    report()

"""`python -m harmonic`: the command `harmonic`."""

from harmonic.cli.start import harmonic

if __name__ == "__main__":
    harmonic()

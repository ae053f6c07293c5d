"""What an upgrade of a library can break, a module a library: its private names, and what differs between versions.

To others: all of it; each name stands with its reason and the public way that was tried. No other folder uses one.
"""

"""What a table of runs says: configurations and their replicates, who is better and by how much, what mattered.

To others: `compare`, `ranked`, `importances`; the modules for reports and figures.
"""

from harmonic.analysis.comparison import compare
from harmonic.analysis.configurations import ranked
from harmonic.analysis.importance import importances

__all__ = ["compare", "importances", "ranked"]

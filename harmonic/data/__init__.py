"""What runs are trained on: the contract of data, its seeded streams, the post's law, and the regions of its plane.

To others: `Data` and `Sample`, what builds and draws them, `Harmonic`; the regions by their module.
"""

from harmonic.data.base import Data, Sample, as_array, build, draw, draw_validation, sample, says, stream
from harmonic.data.harmonic import Harmonic

__all__ = ["Data", "Harmonic", "Sample", "as_array", "build", "draw", "draw_validation", "sample", "says", "stream"]

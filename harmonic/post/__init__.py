"""The blog post that harmonic comes from: what it printed, beside ours; a plugin of `harmonic.analysis.references`.

    python -m harmonic.post outputs/post
    python -m harmonic.post outputs/post outputs/width_lr      # and the best of a sweep

To others: nothing, for it registers itself; to readers `compare_losses`, `baselines` and the figures.

The post printed 41 losses of three configurations and fixed no seed. What can be compared is
therefore not number with number, but each of its numbers with the spread over our seeds.
"""

from harmonic.analysis import references
from harmonic.post.experiments import EXPERIMENTS, baselines, label, published, replicates
from harmonic.post.losses import LEAST, Verdict, compare_losses, judge, summarize
from harmonic.post.reference import Post

__all__ = [
    "EXPERIMENTS",
    "LEAST",
    "Post",
    "Verdict",
    "baselines",
    "compare_losses",
    "judge",
    "label",
    "published",
    "replicates",
    "summarize",
]

references.register(Post())

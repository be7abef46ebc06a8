"""Two networks side by side: which tensors belong together, how far they are apart, and what follows for the whole."""

from pondera.reading.comparison.result import Comparison as Comparison
from pondera.reading.comparison.whole import compare as compare

"""A series of checkpoints of one training: how far every part of the network moved, and when."""

from pondera.reading.timeline.checkpoints import Series as Series
from pondera.reading.timeline.checkpoints import find_checkpoints as find_checkpoints
from pondera.reading.timeline.timeline import Timeline as Timeline
from pondera.reading.timeline.timeline import timeline as timeline

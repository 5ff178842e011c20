"""What the adapters share that let structures pass one by one, so that no two need be held."""

from pesforge.io import iter_frames


def frames_of(paths):
    """The structures of some files, one after the other."""
    for path in paths:
        yield from iter_frames(path)


class Counted:
    """Structures on their way, counted, and seen by `watchers`: functions of one structure."""

    def __init__(self, *watchers):
        self.number, self.watchers = 0, watchers

    def through(self, frames):
        """The same structures."""
        for frame in frames:
            self.number += 1
            for watch in self.watchers:
                watch(frame)
            yield frame

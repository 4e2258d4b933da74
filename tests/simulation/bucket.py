"""A bucket that records itself after every mutation, as a `Disk` does."""

from collections.abc import Callable, Mapping

from preimage.storage.object_storage import ObjectStorage
from simulation.clock import SimulatedClock
from simulation.objects import Request, SimulatedObjects
from simulation.posix import Mutation

Content = Mapping[str, tuple[bytes, int]]


class Bucket:
    """Puts and deletes are whole, and seen at once: a kill leaves what was there before one, or after."""

    def __init__(self) -> None:
        self.before: Callable[[int, str], None] = lambda number, name: None
        self.after: Callable[[int], None] = lambda number: None
        self.clock, self.content = SimulatedClock(), {}
        objects = SimulatedObjects(self._hook, self.content, self.clock.monotonic)
        self.storage = ObjectStorage(objects, "sim", "results", clock=self.clock)
        self.load({})

    def load(self, image: Content) -> None:
        """Begin with this content. Claims stay until nobody renews them."""
        self.content.clear()
        self.content.update(image)
        self.clock.forget()
        self.trace: list[Mutation] = []
        self.count = 0

    def image(self) -> Content:
        return dict(self.content)

    @staticmethod
    def files(image: Content) -> dict[str, bytes]:
        return {f"/results/{key}": data for key, (data, _) in image.items()}

    @staticmethod
    def durable(image: Content) -> Content:
        return image

    def _hook(self, request: Request) -> None:
        if not request.mutates:
            return
        if request.moment == "before":
            self.count += 1
            self.before(self.count - 1, request.method)
        else:
            self.trace.append(Mutation(request.method, request.key, self.image()))
            self.before(self.count - 1, "answer")
            self.after(len(self.trace))

"""How a batch is divided among workers."""


def part_of(batch: int, rank: int, world_size: int) -> tuple[int, int]:
    """A worker's rows of a batch, as (first, end). Parts differ in size by at most one."""
    return rank * batch // world_size, (rank + 1) * batch // world_size

"""The sizes of convolutional blocks: what is left of a window after each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FilterBlocks:
    """Blocks of convolutions without padding, each followed by one max-pool.

    Attributes:
        filters: of each block, the filters of each of its convolutions.
        pools: of each block, the width of its pool; 1 for none.
        kernel: rows a filter sees.
    """

    filters: tuple[tuple[int, ...], ...]
    pools: tuple[int, ...]
    kernel: int

    def length_after(self, length: int) -> int:
        """Return the rows that are left of ``length``.

        Raises:
            ValueError: when a block leaves none, or there is not one pool a block.
        """
        if len(self.pools) != len(self.filters):
            raise ValueError(f"{len(self.pools)} pools were given for {len(self.filters)} blocks of filters")
        left = length
        for block, pool in zip(self.filters, self.pools, strict=True):
            left = (left - len(block) * (self.kernel - 1)) // pool
            if left < 1:
                raise ValueError(
                    f"a window of {length} rows is too short for filters {self.filters}, kernel {self.kernel} and pools "
                    f"{self.pools}: nothing is left after a block"
                )
        return left

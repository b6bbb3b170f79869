from collections.abc import Iterable, Mapping, Sequence

END: int

class Keys:
    names: tuple[str, ...]
    def __init__(
        self,
        names: Iterable[str],
        paths: Sequence[Sequence[tuple[int, int]]],
        grammars: Mapping[str, tuple[bool, bool, bool]],
    ) -> None: ...
